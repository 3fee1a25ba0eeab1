"""PDF reports page by page, through PDFium."""

import ctypes
import re
import threading
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_raw

from common.pages import Page
from worker.retrieval.limits import Deadline, ParseLimits, check_pages
from worker.retrieval.pdf_lines import page_text
from worker.retrieval.problems import DocumentError, Problem
from worker.retrieval.words import Line, Word

# Below this many characters a page a document has no text layer worth the name (page numbers, stamps).
_MIN_MEAN_CHARS = 20
_PDFIUM = threading.Lock()  # PDFium must not be entered by two threads at once
_WORD_OR_LINE_END = re.compile(r"[\r\n]|\S+")
# Hyphens PDFium marks at line ends, soft hyphens and what no font maps to a character.
_UNREADABLE = dict.fromkeys((0, 2, 0xAD, 0xFFFD, 0xFFFE, 0xFFFF))
_EXPLANATIONS = {
    pdfium_raw.FPDF_ERR_PASSWORD: (Problem.PASSWORD, "it needs a password. Save it without one and add it again."),
    pdfium_raw.FPDF_ERR_SECURITY: (Problem.PASSWORD, "it is protected in a way that cannot be opened."),
}


def parse_pdf(name: str, data: bytes, limits: ParseLimits) -> tuple[tuple[Page, ...], tuple[str, ...]]:
    """Return pages and notes; opens RC4 and AES encryption with an empty user password.

    Raises DocumentError for a file that is damaged, locked, without text, or over a limit.
    """
    deadline = Deadline(name, limits)
    with _PDFIUM:
        document = _open(name, data)
        try:
            check_pages(name, len(document), limits)
            texts: list[str] = []
            broken: list[int] = []
            for index in range(len(document)):
                deadline.check(index)
                text = _page_text(document, index, limits)
                if text is None:
                    broken.append(index + 1)
                texts.append(text or "")
        finally:
            document.close()
    return _checked(name, texts, broken)


def _open(name: str, data: bytes) -> pdfium.PdfDocument:
    try:
        document = pdfium.PdfDocument(data)
        pages = len(document)
    except pdfium.PdfiumError as error:
        problem, explanation = _EXPLANATIONS.get(
            getattr(error, "err_code", None),
            (Problem.DAMAGED, _damage(data)),
        )
        raise DocumentError(name, problem, explanation) from error
    if pages == 0:
        raise DocumentError(name, Problem.DAMAGED, "the PDF has no pages.")
    return document


def _damage(data: bytes) -> str:
    if b"%%EOF" not in data[-2048:]:
        return "the PDF is cut off: its end is missing. Download it again."
    return "the PDF is damaged and cannot be opened. Download it again."


def _page_text(document: pdfium.PdfDocument, index: int, limits: ParseLimits) -> str | None:
    """Return a page's text; None where the page itself cannot be loaded."""
    try:
        page = document[index]
        text_page = page.get_textpage()
    except pdfium.PdfiumError:
        return None
    try:
        return page_text(_lines(text_page, limits.max_page_chars))
    finally:
        text_page.close()
        page.close()


def _lines(text_page: pdfium.PdfTextPage, max_chars: int) -> list[Line]:
    """Return the page's words by line, in the reading order PDFium gives them."""
    handle = text_page.raw
    chars = _chars(handle, min(text_page.count_chars(), max_chars))
    box = _BoxReader(handle)
    lines: list[Line] = [[]]
    for found in _WORD_OR_LINE_END.finditer(chars):
        if found[0] in "\r\n":
            if lines[-1]:
                lines.append([])
            continue
        text = found[0].translate(_UNREADABLE)
        if text:
            lines[-1].append(box.word(text, found.start(), found.end() - 1))
    return lines


def _chars(handle: Any, count: int) -> str:
    """Return exactly one character per index, so that positions can be asked for by index."""
    if count == 0:
        return ""
    buffer = (ctypes.c_ushort * (count + 1))()
    written = pdfium_raw.FPDFText_GetText(handle, 0, count, buffer)
    if written == count + 1:
        return bytes(buffer)[:-2].decode("utf-16-le", errors="replace")
    codes = (pdfium_raw.FPDFText_GetUnicode(handle, index) for index in range(count))
    return "".join("\ufffd" if 0xD800 <= code < 0xE000 else chr(code) for code in codes)


class _BoxReader:
    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._sides = tuple(ctypes.c_double() for _ in range(4))
        self._pointers = tuple(map(ctypes.byref, self._sides))

    def word(self, text: str, first: int, last: int) -> Word:
        """Return the word whose characters have these indices."""
        left, right, bottom, top = self._box(first)
        if last > first:
            last_left, last_right, last_bottom, last_top = self._box(last)
            left, right = min(left, last_left), max(right, last_right)
            bottom, top = min(bottom, last_bottom), max(top, last_top)
        return Word(text, left, right, bottom, top)

    def _box(self, index: int) -> tuple[float, float, float, float]:
        pdfium_raw.FPDFText_GetCharBox(self._handle, index, *self._pointers)
        left, right, bottom, top = self._sides
        return left.value, right.value, bottom.value, top.value


def _checked(name: str, texts: list[str], broken: list[int]) -> tuple[tuple[Page, ...], tuple[str, ...]]:
    if sum(map(len, texts)) < _MIN_MEAN_CHARS * len(texts):
        raise DocumentError(
            name,
            Problem.NO_TEXT,
            f"its {len(texts)} pages hold no text; it is probably a scan. Run text recognition (OCR) on it first.",
        )
    notes: list[str] = []
    if broken:
        notes.append(f"Pages that could not be read: {_listed(broken)}.")
    empty = [number for number, text in enumerate(texts, start=1) if not text.strip() and number not in broken]
    if empty:
        notes.append(f"Pages without text (blank or scanned): {_listed(empty)}.")
    return tuple(Page(number, text) for number, text in enumerate(texts, start=1)), tuple(notes)


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:20]))
    return shown if len(numbers) <= 20 else f"{shown} and {len(numbers) - 20} more"
