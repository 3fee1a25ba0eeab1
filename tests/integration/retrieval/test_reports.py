"""Real reports through parsing, index, search and citation."""

import sys
from pathlib import Path

import pytest

from common.pages import Document, content_address
from tests.bench.financebench_cases import evidence_cases
from tests.bench.tables import table_rows
from tests.support.pdf_files import pdf, statement_page
from worker.retrieval import parse_process
from worker.retrieval.blobs import FolderBlobs
from worker.retrieval.citations import cite_span, find_quote, is_valid, line_around
from worker.retrieval.library import Entry, Library
from worker.retrieval.limits import ParseLimits
from worker.retrieval.parse import parse_document
from worker.retrieval.parse_process import parse_isolated
from worker.retrieval.problems import DocumentError, Problem

_SMALL_REPORTS = ("ULTABEAUTY_2023Q4_EARNINGS.pdf", "MGMRESORTS_2022Q4_EARNINGS.pdf", "BESTBUY_2024Q2_10Q.pdf")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """A library in an empty folder."""
    return Library(FolderBlobs(tmp_path_factory.mktemp("library")))


@pytest.fixture(scope="module")
def reports(shared_data: Path, library: Library) -> dict[str, Document]:
    """Small real reports, one of them encrypted with an empty password."""
    folder = shared_data / "reports" / "pdf"
    return {name: library.add(name, (folder / name).read_bytes()) for name in _SMALL_REPORTS}


def test_financebench_pages_are_found(shared_data: Path, library: Library, reports: dict[str, Document]) -> None:
    """Given three reports, when FinanceBench's questions are searched, then most evidence is in the top five."""
    entries = [Entry(document.address, name) for name, document in reports.items()]
    cases = evidence_cases(shared_data, set(reports))
    found = 0.0
    for case in cases:
        hits = [(hit.document, hit.page) for hit in library.search(case.question, entries)[:5]]
        found += len(case.evidence.intersection(hits)) / len(case.evidence)
    assert len(cases) == 10
    assert found >= 7


def test_every_line_of_a_report_can_be_cited(reports: dict[str, Document]) -> None:
    """Given real pages, when any of their lines is looked up as a quote, then the citation is valid."""
    for document in reports.values():
        for page in document.pages[:12]:
            for line in page.lines()[::5]:
                if len(" ".join(line.replace("|", " ").split())) < 3:
                    continue
                span = find_quote(page.text, line)
                assert span is not None, line
                citation = cite_span(document, page, *line_around(page.text, *span))
                assert is_valid(citation, document)


def test_awkward_files_are_explained_one_by_one(shared_data: Path) -> None:
    """Given the awkward files, when each is read, then each gives a sentence, as a problem or as a note."""
    told: dict[str, object] = {}
    sentences: list[str] = []
    for path in sorted((shared_data / "reports" / "awkward").iterdir()):
        try:
            document = parse_document(path.name, path.read_bytes())
        except DocumentError as error:
            told[path.name.split(".")[0]] = error.problem
            sentences.append(error.message)
        else:
            told[path.name.split(".")[0]] = len(document.notes)
            sentences.extend(document.notes)
    assert all(len(sentence) > 30 and sentence.endswith(".") for sentence in sentences)
    assert told == {
        "HtmlWithNoBody": 2,
        "INTEL_2023_8K_dated-2023-08-16": Problem.DAMAGED,
        "rate-exceeded": Problem.NOT_A_REPORT,
    }


def test_filings_in_html_have_their_own_pages(shared_data: Path) -> None:
    """Given an inline XBRL filing, when it is read, then its printed pages are the pages and statements are rows."""
    path = shared_data / "reports" / "html" / "Apple.10-K.html"
    document = parse_document(path.name, path.read_bytes())
    statement = next(page for page in document.pages if "CONSOLIDATED STATEMENTS OF OPERATIONS" in page.text[:200])
    assert "Total net sales | 391,035 | 383,285 | 394,328" in statement.text
    assert f"2024 Form 10-K | {statement.number - 2}" in statement.text


def test_a_file_is_parsed_once_whatever_it_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a file added before, when it comes under another name, then nothing is parsed and the new name is used."""
    data = pdf([statement_page()])
    first = Library(FolderBlobs(tmp_path)).add("ACME_2022_10K.pdf", data)

    def never(name: str, data: bytes, limits: ParseLimits) -> Document:
        raise AssertionError("parsed again")

    monkeypatch.setattr("worker.retrieval.library.parse_isolated", never)
    library = Library(FolderBlobs(tmp_path))
    again = library.add("ZENITH_2020_10K.pdf", data)
    assert again.pages == first.pages
    assert again.address == first.address == content_address(first.sha256)
    hits = library.search("What are Zenith's total assets?", [Entry(again.address, "ZENITH_2020_10K.pdf")])
    assert hits[0].document == "ZENITH_2020_10K.pdf"
    assert library.segment(Entry(again.address, "ZENITH_2020_10K.pdf")).metadata.fiscal_years == (2020,)


def test_the_child_process_gives_the_same_document_and_the_same_problems() -> None:
    """Given good and bad files, when they are read in a child process, then the outcome is that of reading here."""
    data = pdf([statement_page()])
    assert parse_isolated("a.pdf", data) == parse_document("a.pdf", data)
    with pytest.raises(DocumentError, match="cut off") as caught:
        parse_isolated("a.pdf", data[:-100])
    assert caught.value.problem is Problem.DAMAGED


def test_a_reader_that_dies_or_hangs_is_one_files_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a child that crashes or does not end, when a file is read, then only that file fails, with the reason."""
    crash = tmp_path / "crash"
    crash.write_text("#!/bin/sh\nkill -SEGV $$\n")
    hang = tmp_path / "hang"
    hang.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(parse_process, "_START_SECONDS", 0.2)
    for script, problem in ((crash, Problem.READER_DIED), (hang, Problem.TOO_SLOW)):
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))
        with pytest.raises(DocumentError) as caught:
            parse_isolated("a.pdf", b"%PDF-", ParseLimits(max_seconds=0.2))
        assert caught.value.problem is problem


def test_rows_of_real_tables_keep_their_columns_names(shared_data: Path) -> None:
    """Given real statements, when their pages are read for prompts, then every table names its columns."""
    folder = shared_data / "reports"
    for path in (folder / "pdf" / "ULTABEAUTY_2023Q4_EARNINGS.pdf", folder / "html" / "BuckleInc.8-K.EX99.1.html"):
        found = table_rows(parse_document(path.name, path.read_bytes()))
        assert found.rows > 40
        assert (found.unnamed, found.crowded) == (0, 0)


def test_pages_of_single_letters_hold_whole_figures(shared_data: Path) -> None:
    """Given a report with pages whose letters stand alone, when it is read, then words and figures are whole."""
    path = shared_data / "reports" / "pdf" / "JOHNSON_JOHNSON_2022_10K.pdf"
    rows = parse_document(path.name, path.read_bytes()).page(84).text.splitlines()
    assert "U.S. | 28,604 | 27,954 | 25,735 | 2.3 | 8.6" in rows
    assert "International | — | — | — | — | —" in rows
