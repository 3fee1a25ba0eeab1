"""The loss curve as a PNG picture, drawn without a plotting library: axes, ticks, raw and smoothed loss."""

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 900, 480
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 30, 45
SMOOTHING_STEPS = 20
_TICKS = 5
_WHITE, _GREY, _PALE, _BLACK, _BLUE = (255, 255, 255), (225, 225, 225), (175, 200, 230), (40, 40, 40), (20, 80, 170)
# 5 x 7 dots, one string of seven rows in base 32 for each sign that the labels use.
_GLYPHS = {
    "0": "EHHHHHE", "1": "4C4444E", "2": "EH1248V", "3": "V2421HE", "4": "26AIV22", "5": "VGU11HE",
    "6": "68GUHHE", "7": "V124888", "8": "EHHEHHE", "9": "EHHF12C", ".": "00000CC", "l": "C44444E", "o": "00EHHHE",
    "s": "00FGE1U", "t": "88S8896", "e": "00EHVGE", "p": "00UHUGG", "a": "00E1FHF", "n": "00MPHHH",
    "w": "00HHLLA", "r": "00MPGGG", "k": "GGIKOKI", " ": "0000000",
}  # fmt: skip

Canvas = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]


def draw_loss_curve(losses: Sequence[float], path: Path) -> None:
    """Write a 900 × 480 RGB picture of loss over steps; the dark line is a mean over the last 20 steps."""
    canvas = np.full((HEIGHT, WIDTH, 3), _WHITE, np.uint8)
    values = np.asarray(losses, np.float64)
    finite = values[np.isfinite(values)]
    top = float(finite.max()) * 1.05 if len(finite) and finite.max() > 0 else 1.0
    _axes(canvas, len(values), top)
    if len(finite):
        _curve(canvas, values, top, _PALE, thickness=1)
        _curve(canvas, _smoothed(values), top, _BLUE, thickness=2)
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(encode_png(canvas))
    temporary.replace(path)


def encode_png(pixels: Canvas) -> bytes:
    """Return an 8-bit RGB PNG (ISO/IEC 15948) of pixels [height, width, 3]."""
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, width * 3)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_part(kind, content) for kind, content in parts)


def _png_part(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _smoothed(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray([values[max(0, end - SMOOTHING_STEPS) : end].mean() for end in range(1, len(values) + 1)])


def _axes(canvas: Canvas, steps: int, top: float) -> None:
    for tick in range(_TICKS + 1):
        row = _row(top * tick / _TICKS, top)
        canvas[row, LEFT : WIDTH - RIGHT] = _GREY
        _text(canvas, f"{top * tick / _TICKS:.2f}", LEFT - 36, row - 3)
        column = LEFT + (WIDTH - LEFT - RIGHT - 1) * tick // _TICKS
        canvas[HEIGHT - BOTTOM : HEIGHT - BOTTOM + 4, column] = _BLACK
        _text(canvas, str(steps * tick // _TICKS), column - 9, HEIGHT - BOTTOM + 9)
    canvas[TOP : HEIGHT - BOTTOM, LEFT] = _BLACK
    canvas[HEIGHT - BOTTOM, LEFT : WIDTH - RIGHT] = _BLACK
    _text(canvas, "loss per answer token", LEFT, TOP - 16)
    _text(canvas, "step", WIDTH // 2, HEIGHT - 16)


def _curve(canvas: Canvas, values: npt.NDArray[np.float64], top: float, colour: Colour, *, thickness: int) -> None:
    columns = np.linspace(LEFT, WIDTH - RIGHT - 1, max(2, len(values)))[: len(values)]
    points = [
        (int(column), _row(float(value), top)) for column, value in zip(columns, values, strict=True) if value == value
    ]
    for (x0, y0), (x1, y1) in zip(points, points[1:] or points, strict=False):
        count = max(abs(x1 - x0), abs(y1 - y0), 1) + 1
        xs, ys = np.linspace(x0, x1, count).round().astype(int), np.linspace(y0, y1, count).round().astype(int)
        for offset in range(thickness):
            canvas[np.clip(ys + offset, 0, HEIGHT - 1), xs] = colour


def _row(value: float, top: float) -> int:
    share = min(max(value / top, 0.0), 1.0)
    return round(HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP))


def _text(canvas: Canvas, text: str, left: int, top: int) -> None:
    for index, sign in enumerate(text):
        for row, bits in enumerate(_GLYPHS[sign]):
            for column in range(5):
                if int(bits, 32) >> (4 - column) & 1:
                    canvas[top + row, left + index * 6 + column] = _BLACK
