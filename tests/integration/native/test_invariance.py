"""A row's tokens and logits are the same bits alone and in any batch, chunk, thread count and order."""

import random
from pathlib import Path

import numpy as np
import pytest

from tests.integration.native.rows import random_request, run_alone, run_randomly
from worker.engine.native import _native
from worker.engine.native.engine import NativeEngine, NativeOptions
from worker.engine.native.packed import PACKED_NAME, read_header

ROWS = 520
PLAIN = NativeOptions(max_rows=1, step_tokens=256, threads=1, speculation=False, prefix_cache=False)
BLOCK_BYTES = 32 * 2 * 2 * 2 * 2 * 32
VARIANTS = {
    "two threads": NativeOptions(max_rows=32, step_tokens=256, threads=2),
    "small chunks": NativeOptions(max_rows=7, step_tokens=9, threads=1),
    "no speculation": NativeOptions(max_rows=16, step_tokens=37, threads=2, speculation=False),
    "five threads": NativeOptions(max_rows=5, step_tokens=64, threads=5, prefix_cache=False),
    "too few blocks": NativeOptions(max_rows=16, step_tokens=100, threads=2, kv_bytes=14 * BLOCK_BYTES),
}


def test_rows_do_not_depend_on_their_company(tiny_model: Path) -> None:
    """Given 520 rows, when they arrive at random in five engines, then tokens and logprobs equal those alone."""
    chance = random.Random(4)
    requests = [random_request(chance) for _ in range(ROWS)]
    alone = NativeEngine(tiny_model, PLAIN)
    wanted = [run_alone(alone, request) for request in requests]
    assert len({output.tokens for output in wanted}) > ROWS // 2, "the rows hardly differ"
    share = ROWS // len(VARIANTS)
    for index, (name, options) in enumerate(VARIANTS.items()):
        engine = NativeEngine(tiny_model, options)
        part = slice(index * share, (index + 1) * share)
        assert run_randomly(engine, requests[part], index) == wanted[part], name
        if name == "too few blocks":
            assert engine.scheduler.preemptions > 0


@pytest.mark.parametrize("isa", _native.supported_isas())
def test_logits_are_the_same_bits(tiny_model: Path, isa: str) -> None:
    """Given one sequence, when fed in any chunks on any threads beside another, then all logits are equal bits."""
    header = read_header(tiny_model / PACKED_NAME)
    model = _native.load_model(
        str(tiny_model / PACKED_NAME), header.config.numbers(), header.locations()
    )  # fmt: skip
    tokens = [i * i % 299 for i in range(100)]

    def logits(chunk: int, threads: int, company: bool, chosen: str = isa) -> np.ndarray:
        forward = _native.Forward(model, chosen, 128, 128, 12, threads)
        parts = []
        for first in range(0, len(tokens), chunk):
            piece = tokens[first : first + chunk]
            step = [(piece, first, [7, 2, 0, 5], len(piece), 0.0, 1.0, 0, 0, 0, False)]
            if company:
                step.insert(0, ([9] * 20, 0, [1], 3, 0.0, 1.0, 0, 0, 0, False))
            forward.step(step, True)
            parts.append(forward.last_logits()[3 if company else 0 :])
        return np.concatenate(parts)

    wanted = logits(100, 1, company=False, chosen="portable")
    for chunk, threads, company in ((100, 1, False), (1, 2, False), (17, 3, True), (64, 8, True)):
        assert (logits(chunk, threads, company) == wanted).all()
