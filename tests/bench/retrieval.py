"""`python -m tests.bench.retrieval`: page recall on FinanceBench per variant, and what parsing and searching cost."""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from common.pages import Document
from tests.bench.financebench_cases import Case, evidence_cases, missing_report_cases, transplanted
from tests.bench.report import percentile, print_line, print_table
from worker.retrieval.blobs import FolderBlobs
from worker.retrieval.embed import MiniLm, passages
from worker.retrieval.index import Segment
from worker.retrieval.parse import parse_document
from worker.retrieval.ranking import Weights
from worker.retrieval.search import SearchOptions, search

_CUTS = (1, 3, 5, 10)
_PLAIN = Weights(pairs=0, phrases=0, passage=0, headings=0, kind=0, statement=0, reason=0, contents=0)
_NOTHING = replace(_PLAIN, topic=0)


@dataclass(frozen=True, slots=True)
class Recall:
    """Mean share of a question's evidence pages among the first k, and share of questions with at least one there."""

    pages: dict[int, float]
    any_page: dict[int, float]


def main() -> None:
    """Parse and index the reports, run every variant, print the table and the machine line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("FINANCELLM_SHARED_DATA"), help="folder of real finance data"
    )
    parser.add_argument(
        "--embedding-model", type=Path, help="folder with config.json, model.safetensors, tokenizer.json"
    )
    parser.add_argument("--show", action="store_true", help="print each question's pages")
    options = parser.parse_args()
    if options.data is None:
        parser.error("set --data or FINANCELLM_SHARED_DATA to the folder of real finance data")

    files = sorted((options.data / "reports" / "pdf").glob("*.pdf"))
    started, started_cpu = time.perf_counter(), time.process_time()
    documents = [parse_document(file.name, file.read_bytes()) for file in files]
    parse_s, parse_cpu_s = time.perf_counter() - started, time.process_time() - started_cpu
    started_cpu = time.process_time()
    segments = {document.name: Segment.build(document) for document in documents}
    index_cpu_s = time.process_time() - started_cpu
    pages = sum(len(document.pages) for document in documents)
    size_bytes, open_ms = _kept(list(segments.values()))

    model = MiniLm.load(options.embedding_model) if options.embedding_model else None
    embed_pages_per_second = None
    if model is not None:
        started = time.perf_counter()
        segments = {document.name: _embedded(segments[document.name], document, model) for document in documents}
        embed_pages_per_second = pages / (time.perf_counter() - started)

    cases = evidence_cases(options.data, set(segments))
    held_out = [
        (replace(case, evidence=frozenset(evidence)), [Segment.build(document)])
        for case in missing_report_cases(options.data, set(segments))
        for host in documents[:: max(1, len(documents) // 3)][:3]
        for document, evidence in (transplanted(case, host),)
    ]
    rows: list[tuple[object, ...]] = []
    results: dict[str, dict[str, object]] = {}
    for name, search_options in _variants(model).items():
        latencies_ms: list[float] = []
        shared = _recall([(case, list(segments.values())) for case in cases], search_options, latencies_ms)
        own = _recall([(case, [segments[case.document]]) for case in cases], search_options, [])
        # Without filters the company's name would give the transplanted page away.
        held = _recall(held_out, search_options, []).pages if search_options.filter_documents else None
        results[name] = {
            "recall": shared.pages,
            "any_page": shared.any_page,
            "per_document_recall": own.pages,
            "held_out_recall": held,
            "query_p50_ms": percentile(latencies_ms, 0.5),
        }
        rows.append(
            (
                name,
                *(shared.pages[cut] for cut in (1, 5, 10)),
                *(own.pages[cut] for cut in (1, 5, 10)),
                held[5] if held else "",
                percentile(latencies_ms, 0.5),
            )
        )
    default = "rules, filters"
    if options.show:
        _show(cases, list(segments.values()))
    print_table(
        f"{len(cases)} FinanceBench questions, {len(documents)} reports, {pages:,} pages; recall of evidence pages",
        ("variant", "@1", "@5", "@10", "own @1", "own @5", "own @10", "held out @5", "p50 ms"),
        rows,
    )
    chosen = _recall([(case, list(segments.values())) for case in cases], SearchOptions(), [])
    own = _recall([(case, [segments[case.document]]) for case in cases], SearchOptions(), [])
    print_line(
        "retrieval",
        default_variant=default,
        recall_at_1=chosen.pages[1],
        recall_at_5=chosen.pages[5],
        recall_at_10=chosen.pages[10],
        per_document_recall_at_5=own.pages[5],
        any_page_at_5=chosen.any_page[5],
        per_document_any_page_at_5=own.any_page[5],
        questions=len(cases),
        held_out_questions=len(held_out),
        variants=results,
        parse_pages_per_second=pages / parse_s,
        parse_pages_per_cpu_second=pages / parse_cpu_s,
        index_pages_per_cpu_second=pages / index_cpu_s,
        index_bytes_per_page=size_bytes / pages,
        index_open_ms=open_ms,
        embed_pages_per_second=embed_pages_per_second,
    )


def _variants(model: MiniLm | None) -> dict[str, SearchOptions]:
    base = SearchOptions()
    lexical = {"BM25": replace(base, weights=_PLAIN), "rules": base}
    semantic: dict[str, SearchOptions] = {}
    if model is not None:
        semantic = {
            "vectors": replace(base, weights=_NOTHING, embedder=model, vector_weight=100.0),
            "BM25 + vectors": replace(base, weights=_PLAIN, embedder=model, vector_weight=1.0),
            "rules + vectors": replace(base, embedder=model),
        }
    return {
        f"{name}, {'filters' if filtered else 'no filters'}": replace(variant, filter_documents=filtered)
        for name, variant in {**lexical, **semantic}.items()
        for filtered in (False, True)
    }


def _recall(
    cases: Sequence[tuple[Case, Sequence[Segment]]], options: SearchOptions, latencies_ms: list[float]
) -> Recall:
    shares = dict.fromkeys(_CUTS, 0.0)
    hits = dict.fromkeys(_CUTS, 0.0)
    for case, segments in cases:
        started = time.perf_counter()
        found = [(hit.document, hit.page) for hit in search(case.question, segments, options)]
        latencies_ms.append((time.perf_counter() - started) * 1_000)
        for cut in _CUTS:
            held = len(case.evidence & set(found[:cut]))
            shares[cut] += held / len(case.evidence) / len(cases)
            hits[cut] += (held > 0) / len(cases)
    return Recall(shares, hits)


def _embedded(segment: Segment, document: Document, model: MiniLm) -> Segment:
    texts, pages = passages(document)
    return segment.with_vectors(model(texts), pages)


def _kept(segments: Sequence[Segment]) -> tuple[int, float]:
    """Return the bytes the index takes on disk and the milliseconds it takes to open all of it."""
    with tempfile.TemporaryDirectory() as folder:
        blobs = FolderBlobs(Path(folder))
        for segment in segments:
            blobs.write(segment.address, segment.to_bytes())
        started = time.perf_counter()
        for segment in segments:
            Segment.from_bytes(blobs.read(segment.address) or b"")
        open_ms = (time.perf_counter() - started) * 1_000
        return sum(file.stat().st_size for file in Path(folder).iterdir()), open_ms


def _show(cases: Sequence[Case], segments: Sequence[Segment]) -> None:
    for case in cases:
        found = [(hit.document, hit.page) for hit in search(case.question, segments)][:5]
        share = len(case.evidence & set(found)) / len(case.evidence)
        print(f"{share:.2f} {case.question[:90]} | wanted {sorted(case.evidence)} | found {found}")


if __name__ == "__main__":
    main()
