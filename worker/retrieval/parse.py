"""Any report file to a Document, by what the file is and not by what it is called."""

import hashlib
import re

from common.pages import Document, MediaKind, Page
from worker.retrieval.edgar_submission import SubmittedDocument, is_submission, submitted_documents
from worker.retrieval.edgar_text import has_text_tables
from worker.retrieval.limits import ParseLimits, check_bytes, check_pages
from worker.retrieval.parse_html import parse_html
from worker.retrieval.parse_pdf import parse_pdf
from worker.retrieval.parse_text import parse_text
from worker.retrieval.problems import DocumentError, Problem

_PARSERS = {MediaKind.PDF: parse_pdf, MediaKind.HTML: parse_html, MediaKind.TEXT: parse_text}
_Read = tuple[MediaKind, tuple[Page, ...], tuple[str, ...]]
# What a filing's attachments may be without harm to the rest of it.
_UNREADABLE_PARTS = frozenset(
    (Problem.EMPTY, Problem.WRONG_TYPE, Problem.DAMAGED, Problem.PASSWORD, Problem.NO_TEXT, Problem.NOT_A_REPORT)
)
_OTHER_KINDS = (
    (b"PK\x03\x04", "a zip archive or an Office document"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"II*\x00", "an image"),
    (b"MM\x00*", "an image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a rar archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"{\\rtf", "a rich text document"),
)
_MARKUP = re.compile(rb"<!doctype html|<html|<body|<div|<p[ >]|<ix:|<xhtml", re.I)
_TABLE = re.compile(rb"<table", re.I)
_HEAD_BYTES = 20_000
_FINANCE_WORD = re.compile(
    r"\b(?:revenues?|sales|income|earnings|profit|loss|assets|liabilities|equity|cash|debt|dividends?|fiscal|quarter"
    r"|shareholders|stockholders|margin|ebitda|capital|tax(?:es)?|costs?|expenses?)\b",
    re.I,
)
_MIN_FINANCE_SHARE = 0.004


def parse_document(name: str, data: bytes, limits: ParseLimits | None = None) -> Document:
    """Return the document; `name` is used in messages and kept.

    Raises DocumentError with a reason and a sentence where the file gives no pages.
    """
    limits = limits or ParseLimits()
    check_bytes(name, len(data), limits)
    kind, pages, notes = (_submission if is_submission(data) else _file)(name, data, limits)
    return Document(hashlib.sha256(data).hexdigest(), name, kind, pages, (*notes, *_content_notes(pages)))


def media_kind(name: str, data: bytes) -> MediaKind:
    """Return the kind by the file's first bytes; raises DocumentError for kinds that cannot be read."""
    if b"%PDF-" in data[:1024]:
        return MediaKind.PDF
    for magic, what in _OTHER_KINDS:
        if data.startswith(magic):
            raise DocumentError(name, Problem.WRONG_TYPE, f"this is {what}. Add a PDF, HTML or text file.")
    if name.lower().endswith(".pdf"):
        raise DocumentError(name, Problem.WRONG_TYPE, "it is called .pdf but holds no PDF. Download it again.")
    head = data[:_HEAD_BYTES]
    if _MARKUP.search(head) or (_TABLE.search(head) and not has_text_tables(data)):
        return MediaKind.HTML
    return MediaKind.TEXT


def _file(name: str, data: bytes, limits: ParseLimits) -> _Read:
    kind = media_kind(name, data)
    return kind, *_PARSERS[kind](name, data, limits)


def _submission(name: str, data: bytes, limits: ParseLimits) -> _Read:
    """Read a filing's documents one after another, each by its own kind; those without text are counted."""
    read = [_part(name, document, limits) for document in submitted_documents(data)]
    parts = [part for part in read if part is not None]
    left_out = len(read) - len(parts)
    if not parts:
        raise DocumentError(name, Problem.NO_TEXT, f"none of the {left_out} documents of this submission holds text.")
    texts = [page.text for _, pages, _ in parts for page in pages]
    check_pages(name, len(texts), limits)
    kind = MediaKind.HTML if any(kind is MediaKind.HTML for kind, _, _ in parts) else MediaKind.TEXT
    notes = (f"Documents of the submission without text: {left_out}.",) if left_out else ()
    return kind, tuple(Page(number, text) for number, text in enumerate(texts, start=1)), notes


def _part(name: str, document: SubmittedDocument, limits: ParseLimits) -> _Read | None:
    """Read one document of the submission `name`; None where it holds no text."""
    if not document.has_text:
        return None
    try:
        return _file(name, document.data, limits)
    except DocumentError as error:
        if error.problem not in _UNREADABLE_PARTS:
            raise
        return None


def _content_notes(pages: tuple[Page, ...]) -> list[str]:
    words = finance_words = 0
    for page in pages:
        words += page.text.count(" ") + 1
        finance_words += len(_FINANCE_WORD.findall(page.text))
    if finance_words < _MIN_FINANCE_SHARE * words:
        return ["It speaks hardly of finance; it may be a form or another document that is no report."]
    return []
