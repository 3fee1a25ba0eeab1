"""Every kernel of every instruction set this machine has, against float32 numpy.

Tolerances: a kernel gets the same quantised inputs as its reference, so what is left is float32 rounding, 1e-5 of the
largest value; attention also rounds keys and values to bfloat16, 1 part in 128; the exponential stays within 3e-7.
"""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.native.tiny import attention, rms_norm, rope_tables, silu
from worker.engine.native.quantize import interleave_gate_up, to_panels

_native = pytest.importorskip("worker.engine.native._native", reason="the native engine is not compiled")
ISAS = _native.supported_isas()
Floats = NDArray[np.float32]
NO_WEIGHT = np.zeros(0, np.float32)


def normal(seed: int, *shape: int) -> Floats:
    """Return reproducible normal values."""
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def dequantised_rows(isa: str, x: Floats) -> Floats:
    """Return the activations as the engine sees them after quantisation."""
    values, scales, _ = _native.probes.quantize(isa, "int8", x, NO_WEIGHT, 0.0)
    result: Floats = values.astype(np.float32) * np.array(scales, np.float32)[:, None]
    return result


def with_outliers(seed: int, *shape: int) -> Floats:
    """Return normal values, a few of every row two hundred times as large."""
    x = normal(seed, *shape)
    x[:, 7::53] *= 200
    return x


def dequantised_outliers(isa: str, x: Floats) -> Floats:
    """Return the activations as the engine sees them where it keeps each row's outliers apart."""
    values, scales, steps = _native.probes.quantize_outliers(isa, x)
    result: Floats = (values + steps) * np.array(scales, np.float32)[:, None]
    return result


def dequantised_weights(w: Floats) -> Floats:
    """Return the weights as the engine sees them after packing."""
    scales = np.abs(w).max(1, keepdims=True) / 127
    result: Floats = np.rint(w / scales) * scales
    return result


def product(isa: str, kind: str, x: Floats, w: Floats, bias: Floats | None, start: Floats) -> Floats:
    """Run one compiled product."""
    panels = to_panels(w)
    flat = panels.tiles.reshape(-1)
    result: Floats = _native.probes.product(
        isa, kind, x, flat, panels.scales, panels.offsets, bias, len(w), start
    )  # fmt: skip
    return result


def close(actual: Floats, wanted: Floats, tolerance: float = 1e-5) -> bool:
    """Compare against the largest wanted value."""
    return bool(np.abs(actual - wanted).max() <= tolerance * np.abs(wanted).max())


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("rows", [1, 2, 5, 8, 16, 17, 31, 32, 33, 70])
def test_products_match_numpy(isa: str, rows: int) -> None:
    """Given random weights and activations, when multiplied, then every epilogue agrees with numpy."""
    x, w, bias = normal(rows, rows, 160), normal(1, 96, 160), normal(2, 96)
    start = normal(3, rows, 96)
    sums = dequantised_rows(isa, x) @ dequantised_weights(w).T
    assert close(product(isa, "store", x, w, bias, start), sums + bias)
    assert close(product(isa, "residual", x, w, None, start), sums + start)
    x = with_outliers(rows, rows, 160)
    fine = dequantised_outliers(isa, x) @ dequantised_weights(w).T
    assert close(product(isa, "residual_outliers", x, w, bias, start), fine + start + bias)


@pytest.mark.parametrize("isa", ISAS)
def test_gate_and_up_are_joined_by_silu(isa: str) -> None:
    """Given gate and up weights in one matrix, when multiplied, then out comes silu(gate) * up."""
    x, gate, up = normal(4, 19, 128), normal(5, 64, 128), normal(6, 64, 128)
    actual = product(isa, "silu", x, interleave_gate_up(gate, up), None, np.zeros((19, 64), np.float32))
    seen = dequantised_rows(isa, x)
    wanted = silu(seen @ dequantised_weights(gate).T) * (seen @ dequantised_weights(up).T)
    assert close(actual, wanted)


@pytest.mark.parametrize("isa", ISAS)
def test_head_finds_the_largest_of_an_unpadded_vocabulary(isa: str) -> None:
    """Given 70 output columns, when the best is asked for, then padding never wins, even below zero."""
    x = normal(7, 9, 64)
    w = normal(8, 70, 64)
    w[:, 0] -= 40 * np.sign(x[0, 0])  # every logit of row 0 is negative
    actual = product(isa, "head", x, w, None, np.zeros((9, 96), np.float32))
    logits = dequantised_rows(isa, x) @ dequantised_weights(w).T
    assert actual[:, 1].astype(int).tolist() == logits.argmax(1).tolist()
    assert close(actual[:, 0], logits.max(1))


@pytest.mark.parametrize("isa", ISAS)
def test_quantisation_steps(isa: str) -> None:
    """Given rows of any size, when quantised, then errors stay below half a step."""
    x = normal(9, 7, 96) * np.array([1e-6, 1, 1e6, 1, 1, 1, 0], np.float32)[:, None]
    top = np.abs(x).max(1, keepdims=True)
    assert (np.abs(dequantised_rows(isa, x) - x) <= top / 127 * 0.5001).all()


