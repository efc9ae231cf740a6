"""Which classes are taken for which."""

from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from involbench.reporting.plots.axes import WIDTH, Look
from involbench.reporting.plots.settings import RC
from involbench.reporting.plots.words import percent, short

_MOST_WRITTEN = 12
"""So many classes leave room for the numbers."""
_MOST_NAMED = 40
_LONGEST = 16


def plot_confusion(shares: NDArray[np.float64], class_names: Sequence[str]) -> Figure:
    """A confusion matrix: of the images of each class, how many were taken for each class.

    Args:
        shares: (classes, classes): row by true, column by predicted class, fractions; a row of
            NaN is a class without images.
        class_names: One a class.
    """
    with rc_context(RC):
        figure, axes = _figure()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="none")
        _finish(figure, axes, image, class_names, "share of the true class (%)")
        _write(axes, image, shares, "{:.0f}")
    return figure


def plot_confusion_difference(shares: NDArray[np.float64], class_names: Sequence[str]) -> Figure:
    """One confusion matrix minus another, in points.

    Args:
        shares: The difference of two matrices as `plot_confusion` takes them.
        class_names: One a class.
    """
    with rc_context(RC):
        figure, axes = _figure()
        known = np.abs(shares[np.isfinite(shares)])
        limit = max(float(known.max()) if known.size else 0.0, 0.01)
        image = axes.imshow(shares, cmap="PuOr", vmin=-limit, vmax=limit, interpolation="none")
        _finish(figure, axes, image, class_names, "difference (points)")
        _write(axes, image, shares, "{:+.0f}")
    return figure


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, 1.1 * WIDTH), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(visible=False)
    axes.spines[:].set_visible(True)
    return figure, axes


def _finish(
    figure: Figure, axes: Axes, image: AxesImage, class_names: Sequence[str], unit: str
) -> None:
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    if len(class_names) <= _MOST_NAMED:
        names = [short(name, _LONGEST) for name in class_names]
        size = 9 if len(names) <= _MOST_WRITTEN else 6
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
        axes.set_yticks(range(len(names)), names, fontsize=size)
    else:
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("predicted class (number)")
        axes.set_ylabel("true class (number)")
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.7, aspect=40, label=unit)
    bar.ax.xaxis.set_major_formatter(percent())


def _write(axes: Axes, image: AxesImage, shares: NDArray[np.float64], form: str) -> None:
    """The numbers, dark on light and light on dark cells."""
    if len(shares) > _MOST_WRITTEN:
        return
    for row, column in np.ndindex(*shares.shape):
        value = float(shares[row, column])
        text = form.format(100 * value)
        if not np.isfinite(value) or text in ("0", "+0", "-0"):
            continue
        red, green, blue, _ = image.to_rgba(shares[row, column])
        light = 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5
        colour = "#101010" if light else "#ffffff"
        place: Look = {"ha": "center", "va": "center", "fontsize": 8}
        axes.text(column, row, text, color=colour, **place)
