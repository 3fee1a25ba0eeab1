"""The prepared model, where there is one: the same promise at real size."""

import os
from pathlib import Path

import pytest

from tests.bench.engines_load import equal_prompts
from tests.integration.native.rows import output, run_alone
from worker.engine.base import EngineRequest, TokenEvent
from worker.engine.native.engine import NativeEngine, NativeOptions
from worker.engine.native.packed import PACKED_NAME

MODEL = Path(os.environ.get("FINANCELLM_MODEL_DIR", Path(__file__).resolve().parents[3] / ".financellm" / "model"))


@pytest.mark.skipif(not (MODEL / PACKED_NAME).is_file(), reason="no packed model; run `financellm model prepare`")
def test_a_batch_equals_its_rows_alone() -> None:
    """Given four finance prompts, when run together in small chunks, then tokens and logprobs equal those alone."""
    requests = [EngineRequest(tuple(prompt), 8, logprobs=True) for prompt in equal_prompts(MODEL, 4)]
    alone = NativeEngine(MODEL, NativeOptions(threads=1, speculation=False, prefix_cache=False))
    wanted = [run_alone(alone, request) for request in requests[:2]]
    alone.close()
    engine = NativeEngine(MODEL, NativeOptions(threads=2, step_tokens=90, max_rows=4, verify=False))
    events: dict[int, list[TokenEvent]] = {engine.add(request): [] for request in requests}
    while engine.has_work():
        for event in engine.step():
            events[event.row].append(event)
    assert [output(each) for each in list(events.values())[:2]] == wanted
