"""`python -m tests.bench.financebench`: FinanceBench's questions end to end through the served collection path.

Questions whose report is there are asked of that report. For the others only the published evidence pages are known:
they become a text document of that report's name, so that group has next to nothing to search through and is counted
apart. How an answer is judged is said in tests/bench/financebench_score.py. Every answer goes into a JSONL file.
"""

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.bulk_client import BulkClient
from api.client import ApiClient, JsonObject
from common.queries import Row
from tests.bench.financebench_cases import Case, evidence_cases, missing_report_cases
from tests.bench.financebench_score import Outcome, outcome, rule_for
from tests.bench.peers.places import ROOT
from tests.bench.report import print_line, print_table
from tests.support.stack import Stack

REPORTS, PAGES = "reports", "evidence pages"
_POLL_S = 0.5
_OPEN = frozenset({"queued", "running", "cancelling"})
_SURE = 0.8
_DOUBTED = frozenset({"unverified", "partly verified"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the group it is counted in, and its row."""

    group: str
    case: Case
    row: Row

    @property
    def outcome(self) -> Outcome:
        """What became of it."""
        return outcome(self.case.answer, self.row)


@dataclass(frozen=True, slots=True)
class Paper:
    """A document and the questions about it."""

    group: str
    name: str
    path: Path
    cases: tuple[Case, ...]


def main() -> None:
    """Ask everything, write the log, print the tables and the machine line."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        papers = _papers(options.data, options.limit, Path(folder))
        env = {"FINANCELLM_EXTRACTION_MORE_PAGES": str(options.more_pages)}
        started_s = time.monotonic()
        with Stack(Path(folder), options.engine, env=env) as stack, ApiClient(stack.url) as http:
            asked = _answers(BulkClient(http), papers)
        seconds = time.monotonic() - started_s
    _write(options.log, asked)
    _print(asked, seconds, options.more_pages, options.log)


def grouped(group: str, cases: Sequence[Case], folder: Path) -> list[Paper]:
    """Return the documents of these questions, each once, in order of first mention."""
    by_name: dict[str, list[Case]] = {}
    for case in cases:
        by_name.setdefault(case.document, []).append(case)
    return [Paper(group, name, folder / name, tuple(about)) for name, about in by_name.items()]


def page_document(cases: Sequence[Case]) -> str:
    """Return the published evidence pages of these questions as one text, each page once."""
    pages = dict.fromkeys(text for case in cases for text in case.page_texts)
    return "\f".join(pages)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.financebench", description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("FINANCELLM_SHARED_DATA"))
    parser.add_argument("--engine", default="auto", help="engine of the worker")
    parser.add_argument("--limit", type=int, help="ask only the first questions of each group")
    parser.add_argument("--more-pages", type=int, default=0, help="next-best pages a question may be put to")
    parser.add_argument("--log", type=Path, default=ROOT / ".financellm" / "financebench.jsonl")
    options = parser.parse_args()
    if options.data is None:
        parser.error("set --data or FINANCELLM_SHARED_DATA to the folder of real finance data")
    return options


def _papers(data: Path, limit: int | None, folder: Path) -> list[Paper]:
    reports = data / "reports" / "pdf"
    names = {path.name for path in reports.glob("*.pdf")}
    found = grouped(REPORTS, evidence_cases(data, names)[:limit], reports)
    missing = grouped(PAGES, missing_report_cases(data, names)[:limit], folder)
    return [*found, *(_written(paper, folder) for paper in missing)]


def _written(paper: Paper, folder: Path) -> Paper:
    """Return the document made of the evidence pages that are known of a report."""
    path = folder / f"{Path(paper.name).stem}.txt"
    path.write_text(page_document(paper.cases), "utf-8")
    return Paper(paper.group, path.name, path, paper.cases)


def _answers(client: BulkClient, papers: Sequence[Paper]) -> list[Asked]:
    """Upload each document into a collection of its own, ask its questions, and wait for all of them."""
    queries: list[tuple[Paper, JsonObject]] = []
    for paper in papers:
        collection_id = client.collection(f"financebench {paper.name}")["id"]
        client.upload(collection_id, paper.name, paper.path)
        questions = [{"id": case.id, "text": case.question} for case in paper.cases]
        queries.append((paper, client.ask(collection_id, {"questions": questions})))
    asked: list[Asked] = []
    for paper, query in queries:
        rows = {row.question_id: row for row in client.rows(_ended(client, query))}
        asked += [Asked(paper.group, case, rows[case.id]) for case in paper.cases]
    return asked


def _ended(client: BulkClient, query: JsonObject) -> JsonObject:
    while query["status"] in _OPEN:
        time.sleep(_POLL_S)
        query = client.query(query)
    return query


def _write(path: Path, asked: Sequence[Asked]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as log:
        for one in asked:
            log.write(json.dumps(log_line(one), ensure_ascii=False) + "\n")


def log_line(asked: Asked) -> dict[str, Any]:
    """Return everything that judged an answer, with the pages it was read from beside those published."""
    row = asked.row.model_dump(mode="json", exclude={"index", "document_id", "question_id", "operands", "numbers"})
    return {
        "id": asked.case.id,
        "group": asked.group,
        "outcome": asked.outcome,
        "rule": rule_for(asked.case.answer),
        "published": asked.case.answer,
        # Of the documents made of evidence pages, these numbers are the lost report's.
        "evidence_pages": sorted(page for _, page in asked.case.evidence),
        **row,
    }


def counts(asked: Sequence[Asked]) -> dict[str, int]:
    """Count outcomes, doubted and sure answers (whatever their outcome), and answers that a next-best page gave."""
    outcomes = Counter(one.outcome for one in asked)
    doubted = [one for one in asked if one.outcome in (Outcome.CORRECT, Outcome.WRONG)]
    return {
        "questions": len(asked),
        **{name.value: outcomes[name] for name in Outcome},
        "unverified": sum(one.row.verification in _DOUBTED for one in doubted),
        "verified_but_wrong": sum(
            one.row.verification == "verified" and one.outcome is Outcome.WRONG for one in doubted
        ),
        "sure": sum(_is_sure(one.row) for one in doubted),
        "sure_but_wrong": sum(_is_sure(one.row) and one.outcome is Outcome.WRONG for one in doubted),
        "second_chance": sum(_by_second_chance(one.row) for one in doubted),
    }


def _is_sure(row: Row) -> bool:
    return row.confidence is not None and row.confidence >= _SURE


def _by_second_chance(row: Row) -> bool:
    prompts = (row.evidence or {}).get("prompts", [])
    return any(prompt["stands"] for prompt in prompts[1:])


def _print(asked: Sequence[Asked], seconds: float, more_pages: int, log: Path) -> None:
    groups = {name: [one for one in asked if one.group == name] for name in (REPORTS, PAGES)}
    found = {name: counts(ones) for name, ones in groups.items()} | {"all": counts(asked)}
    names = list(found["all"])
    print_table(
        f"FinanceBench, up to {more_pages} next-best pages, {seconds:.0f} s; every answer is in {log}",
        ("group", *names),
        [(group, *values.values()) for group, values in found.items()],
    )
    rules = Counter((rule_for(one.case.answer), one.outcome) for one in asked)
    print_table(
        "By rule",
        ("rule", *Outcome),
        [(rule, *(rules[rule, name] for name in Outcome)) for rule in dict.fromkeys(rule for rule, _ in rules)],
    )
    print_line("financebench", groups=found, more_pages=more_pages, seconds=seconds)


if __name__ == "__main__":
    main()
