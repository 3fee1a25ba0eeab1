"""HTML filings, also inline XBRL, as pages of text with table rows."""

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from common.pages import Page
from worker.retrieval.error_pages import is_error_heading
from worker.retrieval.html_tables import is_layout, table_lines
from worker.retrieval.limits import Deadline, ParseLimits, check_pages
from worker.retrieval.page_split import PAGE_CHARS, split_lines
from worker.retrieval.parse_text import text_lines
from worker.retrieval.problems import DocumentError, Problem

_BREAK = "\f"
_SKIPPED = frozenset(
    ("script", "style", "head", "title", "noscript", "svg", "template", "ix:header", "-comment", "select", "button")
)
_BLOCKS = frozenset(
    "address article aside blockquote body caption center dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6"
    " header hr li main nav ol p pre section table tbody td tfoot th thead tr ul".split()
)
_HIDDEN = re.compile(r"display\s*:\s*none", re.I)
_BREAK_BEFORE = re.compile(r"(?:page-)?break-before\s*:\s*(?:always|page|left|right)", re.I)
_BREAK_AFTER = re.compile(r"(?:page-)?break-after\s*:\s*(?:always|page|left|right)", re.I)
_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([\w-]+)""", re.I)
# Python knows codecs that no page is written in; some are quadratic, and one refuses everything.
_WEB_CHARSET = re.compile(
    r"utf-?(?:8|16)(?:le|be)?|iso-?8859-\d{1,2}|latin-?1|(?:windows-|cp)125\d|(?:us-)?ascii|gb(?:2312|k|18030)|big5"
    r"|shift[_-]jis|euc-(?:jp|kr)|koi8-[ru]|macintosh",
    re.I,
)
_MAX_ERROR_PAGE_CHARS = 20_000


def parse_html(name: str, data: bytes, limits: ParseLimits) -> tuple[tuple[Page, ...], tuple[str, ...]]:
    """Return pages and notes; pages end at page-break styles, else at rules, else they are split by size.

    Raises DocumentError for a file without text, a server's error page, or a file over a limit.
    """
    deadline = Deadline(name, limits)
    tree = LexborHTMLParser(_decoded(data))
    deadline.check(0)
    lines = list(_lines(tree)) if tree.body is not None else []
    text_chars = sum(len(line) for line in lines if line != _BREAK)
    if text_chars == 0:
        raise DocumentError(name, Problem.NO_TEXT, "the HTML holds no text.")
    _refuse_error_page(name, tree, text_chars)
    deadline.check(0)
    texts = _pages(lines)
    check_pages(name, len(texts), limits)
    notes = [] if b"<body" in data.lower() else ["The HTML has no body element; its text was read all the same."]
    return tuple(Page(number, text) for number, text in enumerate(texts, start=1)), tuple(notes)


def _decoded(data: bytes) -> str:
    declared = _CHARSET.search(data[:4096])
    named = declared[1].decode("ascii") if declared else ""
    for encoding in (named if _WEB_CHARSET.fullmatch(named) else "utf-8", "utf-8"):
        try:
            return data.decode(encoding).removeprefix("\ufeff")
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("cp1252", errors="replace")


def _refuse_error_page(name: str, tree: LexborHTMLParser, text_chars: int) -> None:
    if text_chars > _MAX_ERROR_PAGE_CHARS:
        return
    for node in (tree.css_first("title"), tree.css_first("h1")):
        heading = " ".join(node.text().split()) if node is not None else ""
        if is_error_heading(heading):
            raise DocumentError(
                name,
                Problem.NOT_A_REPORT,
                f"this is a web server's message ('{heading[:80]}') saved in place of the report. Download it again.",
            )


def _lines(tree: LexborHTMLParser) -> Iterator[str]:
    """Yield the text by lines, and a form feed where a page ends."""
    assert tree.body is not None  # noqa: S101 - checked by the caller
    rules_end_pages = not _BREAK_AFTER.search(tree.html or "") and not _BREAK_BEFORE.search(tree.html or "")
    words: list[str] = []
    for kind, text in _walk(tree.body, rules_end_pages):
        if kind == "text":
            words.append(text)
            continue
        line = " ".join("".join(words).split())
        words = []
        if line:
            yield line
        if kind == "line" and text:
            yield text
        if kind == "break":
            yield _BREAK
    line = " ".join("".join(words).split())
    if line:
        yield line


def _walk(root: LexborNode, rules_end_pages: bool) -> Iterator[tuple[str, str]]:
    """Yield ("text", words), ("line", a whole line or nothing) and ("break", "") in document order."""
    stack: list[tuple[LexborNode | None, tuple[str, str] | None]] = [(root, None)]
    while stack:
        node, event = stack.pop()
        if event is not None:
            yield event
            continue
        if node is None:
            continue
        tag = node.tag or ""
        if tag == "-text":
            yield "text", node.text_content or ""
            continue
        style = (node.attributes.get("style") or "") if tag not in _SKIPPED else ""
        if tag in _SKIPPED or _HIDDEN.search(style):
            continue
        if tag == "br":
            yield "line", ""
            continue
        breaks_after = _BREAK_AFTER.search(style) or (tag == "hr" and rules_end_pages)
        if breaks_after:
            stack.append((None, ("break", "")))
        if _BREAK_BEFORE.search(style):
            yield "break", ""
        if tag == "table" and not is_layout(node):
            stack.extend((None, ("line", line)) for line in reversed(["", *table_lines(node)]))
            stack.extend((caption, None) for caption in reversed(node.css("caption")))
            continue
        if tag in _BLOCKS:
            yield "line", ""
            stack.append((None, ("line", "")))
        if tag == "pre" and node.css_first("table") is None:
            stack.extend((None, event) for event in reversed(_typed(node.text())))
            continue
        children: list[tuple[LexborNode | None, tuple[str, str] | None]] = [
            (child, None) for child in node.iter(include_text=True)
        ]
        stack.extend(reversed(children))


def _typed(text: str) -> list[tuple[str, str]]:
    """Return the events of text whose blanks and line ends count."""
    first, *rest = [[("line", line) for line in text_lines(page)] for page in text.split(_BREAK)]
    return first + [event for page in rest for event in (("break", ""), *page)]


def _pages(lines: list[str]) -> list[str]:
    pages: list[list[str]] = [[]]
    for line in lines:
        if line == _BREAK:
            pages.append([])
        else:
            pages[-1].append(line)
    while pages and not pages[-1]:
        pages.pop()
    texts = ["\n".join(page) for page in pages if page]
    mean_chars = sum(map(len, texts)) / len(texts)
    if mean_chars < 6 * PAGE_CHARS and (len(texts) > 1 or len(texts[0]) < 2 * PAGE_CHARS) and mean_chars > 200:
        return texts
    return split_lines([line for page in pages for line in page])
