"""Images side by side, each with what is said of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from involbench.reporting.plots.settings import RC
from involbench.reporting.plots.words import short
from involbench.reporting.style import INK

MOST_IMAGES = 200
"""More would take minutes to draw, and at some thousands be too high for a PNG file."""

_MOST_COLUMNS = 5
_CELL = 1.5
"""Inches of an image's side."""
_LONGEST = 24
_WRONG = "#B00020"


def plot_images(
    images: NDArray[np.uint8],
    captions: Sequence[Sequence[str]],
    wrong: Sequence[bool] | None = None,
    title: str = "",
) -> Figure:
    """A grid of images with lines of text below each.

    Args:
        images: (N, H, W, C), one to `MOST_IMAGES`.
        captions: The lines of each image, as many for each.
        wrong: Which of them are framed, in red.
        title: Above all.
    """
    columns = min(len(images), _MOST_COLUMNS)
    rows = -(-len(images) // columns)
    lines = len(captions[0])
    with rc_context(RC):
        size = max(columns * _CELL, 2.4), rows * (_CELL + 0.16 * lines) + 0.3
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for panel in panels[len(images) :]:
            panel.set_visible(False)
        for index, (panel, image) in enumerate(zip(panels, images, strict=False)):
            framed = wrong is not None and wrong[index]
            draw_image(panel, image, _WRONG if framed else None)
            text = "\n".join(short(line, _LONGEST) for line in captions[index])
            panel.set_xlabel(text, fontsize=8, color=_WRONG if framed else INK)
        figure.suptitle(short(title, 30 + 14 * columns), fontsize=9)
    return figure


def draw_image(axes: Axes, image: NDArray[np.uint8], frame: str | None = None) -> None:
    """One image (H, W, C) without ticks, in a frame of a colour or in none.

    What is neither grey nor RGB is shown in grey, as the mean of its channels.
    """
    shown: NDArray[Any] = image if image.shape[-1] == 3 else image.mean(axis=-1)
    axes.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="none")
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(frame is not None)
    if frame is not None:
        axes.spines[:].set(color=frame, linewidth=2.2)
