"""Why a document could not be read, as a code for programs and a sentence for people."""

from enum import StrEnum

from common.errors import RequestError


class Problem(StrEnum):
    """The reason a document gave no pages; the values are stable."""

    EMPTY = "document_empty"
    WRONG_TYPE = "document_wrong_type"
    DAMAGED = "document_damaged"
    PASSWORD = "document_password"
    NO_TEXT = "document_without_text"
    TOO_LARGE = "document_too_large"
    TOO_MANY_PAGES = "document_too_many_pages"
    TOO_SLOW = "document_too_slow"
    NOT_A_REPORT = "document_not_a_report"
    READER_DIED = "document_reader_died"


class DocumentError(RequestError):
    """One document cannot be read; `name` is its file name and `problem` the reason. Others are not affected."""

    code = "document_unreadable"

    def __init__(self, name: str, problem: Problem, explanation: str) -> None:
        super().__init__(f"{name}: {explanation}", field=name)
        self.name = name
        self.problem = problem
        self.explanation = explanation
