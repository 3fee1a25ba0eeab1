"""Files that are made to hurt their reader."""

import pytest

from worker.retrieval.parse import parse_document
from worker.retrieval.parse_process import parse_isolated


@pytest.mark.parametrize("span", ["\u00b2", "9" * 5_000, "-1", "1e9", "\u0663"])
def test_odd_spans_of_cells_are_no_defect(span: str) -> None:
    """Given a cell whose span is no plain number, when the table is read, then its text comes all the same."""
    body = f'<table><tr><td colspan="{span}">Net sales</td><td>1,234</td></tr></table>'
    page = parse_document("a.html", f"<html><body>{body}</body></html>".encode()).page(1)
    assert "Net sales" in page.text


@pytest.mark.parametrize("charset", ["undefined", "idna", "punycode", "zip", "unicode_escape", "nonsense"])
def test_codecs_that_are_no_charsets_are_left_alone(charset: str) -> None:
    """Given a page that names a codec of Python in place of a charset, when it is read, then it is read as UTF-8."""
    html = f'<html><head><meta charset="{charset}"></head><body><p>Ertr\u00e4ge</p></body></html>'
    assert parse_document("a.html", html.encode()).page(1).text == "Ertr\u00e4ge"


@pytest.mark.parametrize("name", ["a\0b.html", "x" * 200_000 + ".html", "-c.html", "../../a.html"])
def test_odd_names_reach_the_child_and_come_back(name: str) -> None:
    """Given a name that no program's argument can hold, when its file is read apart, then the document bears it."""
    html = b"<html><body><p>Revenue was $5 million.</p></body></html>"
    assert parse_isolated(name, html).name == name
