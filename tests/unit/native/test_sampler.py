"""Drawing tokens: distribution, filters and reproducibility."""

import numpy as np
import pytest

_native = pytest.importorskip("worker.engine.native._native", reason="the native engine is not compiled")
ISA = _native.supported_isas()[0]
LOGITS = np.random.default_rng(1).normal(0, 2, 500).astype(np.float32)


def draw(temperature: float, top_p: float = 1.0, top_k: int = 0, seed: int = 0, counter: int = 0) -> int:
    """Draw one token."""
    return int(_native.probes.sample(ISA, LOGITS, temperature, top_p, top_k, seed, counter)[0])


def test_greedy_and_logprob() -> None:
    """Given temperature 0, when drawn, then the largest logit wins and its log softmax is reported."""
    token, logprob = _native.probes.sample(ISA, LOGITS, 0.0, 1.0, 0, 0, 0)
    wide = LOGITS.astype(np.float64)
    assert token == LOGITS.argmax()
    assert logprob == pytest.approx(wide[token] - np.log(np.exp(wide - wide.max()).sum()) - wide.max(), abs=1e-5)


def test_frequencies_follow_the_softmax() -> None:
    """Given 20,000 counters, when drawn, then total variation from the softmax is that of honest chance."""
    counts = np.bincount([draw(1.0, counter=i) for i in range(20000)], minlength=500) / 20000
    wanted = np.exp(LOGITS - LOGITS.max())
    wanted /= wanted.sum()
    assert 0.5 * np.abs(counts - wanted).sum() < 0.06


@pytest.mark.parametrize("top_k", [1, 3, 40])
def test_top_k_keeps_the_k_largest(top_k: int) -> None:
    """Given top_k, when drawn often, then only the k largest appear, all of them for small k."""
    allowed = set(np.argsort(-LOGITS)[:top_k].tolist())
    seen = {draw(1.5, top_k=top_k, counter=i) for i in range(600)}
    assert seen <= allowed
    assert top_k > 3 or seen == allowed


@pytest.mark.parametrize("top_p", [0.1, 0.5, 0.9, 0.999])
def test_top_p_keeps_the_smallest_nucleus(top_p: float) -> None:
    """Given top_p, when drawn often, then no token outside the smallest set of that mass appears."""
    order = np.argsort(-LOGITS)
    mass = np.exp(LOGITS[order].astype(np.float64) - LOGITS.max())
    nucleus = int(np.searchsorted(np.cumsum(mass / mass.sum()), top_p)) + 1
    seen = {draw(1.0, top_p=top_p, counter=i) for i in range(600)}
    assert seen <= set(order[:nucleus].tolist())


def test_same_seed_and_counter_draw_the_same() -> None:
    """Given a seed, when drawn twice, then the texts are equal; another seed gives another text."""
    first = [draw(1.0, seed=7, counter=i) for i in range(50)]
    assert first == [draw(1.0, seed=7, counter=i) for i in range(50)]
    assert first != [draw(1.0, seed=8, counter=i) for i in range(50)]


def test_uniform_numbers_fill_the_unit_interval() -> None:
    """Given many counters, when turned to numbers, then they are even over ten bins and never 1."""
    values = np.array([_native.probes.uniform(3, i) for i in range(10000)])
    assert values.min() >= 0
    assert values.max() < 1
    assert np.abs(np.histogram(values, 10, (0, 1))[0] - 1000).max() < 150
