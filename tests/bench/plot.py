"""Line charts as PNG pictures."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

COLOURS = (
    "#1450aa", "#d25a14", "#1e8c46", "#963296", "#be1e3c", "#5a5a5a", "#008c96", "#aa8200", "#6e4628", "#3c3cc8",
    "#c86ea0", "#78a03c",
)  # fmt: skip


def draw_lines(
    path: Path, title: str, axes: tuple[str, str], ticks: Sequence[object], lines: Mapping[str, Sequence[float | None]]
) -> None:
    """Write a picture of lines over evenly spaced ticks; values start at 0, None leaves a gap.

    `axes` are the labels of the horizontal and the vertical axis.
    """
    figure = Figure(figsize=(9, 4.8), layout="constrained")
    plot = figure.add_subplot(title=title, xlabel=axes[0], ylabel=axes[1])
    plot.set_prop_cycle(color=COLOURS)
    places = range(len(ticks))
    for name, line in lines.items():
        plot.plot(places, [math.nan if value is None else value for value in line], marker="s", label=name)
    plot.set_xticks(places, [str(tick) for tick in ticks])
    plot.set_ylim(bottom=0)
    plot.grid(axis="y", alpha=0.3)
    plot.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png")
