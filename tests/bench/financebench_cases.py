"""FinanceBench's questions with their evidence pages, as (file name, page from one)."""

import hashlib
import json
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.pages import Document, MediaKind, Page
from common.stacked_tables import rejoin_rows


@dataclass(frozen=True, slots=True)
class Case:
    """A question, its published answer, the report it is about, its evidence pages.

    `page_texts` are those pages' texts as published.
    """

    id: str
    question: str
    answer: str
    document: str
    evidence: frozenset[tuple[str, int]]
    page_texts: tuple[str, ...]


def evidence_cases(data: Path, names: Set[str]) -> list[Case]:
    """Return the questions whose report is there; the source counts pages from zero."""
    return [case for case in _cases(data) if case.document in names]


def missing_report_cases(data: Path, names: Set[str]) -> list[Case]:
    """Return the questions whose report is not there: only their evidence pages' texts are known."""
    return [case for case in _cases(data) if case.document not in names]


def transplanted(case: Case, host: Document) -> tuple[Document, set[tuple[str, int]]]:
    """Return another company's report with the case's evidence pages put into its middle, and where they are.

    The host keeps its own statements, so the case's pages must win against pages of the same kind.
    """
    pages = [page.text for page in host.pages]
    middle = len(pages) // 2
    texts = [*pages[:middle], *map(page_text, case.page_texts), *pages[middle:]]
    address = hashlib.sha256(f"{host.sha256}{case.question}".encode()).hexdigest()
    document = Document(
        address, case.document, MediaKind.PDF, tuple(Page(number, text) for number, text in enumerate(texts, start=1))
    )
    return document, {(case.document, middle + 1 + number) for number in range(len(case.page_texts))}


def _cases(data: Path) -> Iterator[Case]:
    path = data / "financebench" / "financebench_open_source.half.jsonl"
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        evidence: list[dict[str, Any]] = row["evidence"]
        texts = {(part["doc_name"], part["evidence_page_num"]): part["evidence_text_full_page"] for part in evidence}
        yield Case(
            id=row["financebench_id"],
            question=row["question"],
            answer=row["answer"],
            document=f"{row['doc_name']}.pdf",
            evidence=frozenset((f"{name}.pdf", page + 1) for name, page in texts),
            page_texts=tuple(texts.values()),
        )


def page_text(published: str) -> str:
    """Return a page's published text as our own parsers give it."""
    return "\n".join(rejoin_rows([line for line in published.splitlines() if line.strip()]))
