"""Draws tokens from logits on torch."""

import torch

from worker.engine.base import Sampling
from worker.engine.requests import library_seed


def generator_for(sampling: Sampling) -> torch.Generator | None:
    """Return a row's own source of randomness, None where it is greedy."""
    if sampling.temperature <= 0:
        return None
    return torch.Generator().manual_seed(library_seed(sampling))


def sample(logits: torch.Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """Draw from float32 logits (vocabulary,) after temperature, top-k and nucleus filtering (Holtzman et al. 2020)."""
    ordered, order = (logits / sampling.temperature).sort(descending=True)
    if sampling.top_k > 0:
        ordered = ordered[: sampling.top_k]
    probabilities = ordered.softmax(0)
    inside = probabilities.cumsum(0) - probabilities < sampling.top_p
    drawn = torch.multinomial(probabilities * inside, 1, generator=generator)
    return int(order[drawn])
