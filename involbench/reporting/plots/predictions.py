"""Confusion matrices and calibration curves."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from involbench.reporting.plots.axes import (
    WIDTH,
    PlotOptions,
    legend_below,
    own_styles,
    percent_ticks,
    short,
)
from involbench.reporting.plots.figure import GREY, RC, Figure, Styles


class Bin(NamedTuple):
    """Images whose predicted class has a probability within some bounds."""

    images: int
    confidence: float
    """The mean of these probabilities."""
    accuracy: float
    """The share of correct predictions."""


def plot_calibration(
    models: Mapping[str, Sequence[Bin]], styles: Styles | None = None, fewest: int = 10
) -> Figure:
    """A calibration line for each model; below the diagonal, a model is overconfident.

    Args:
        models: Model -> its bins, in order of confidence.
        styles: Model -> its style; default: by the order of the models.
        fewest: Bins of fewer images are mostly noise and are not drawn.
    """
    styles = own_styles(models, styles)
    with rc_context(RC):
        figure = Figure(figsize=(WIDTH, WIDTH), layout="constrained")
        axes = figure.add_subplot()
        line: PlotOptions = {"color": GREY, "linestyle": ":", "linewidth": 1.4}
        axes.plot([0, 1], [0, 1], label="perfectly calibrated", **line)
        for name, bins in models.items():
            kept = [each for each in bins if each.images >= fewest]
            look = {**styles[name].options, "label": short(name)}
            axes.plot([b.confidence for b in kept], [b.accuracy for b in kept], **look)
        axes.set_xlim(0, 1.02)
        axes.set_ylim(0, 1.02)
        axes.set_aspect("equal")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(percent_ticks())
        axes.set_xlabel("confidence: probability of the predicted class (%)")
        axes.set_ylabel("accuracy of those images (%)")
        legend_below(figure, axes)
    return figure


_MOST_WRITTEN = 12
"""Classes up to which the cells show numbers."""
_MOST_NAMED = 40
_LONGEST = 16


def plot_confusion(shares: NDArray[np.float64], class_names: Sequence[str]) -> Figure:
    """A confusion matrix: for each true class, the share predicted as each class.

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


def largest_difference(shares: NDArray[np.float64]) -> float:
    """The largest share without its sign; at least 0.01."""
    return float(np.nanmax(np.abs(shares), initial=0.01))


def plot_confusion_difference(
    shares: NDArray[np.float64], class_names: Sequence[str], limit: float | None = None
) -> Figure:
    """One confusion matrix minus another, in points.

    Args:
        shares: The difference of two matrices as `plot_confusion` takes them.
        class_names: One a class.
        limit: The end of the colour scale, for several figures with one scale; default: the
            largest of these shares.
    """
    limit = largest_difference(shares) if limit is None else limit
    with rc_context(RC):
        figure, axes = _figure()
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
    bar.ax.xaxis.set_major_formatter(percent_ticks())


def _write(axes: Axes, image: AxesImage, shares: NDArray[np.float64], form: str) -> None:
    """Write the numbers, dark on light cells and light on dark cells."""
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
        place: PlotOptions = {"ha": "center", "va": "center", "fontsize": 8}
        axes.text(column, row, text, color=colour, **place)
