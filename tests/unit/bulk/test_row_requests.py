"""What the model is asked for a planned row, and how its answer is read by what the row asks."""

import pytest

from common.finance_tasks import Task
from common.queries import PlannedPage, PlannedRow
from common.templates import TEMPLATES
from tests.support.report_library import ReportLibrary, record, sha256
from worker.bulk.row_requests import RowRequests
from worker.finance_answer import read
from worker.settings import WorkerSettings

PAGE = "\n".join(
    (
        "(Dollars in millions, except per share amounts) | 2022 | 2021",
        "Net sales | $34,229 | $35,355",
        "Earnings per share, diluted | $10.18 | $10.12",
    )
)
NEXT = "Dividends paid were $3,369 million in 2022."
LIBRARY = ReportLibrary({"a.txt": [PAGE, NEXT]}, {})
COLUMNS = {column.name: column.question for column in TEMPLATES["signals"]}


def requests(template: str | None = "signals") -> RowRequests:
    return RowRequests(LIBRARY, template, WorkerSettings(engine="fake"))


def row(question_id: str, question: str, document: str = "a.txt") -> PlannedRow:
    """A row over the first page, the second one kept."""
    first, second = (
        PlannedPage(document_id=record(document).id, document=document, sha256=sha256(document), page=number)
        for number in (1, 2)
    )
    return PlannedRow(
        index=0, document_id=first.document_id, document=document, question_id=question_id, question=question,
        pages=(first,), more=(second,), pages_dropped=1,
    )  # fmt: skip


def test_a_figure_has_its_next_page_to_go_on_with() -> None:
    """Given a question for a figure, when asked, then the next page is a prompt of its own, as long as the first."""
    request = requests().of(row("dividends", COLUMNS["dividends"]))
    first, second = request.prompts()
    assert (request.task, [source.page for source in first.sources]) == (Task.FIGURES, [1])
    assert [(source.page, source.text) for source in second.sources] == [(2, NEXT)]
    assert NEXT in second.messages[-1].content
    assert NEXT not in first.messages[-1].content
    assert (second.task, second.max_tokens, second.question, second.more) == (
        first.task, first.max_tokens, first.question, (),
    )  # fmt: skip


@pytest.mark.parametrize(("column", "task"), [("main_risks", Task.TEXT), ("sentiment", Task.SENTIMENT)])
def test_sentences_and_labels_have_no_second_chance(column: str, task: Task) -> None:
    """Given a column of sentences or labels, when asked, then its best pages are all there is."""
    request = requests().of(row(column, COLUMNS[column]))
    assert (request.task, request.more) == (task, ())


@pytest.mark.parametrize("line", ["$10.18 | million", "10.18 | million", "=10.18 | million", "=10.18 | thousand"])
@pytest.mark.parametrize(
    ("template", "question"),
    [
        ("signals", COLUMNS["eps_diluted"]),
        (None, "What were diluted earnings per share?"),
        (None, "What was the diluted EPS of 2022?"),
    ],
)
def test_a_figure_per_share_takes_no_scale_of_its_table(template: str | None, question: str, line: str) -> None:
    """Given a per-share row below a caption in millions, when the model writes that scale, then it is left out."""
    request = requests(template).of(row("eps_diluted", question))
    found = read(request, line, False)
    assert "illion" not in found.text
    assert "thousand" not in found.text
    assert found.answer is not None
    assert found.answer.scale == "none"
    assert found.answer.verification == "verified"


def test_an_amount_keeps_the_scale_of_its_table() -> None:
    """Given a row in millions, when the model writes that scale, then it stays."""
    found = read(requests().of(row("revenue", COLUMNS["revenue"])), "$34,229 | million", False)
    assert found.text == "$34,229 million"


@pytest.mark.parametrize(("document", "number"), [("gone.txt", 1), ("a.txt", 3)])
def test_a_page_that_is_gone_is_a_key_error(document: str, number: int) -> None:
    """Given a report that is not kept any more, or that has fewer pages now, when asked, then the caller learns it."""
    planned = row("revenue", COLUMNS["revenue"], document)
    page = planned.pages[0].model_copy(update={"page": number})
    with pytest.raises(KeyError):
        requests().of(planned.model_copy(update={"pages": (page,)}))
