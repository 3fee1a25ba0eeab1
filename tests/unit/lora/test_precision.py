"""A run keeps the number format it began with; where none is set, a CPU takes the one it multiplies faster."""

from pathlib import Path

import pytest
import torch

from training import precision
from training.precision import Precision, run_precision

CPU = torch.device("cpu")


def test_the_first_choice_stands_for_the_whole_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a run begun in float32, when it is continued on a machine that prefers another, then it stays float32."""
    monkeypatch.setattr(precision, "faster_on_cpu", lambda: Precision.FLOAT32)
    assert run_precision(tmp_path / "run", CPU) is Precision.FLOAT32
    monkeypatch.setattr(precision, "faster_on_cpu", lambda: Precision.BFLOAT16)
    assert run_precision(tmp_path / "run", CPU) is Precision.FLOAT32
    assert run_precision(tmp_path / "other", CPU) is Precision.BFLOAT16


def test_the_format_with_the_shorter_product_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given times of one product in each format, then the shorter one decides."""
    for fast in Precision:
        monkeypatch.setattr(precision, "_product_s", lambda one, fast=fast: 1.0 if one is fast else 2.0)
        assert precision.faster_on_cpu() is fast


def test_other_devices_compute_in_bfloat16(tmp_path: Path) -> None:
    assert run_precision(tmp_path, torch.device("meta")) is Precision.BFLOAT16


def test_an_emulated_format_is_timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given products that take minutes in one format, when both are timed, then that one is not repeated."""
    timed: list[torch.dtype] = []

    def seconds(left: torch.Tensor, _right: torch.Tensor) -> float:
        timed.append(left.dtype)
        return 100.0 if left.dtype is torch.bfloat16 else 0.1

    monkeypatch.setattr(precision, "_timed_s", seconds)
    assert precision.faster_on_cpu() is Precision.FLOAT32
    assert timed.count(torch.bfloat16) == 1


def test_a_slow_first_product_of_the_process_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given products whose very first one waits for the disk, then bfloat16, twice as fast otherwise, is taken."""
    clock_s = [0.0]
    products: list[torch.dtype] = []

    def linear(left: torch.Tensor, _right: torch.Tensor) -> None:
        clock_s[0] += 3.0 if not products else 0.01 if left.dtype is torch.bfloat16 else 0.02
        products.append(left.dtype)

    monkeypatch.setattr(torch.nn.functional, "linear", linear)
    monkeypatch.setattr("training.precision.time.perf_counter", lambda: clock_s[0])
    assert precision.faster_on_cpu() is Precision.BFLOAT16


def test_products_of_both_formats_can_be_timed() -> None:
    """Given this machine, when it is measured, then each format's product takes some time."""
    assert all(0 < precision._product_s(one) < 60 for one in Precision)