@pytest.mark.parametrize("isa", ISAS)
def test_outliers_are_kept_apart(isa: str) -> None:
    """Given rows with values far above the others, when quantised, then steps follow the others and no value strays."""
    x = with_outliers(16, 7, 160) * np.array([1e-6, 1, 1e6, 1, 1, 1, 0], np.float32)[:, None]
    values, scales, steps = _native.probes.quantize_outliers(isa, x)
    limit = np.minimum(12 * np.abs(x).mean(1, keepdims=True), np.abs(x).max(1, keepdims=True))
    apart = np.abs(x) > limit * 1.000001
    assert apart[:6].sum(1).min() > 0
    assert ((steps != 0) == apart).all()
    assert (values[apart] == 0).all()
    assert np.abs(np.array(scales)[:, None] - limit / 127).max() <= 1e-6 * limit.max()
    errors = np.abs(dequantised_outliers(isa, x) - x)
    assert (errors <= np.where(apart, 1e-6 * np.abs(x), limit / 127 * 0.5001)).all()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("equals", "apart"), [(13, 13), (14, 0)])
def test_no_more_values_are_apart_than_there_is_room_for(isa: str, equals: int, apart: int) -> None:
    """Given as many equal values as can be twelve times the mean of 160, then all are apart; one more, then none."""
    x = np.zeros((1, 160), np.float32)
    x[0, :equals] = 5.0
    _, _, steps = _native.probes.quantize_outliers(isa, x)
    assert (steps != 0).sum() == apart
    assert np.allclose(dequantised_outliers(isa, x), x, rtol=1e-6)


@pytest.mark.parametrize("isa", ISAS)
def test_a_row_of_almost_nothing_is_zero(isa: str) -> None:
    """Given values so small that steps would overflow, when quantised, then the row is zero and finite."""
    x = np.zeros((1, 160), np.float32)
    x[0, 3] = 1e-37
    assert (dequantised_outliers(isa, x) == 0).all()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_row_that_is_not_finite_stays_so(isa: str, bad: float) -> None:
    """Given NaN or infinity in a row, when multiplied, then its results are not finite and those of others are."""
    x, w, start = normal(17, 3, 160), normal(18, 32, 160), np.zeros((3, 32), np.float32)
    x[1, 40] = bad
    finite = np.isfinite(product(isa, "residual_outliers", x, w, None, start))
    assert finite.all(1).tolist() == [True, False, True]
    assert not finite[1].any()


@pytest.mark.parametrize("isa", ISAS)
def test_norm(isa: str) -> None:
    """Given a row, when normed and quantised, then it is the numpy norm within half an int8 step; NaN is told."""
    x, weight = normal(10, 3, 96), normal(11, 96)
    values, scales, finite = _native.probes.quantize(isa, "norm", x, weight, 1e-6)
    wanted = rms_norm(x, weight)
    assert finite
    assert (np.abs(values * np.array(scales)[:, None] - wanted) <= np.array(scales)[:, None] * 0.501).all()
    x[1, 5] = np.nan
    assert not _native.probes.quantize(isa, "norm", x, weight, 1e-6)[2]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("tokens", [1, 7, 32, 90])
def test_attention_matches_numpy(isa: str, tokens: int) -> None:
    """Given projections, when attended over scattered blocks, then numpy agrees and chunks change no bit."""
    qkv = normal(tokens, tokens, 10 * 64)
    cos, sin = rope_tables(tokens, 64, 10000.0)
    blocks = [4, 0, 2, 1]

    def run(chunk: int, rows: int) -> Floats:
        result: Floats = _native.probes.attention(isa, qkv, 6, 2, 64, cos, sin, blocks, chunk, rows)
        return result

    actual = run(tokens, 8)
    assert close(actual, attention(qkv, 6, 2, 64, 10000.0), 1 / 128)
    for chunk, rows in ((1, 8), (13, 3), (64, 1)):
        assert (run(chunk, rows) == actual).all()


@pytest.mark.parametrize("isa", ISAS)
def test_exponential(isa: str) -> None:
    """Given shifted logits, when exponentiated, then the relative error is below 3e-7 and the sum is theirs."""
    x = np.linspace(-60, 0, 1003, dtype=np.float32)
    values, total = _native.probes.exp(isa, x, 0.0, 1.0)
    wanted = np.exp(x.astype(np.float64))
    # The argument itself is rounded once to float32 in base two: half a unit in 2^6.
    assert (np.abs(values[0] / wanted - 1) < 3e-7 + np.abs(x) * 1.2e-7).all()
    assert total == pytest.approx(float(values.sum(dtype=np.float64)), rel=1e-6)


def test_instruction_sets_agree_bit_for_bit() -> None:
    """Given the same inputs, when each instruction set computes, then all bits are equal."""
    x, w, start = with_outliers(12, 37, 192), normal(13, 64, 192), normal(14, 37, 64)
    qkv = normal(15, 45, 640)
    cos, sin = rope_tables(45, 64, 10000.0)
    for kind in ("store", "residual", "residual_outliers"):
        results = [product(isa, kind, x, w, None, start) for isa in ISAS]
        assert all((result == results[0]).all() for result in results)
    attended = [_native.probes.attention(isa, qkv, 6, 2, 64, cos, sin, [0, 1], 45, 8) for isa in ISAS]
    assert all((result == attended[0]).all() for result in attended)
    sums = [_native.probes.exp(isa, qkv[0], 1.0, 0.7) for isa in ISAS]
    assert all((values == sums[0][0]).all() and total == sums[0][1] for values, total in sums)
