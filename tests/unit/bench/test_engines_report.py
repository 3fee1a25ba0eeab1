"""What the engine bench makes of its figures: the best other engine of each column, ratios, nulls with a reason."""

import json
from typing import Any

import pytest

from tests.bench.engines_peers import PEERS
from tests.bench.engines_report import best_other, extractive_best, ratio, report, same_start, show, values

NATIVE: dict[str, Any] = {
    "decode": {"1": 60.0, "8": 400.0},
    "prefill": {"1": 900.0, "8": 1000.0},
    "text": [1, 2, 3, 4],
    "extractive": 240.0,
    "extractive_plain": 50.0,
    "extractive_tokens_per_step": 5.0,
    "ready_s": 0.4,
    "resident_bytes": 740_000_000,
    "isa": "avx512",
    "threads": 2,
    "ceilings": {"read_bytes_per_second": 40e9, "int8_operations_per_second": 9e11},
}
OTHERS: dict[str, dict[str, Any]] = {peer.name: {"why": "not asked for"} for peer in PEERS} | {
    "llama.cpp Q4_0": {
        "decode": {"1": 40.0, "8": 100.0}, "prefill": {"1": 300.0, "8": 250.0}, "text": [1, 2, 9, 4], "load_s": 0.5,
        "version": "1",
    },
    "OpenVINO int4 f32": {
        "decode": {"1": 30.0, "8": 200.0}, "prefill": {"1": 500.0, "8": 200.0}, "text": [1, 2, 3, 4], "load_s": 1.5,
        "version": "2", "extractive": 120.0,
    },
    "vLLM W8A8 n-gram": {"extractive": 80.0, "load_s": 50.0, "version": "3"},
}  # fmt: skip
WORK = {"weight_bytes": 5e8, "decode_operations": 1e9, "prefill_operations": 9e8}


def test_each_column_is_divided_by_its_own_best_engine() -> None:
    """Given two engines that lead in different columns, when compared, then each ratio takes the leader there."""
    line = values(NATIVE, OTHERS, WORK)
    assert line["decode_ratio"]["1"] == 60 / 40
    assert line["decode_ratio"]["8"] == 400 / 200
    assert line["prefill_ratio"] == 1000 / 500
    assert line["extractive_ratio_1"] == 240 / 120


def test_every_fixed_key_is_there_and_every_null_has_a_reason() -> None:
    """Given two of four batches, when the line is made, then the other ratios are null and `why` names them."""
    line = values(NATIVE, OTHERS, WORK)
    fixed = {
        "decode_tokens_per_second", "decode_ratio", "prefill_ratio", "extractive_ratio_1", "bandwidth_share_1",
        "ready_s", "resident_gb", "isa",
    }  # fmt: skip
    assert fixed <= line.keys()
    assert list(line["decode_ratio"]) == ["1", "8", "16", "32"]
    assert line["decode_ratio"]["16"] is None
    assert line["why"]["decode_ratio 16"] == "this batch was not asked for"
    assert line["why"]["vLLM W8A8"] == "not asked for"
    assert line["decode_tokens_per_second"]["vLLM W8A8"] is None
    assert line["bandwidth_share_1"] == 5e8 * 60 / 40e9


def test_without_other_engines_ratios_are_null_and_say_so() -> None:
    """Given no peer that ran, when the line is made, then each ratio is null with a reason."""
    line = values(NATIVE, {"llama.cpp Q4_0": {"why": "no C++ compiler"}}, WORK)
    assert line["decode_ratio"] == {"1": None, "8": None, "16": None, "32": None}
    assert line["prefill_ratio"] is None
    assert line["extractive_ratio_1"] is None
    named = {"decode_ratio 1", "decode_ratio 8", "prefill_ratio", "extractive_ratio_1", "llama.cpp Q4_0"}
    assert named <= line["why"].keys()


def test_a_batch_that_one_engine_lacks_is_compared_with_the_others() -> None:
    """Given an engine without batch 8, when the best is sought, then another engine's figure is taken."""
    others = OTHERS | {"OpenVINO int4 f32": {"decode": {"1": 30.0}, "prefill": {"1": 1.0}}}
    assert best_other(others, "decode", 8) == ("llama.cpp Q4_0", 100.0)
    assert best_other({}, "decode", 8) is None


def test_quoting_is_compared_with_plain_decoding_where_that_is_faster() -> None:
    """Given speculation slower than another's plain decoding, when compared, then the plain figure counts."""
    others: dict[str, dict[str, Any]] = {"a": {"decode": {"1": 90.0}}, "b": {"extractive": 70.0}}
    assert extractive_best(others) == ("a", 90.0)
    assert ratio(None, ("a", 90.0)) is None


@pytest.mark.parametrize(("other", "share"), [([1, 2, 3, 4], 1.0), ([1, 2, 9, 4], 0.5), ([7], 0.0), ([], 0.0)])
def test_the_common_start_of_two_texts_is_counted(other: list[int], share: float) -> None:
    """Given two texts, when compared, then tokens count up to the first difference."""
    assert same_start([1, 2, 3, 4], other) == share


def test_the_last_line_is_the_machine_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Given figures, when shown, then tables name ratios, settings and reasons, and the last line is JSON."""
    line = values(NATIVE, OTHERS, WORK)
    show(NATIVE, OTHERS, line, [1, 8])
    report(line)
    printed = capsys.readouterr().out
    assert "native ÷ best" in printed
    assert "continuous batching" in printed
    assert "not measured" in printed
    last = json.loads(printed.splitlines()[-1])
    assert last["bench"] == "engines"
    assert last["decode_ratio"]["8"] == 2.0
