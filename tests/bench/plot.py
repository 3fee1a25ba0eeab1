"""Line charts as PNG pictures, drawn without a plotting library: axes, ticks, lines with points, a legend."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.bench.plot_font import ADVANCE, columns_of
from training.loss_curve import encode_png

WIDTH, HEIGHT = 900, 480
LEFT, RIGHT, TOP, BOTTOM = 80, 190, 46, 56
TICKS = 5
WHITE, GREY, BLACK = (255, 255, 255), (225, 225, 225), (40, 40, 40)
COLOURS = (
    (20, 80, 170), (210, 90, 20), (30, 140, 70), (150, 50, 150), (190, 30, 60), (90, 90, 90), (0, 140, 150),
    (170, 130, 0), (110, 70, 40), (60, 60, 200), (200, 110, 160), (120, 160, 60),
)  # fmt: skip

Canvas = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]


def draw_lines(
    path: Path, title: str, axes: tuple[str, str], ticks: Sequence[object], lines: Mapping[str, Sequence[float | None]]
) -> None:
    """Write a 900 × 480 picture of lines over evenly spaced ticks; values start at 0, None leaves a gap.

    `axes` are the labels of the horizontal and the vertical axis.
    """
    canvas = np.full((HEIGHT, WIDTH, 3), WHITE, np.uint8)
    values = [value for line in lines.values() for value in line if value is not None]
    top = 1.05 * max(values, default=0.0) or 1.0
    _axes(canvas, title, axes, ticks, top)
    for number, (name, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = [
            (_column(index, len(ticks)), _row(value, top)) if value is not None else None
            for index, value in enumerate(line)
        ]
        _draw(canvas, points, colour)
        legend_row = TOP + 18 * number
        canvas[legend_row + 2 : legend_row + 6, WIDTH - RIGHT + 14 : WIDTH - RIGHT + 34] = colour
        write(canvas, name[:23], WIDTH - RIGHT + 40, legend_row)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(canvas))


def write(canvas: Canvas, text: str, left: int, top: int) -> None:
    """Draw text in 5 × 7 dots; signs the font has not become blanks."""
    for index, sign in enumerate(text):
        for offset, bits in enumerate(columns_of(sign)):
            column = left + index * ADVANCE + offset
            for row in range(8):
                if bits >> row & 1 and 0 <= column < WIDTH and 0 <= top + row < HEIGHT:
                    canvas[top + row, column] = BLACK


def _axes(canvas: Canvas, title: str, axes: tuple[str, str], ticks: Sequence[object], top: float) -> None:
    for tick in range(TICKS + 1):
        value = top * tick / TICKS
        row = _row(value, top)
        canvas[row, LEFT : WIDTH - RIGHT] = GREY
        text = f"{value:,.0f}" if top >= 20 else f"{value:.3g}"
        write(canvas, text, LEFT - 8 - ADVANCE * len(text), row - 3)
    for index, tick_label in enumerate(ticks):
        column = _column(index, len(ticks))
        canvas[HEIGHT - BOTTOM : HEIGHT - BOTTOM + 4, column] = BLACK
        text = str(tick_label)
        write(canvas, text, column - ADVANCE * len(text) // 2, HEIGHT - BOTTOM + 9)
    canvas[TOP : HEIGHT - BOTTOM, LEFT] = BLACK
    canvas[HEIGHT - BOTTOM, LEFT : WIDTH - RIGHT] = BLACK
    write(canvas, title, LEFT, 10)
    write(canvas, axes[1], LEFT, TOP - 16)
    write(canvas, axes[0], LEFT + (WIDTH - LEFT - RIGHT) // 2 - ADVANCE * len(axes[0]) // 2, HEIGHT - 20)


def _draw(canvas: Canvas, points: Sequence[tuple[int, int] | None], colour: Colour) -> None:
    for point in points:
        if point is not None:
            canvas[point[1] - 3 : point[1] + 4, point[0] - 3 : point[0] + 4] = colour
    for start, end in pairwise(points):
        if start is None or end is None:
            continue
        count = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1) + 1
        xs = np.linspace(start[0], end[0], count).round().astype(int)
        ys = np.linspace(start[1], end[1], count).round().astype(int)
        for offset in (0, 1):
            canvas[np.clip(ys + offset, 0, HEIGHT - 1), xs] = colour


def _column(index: int, count: int) -> int:
    span = WIDTH - LEFT - RIGHT - 60
    return LEFT + 30 + (span * index // (count - 1) if count > 1 else span // 2)


def _row(value: float, top: float) -> int:
    return round(HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP))
