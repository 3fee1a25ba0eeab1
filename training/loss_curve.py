"""The loss curve as a PNG picture: the loss of each step, and a mean that shows where it goes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

SMOOTHING_STEPS = 20
LOSS_COLOUR, MEAN_COLOUR = "#afc8e6", "#1450aa"


def draw_loss_curve(losses: Sequence[float], path: Path) -> None:
    """Write a picture of loss over steps; the dark line is a mean over the last 20 steps, gaps stay gaps."""
    steps = range(1, len(losses) + 1)
    means = [np.mean(losses[max(0, end - SMOOTHING_STEPS) : end]) for end in steps]
    figure = Figure(figsize=(9, 4.8), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="loss per answer token")
    axes.plot(steps, losses, color=LOSS_COLOUR)
    axes.plot(steps, means, color=MEAN_COLOUR, linewidth=2)
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", alpha=0.3)
    temporary = path.with_suffix(".tmp")
    figure.savefig(temporary, format="png")
    temporary.replace(path)
