"""Draws tokens from logits on numpy, for engines whose library hands out logits."""

import numpy as np
from numpy.typing import NDArray

from worker.engine.base import Sampling

Floats = NDArray[np.float32]

SEED_MASK = (1 << 64) - 1


def generator_for(sampling: Sampling) -> np.random.Generator | None:
    """Return a row's own source of randomness, None where it is greedy."""
    if sampling.temperature <= 0:
        return None
    return np.random.default_rng(sampling.seed & SEED_MASK)


def choose(logits: Floats, sampling: Sampling, generator: np.random.Generator | None) -> int:
    """Return the next token of logits (vocabulary,): the best, or one drawn as Holtzman et al. 2020 describe."""
    if generator is None:
        return int(logits.argmax())
    order = np.argsort(-logits, kind="stable")
    if sampling.top_k > 0:
        order = order[: sampling.top_k]
    scaled = logits[order].astype(np.float64) / sampling.temperature
    probabilities = np.exp(scaled - scaled[0])
    probabilities /= probabilities.sum()
    inside = np.cumsum(probabilities) - probabilities < sampling.top_p
    kept = probabilities * inside
    return int(order[generator.choice(len(kept), p=kept / kept.sum())])


def logprob(logits: Floats, token_id: int) -> float:
    """Return the natural logarithm of the token's probability at temperature 1."""
    top = float(logits.max())
    total = float(np.log(np.exp(logits.astype(np.float64) - top).sum()))
    return float(logits[token_id]) - top - total
