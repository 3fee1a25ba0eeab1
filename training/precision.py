"""Which number format the frozen products of a run use: the faster one on this machine, kept for the whole run.

bfloat16 wins where the processor multiplies it natively (AMX, Zen 4, GPUs); elsewhere float32 can take half its time.
"""

import time
from enum import StrEnum
from pathlib import Path

import torch
from torch import Tensor

_FILE_NAME = "precision"
# About one MLP product of a small pack.
_TOKENS, _WIDTH, _WIDER = 256, 896, 4864
_ROUNDS = 4
# The first product of a process also loads code from the disk, which once made the faster format look emulated.
_WARM_UP_TOKENS = 4
# A format that the processor only emulates takes a hundred times as long; timing it once tells.
_EMULATED_S = 0.5


class Precision(StrEnum):
    """The number format of weights and activations; the adapter's masters are float32 in any case."""

    BFLOAT16 = "bfloat16"
    FLOAT32 = "float32"

    @property
    def dtype(self) -> torch.dtype:
        """Return it as torch names it."""
        return torch.bfloat16 if self is Precision.BFLOAT16 else torch.float32


def run_precision(out: Path, device: torch.device, checkpointed: Precision | None = None) -> Precision:
    """Return the run's precision: that of its checkpoints, else the one it began with, else the device's."""
    # Of the two, only the checkpoints decide whether the run can go on; older runs have no file.
    if checkpointed is not None:
        return checkpointed
    file = out / _FILE_NAME
    if file.is_file():
        return Precision(file.read_text(encoding="utf-8").strip())
    chosen = choose_precision(device)
    out.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{chosen}\n", encoding="utf-8")
    return chosen


def choose_precision(device: torch.device) -> Precision:
    """Return bfloat16 for GPUs and the faster one for CPUs."""
    return Precision.BFLOAT16 if device.type != "cpu" else faster_on_cpu()


def faster_on_cpu() -> Precision:
    """Return the precision in which this machine's matrix products take less time."""
    return min(Precision, key=_product_s)


def _product_s(precision: Precision) -> float:
    left = torch.ones(_TOKENS, _WIDTH, dtype=precision.dtype)
    right = torch.ones(_WIDER, _WIDTH, dtype=precision.dtype)
    torch.nn.functional.linear(left[:_WARM_UP_TOKENS], right)
    shortest_s = _timed_s(left, right)
    for _ in range(_ROUNDS - 1):
        if shortest_s > _EMULATED_S:
            break
        shortest_s = min(shortest_s, _timed_s(left, right))
    return shortest_s


def _timed_s(left: Tensor, right: Tensor) -> float:
    started_s = time.perf_counter()
    torch.nn.functional.linear(left, right)
    return time.perf_counter() - started_s
