"""What jobs look like on a terminal of 80 columns."""

import io
from typing import Any

import pytest
from rich.console import Console

from api.cli_answers import proof_lines, was_rewritten
from api.cli_jobs import show_event
from api.cli_output import print_jobs, print_timing_table, timing_line
from api.client import StreamEvent
from common.events import EventType

TIMINGS = {
    "queue_ms": 120_378.4,
    "tokenize_ms": 1.0,
    "prefill_ms": 27_066.2,
    "decode_ms": 216_904.0,
    "total_ms": 257_800.0,
    "prompt_tokens": 1_265,
    "cached_prompt_tokens": 0,
    "completion_tokens": 96,
    "decode_tokens_per_second": 12.34,
    "batch_size_mean": 9.5,
    "engine": "native",
    "model_revision": "25e24dbd3b21",
}


def job(**fields: Any) -> dict[str, Any]:
    return {
        "id": "job_" + "0" * 28,
        "status": "succeeded",
        "lane": "bulk",
        "created_at": "2026-11-23T20:00:00.000Z",
        "attempt": 1,
        "result": {"text": "412.6 [million]", "finish_reason": "stop", "timings": TIMINGS},
        "error": None,
        "metadata": {"sample": "inventory-method"},
        **fields,
    }


ANSWER = {
    "kind": "number",
    "verification": "unverified",
    "confidence": 0.9996,
    "line": "=412.6-377.7 | million",
    "program": "412.6-377.7",
    "retried": True,
    "evidence": {"rows_kept": 3, "rows_dropped": 9, "sentences_kept": 1, "sentences_dropped": 0},
    "numbers": [{"text": "34.9 million", "reason": "its program uses 377.7, which no passage holds"}],
    "citations": [{"document": "a.pdf", "page": 7, "quote": "Revenue | 412.6\n| 388.1"}]
    + [{"document": "context", "page": None, "quote": "x" * 200}] * 4,
}


def printed(width: int, show: Any, *arguments: Any) -> str:
    console = Console(file=io.StringIO(), width=width)
    show(console, *arguments)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_timing_table_fits_80_columns_uncut() -> None:
    failed = job(status="failed", result=None, error={"code": "engine_error", "message": "no", "retryable": False})
    text = printed(80, print_timing_table, [job(), failed], 48.0)
    # Then no heading and no figure was cut, and the sum counts what succeeded
    assert "…" not in text
    for part in ("queue", "prefill", "decode", "120,378", "216,904", "1265", "12.3", "9.5", "inventory-method"):
        assert part in text
    assert "1 of 2 succeeded in 48.0 s, 96 tokens, 2.0 tokens/s; engine native, model revision 25e24dbd3b21." in text


def test_a_table_of_nothing_but_failures_still_has_a_sum() -> None:
    assert "0 of 1 succeeded" in printed(80, print_timing_table, [job(status="failed", result=None)], 1.0)


def test_an_answer_too_short_for_a_rate_shows_none() -> None:
    one = job(result={"text": "x", "timings": TIMINGS | {"decode_tokens_per_second": None, "completion_tokens": 1}})
    assert timing_line(one) == "queue 120,378 ms · prefill 27,066 ms · decode 216,904 ms · - tokens/s · 1 tokens"


def test_answers_are_text_and_not_markup() -> None:
    assert "412.6 [million]" in printed(160, print_jobs, [job()])


def test_names_of_samples_are_text_and_not_markup() -> None:
    assert "tax [/2023]" in printed(160, print_timing_table, [job(metadata={"sample": "tax [/2023]"})], 1.0)


def test_reasons_of_events_are_text_and_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """Given an event whose reason holds brackets, when shown, then all of it stands on standard error."""
    show_event(StreamEvent("1-0", EventType.REQUEUED, {"worker": "w1", "reason": "no [native] in [/opt/x]"}))
    assert "requeued worker w1 reason no [native] in [/opt/x]" in capsys.readouterr().err


def test_a_proof_says_what_was_checked_and_where_it_stands() -> None:
    """Given an answer with a made-up operand, when shown, then verdict, reason and the first quotes stand in lines."""
    lines = proof_lines(job(result={"text": "34.9 million", "timings": TIMINGS, "answer": ANSWER}))
    assert lines == [
        "unverified · confidence 99% · computed as 412.6-377.7 · second try · read 4 of 13 rows and sentences",
        "unverified 34.9 million: its program uses 377.7, which no passage holds",
        "a.pdf, page 7: Revenue | 412.6 | 388.1",
        f"context: {'x' * 99}…",
        f"context: {'x' * 99}…",
        "and 2 more",
    ]


@pytest.mark.parametrize(("confidence", "shown"), [(1.0, "99%"), (0.9949, "99%"), (0.9899, "98%"), (0.0004, "0%")])
def test_no_answer_is_shown_as_certain(confidence: float, shown: str) -> None:
    """Given a confidence, also one whose four digits came out as 1, when shown, then it is cut and never 100%."""
    answer = ANSWER | {"confidence": confidence}
    first = proof_lines(job(result={"text": "34.9 million", "timings": TIMINGS, "answer": answer}))[0]
    assert f" · confidence {shown} · " in first


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ({"kind": "not_found", "verification": "no numbers", "program": None}, "not found"),
        ({"kind": "unparseable", "program": None}, "unverified, not in the expected form"),
        ({"kind": "spans", "verification": "verified", "program": None}, "verified"),
    ],
)
def test_refusals_and_unreadable_lines_are_called_so(change: dict[str, Any], first: str) -> None:
    answer = ANSWER | {"confidence": None, "retried": False, "evidence": None, "numbers": [], "citations": []} | change
    assert proof_lines(job(result={"text": "x", "timings": TIMINGS, "answer": answer})) == [first]


def test_plain_text_has_no_proof() -> None:
    assert proof_lines(job()) == []
    assert not was_rewritten(job())


def test_a_line_that_was_executed_is_not_what_a_stream_showed() -> None:
    assert was_rewritten(job(result={"text": "34.9 million", "timings": TIMINGS, "answer": ANSWER}))
    assert not was_rewritten(job(result={"text": ANSWER["line"], "timings": TIMINGS, "answer": ANSWER}))
