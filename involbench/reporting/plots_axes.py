"""What the panels of a figure are made of: curves, limits, labels, the legend."""

from collections.abc import Sequence
from math import nan

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from involbench.analysis.summary import mean_curve
from involbench.reporting.style import LineStyle

Curve = Sequence[float | None]

_LABELS = {"accuracy": "accuracy (fraction correct)", "loss": "cross-entropy loss (nats)"}
_LONGEST_NAME = 40
_LOG_SCALE_FROM = 30
"""A loss that spans this factor hides its small values on a linear scale."""


def draw_seeds(axes: Axes, seeds: Sequence[Curve], style: LineStyle, model: str) -> None:
    """One model: a thin line for each seed under the thick mean of them."""
    if len(seeds) > 1:
        for curve in seeds:
            values = _heights(curve)
            axes.plot(
                range(1, len(values) + 1),
                values,
                color=style.colour,
                linestyle=style.dash,
                linewidth=0.8,
                alpha=0.7,
                marker="_" if len(values) == 1 else "",
                markersize=14,
            )
    count = f"{len(seeds)} seed" + ("" if len(seeds) == 1 else "s")
    draw_mean(axes, mean_curve(seeds), style, f"{_short(model)} ({count})")


def draw_mean(axes: Axes, curve: Curve, style: LineStyle, label: str) -> None:
    """A thick line with markers; values that are None leave a gap."""
    values = _heights(curve)
    step = max(1, len(values) // 8)
    axes.plot(
        range(1, len(values) + 1),
        values,
        color=style.colour,
        linestyle=style.dash,
        linewidth=2.2,
        marker=style.marker,
        markersize=5,
        markevery=((len(values) - 1) % step, step),
        label=label,
    )


def finish(panels: Sequence[Axes], metric: str) -> None:
    """Labels, ticks at whole epochs and limits that all panels share."""
    panels[0].set_ylabel(_LABELS[metric])
    drawn = [np.asarray(line.get_ydata(), float) for axes in panels for line in axes.lines]
    heights = [float(y) for values in drawn for y in values if np.isfinite(y)]
    epochs = max([1, *map(len, drawn)])
    for axes in panels:
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim((0.5, epochs + 0.5) if epochs < 3 else (1 - 0.02 * epochs, 1.02 * epochs))
        if not heights:
            axes.set_yticks([])
            axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", color="0.4")
    if heights:
        _set_heights(panels, metric, min(heights), max(heights))


def legend_below(figure: Figure, axes: Axes) -> None:
    """One legend for all panels, in as many columns as the names leave room for."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        columns = max(1, min(len(labels), 110 // (max(map(len, labels)) + 9)))
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=5)


def _set_heights(panels: Sequence[Axes], metric: str, low: float, high: float) -> None:
    """Limits around the values: an accuracy stays within 0 and 1, a wide loss becomes log."""
    if metric == "loss" and low > 0 and high / low > _LOG_SCALE_FROM:
        for axes in panels:
            axes.set_yscale("log")
        return
    margin = max(0.05 * (high - low), 0.01)
    bottom, top = low - margin, high + margin
    if metric == "accuracy":
        bottom, top = max(bottom, -0.01), min(top, 1.01)
    for axes in panels:
        axes.set_ylim(bottom, top)


def _heights(curve: Curve) -> list[float]:
    return [nan if value is None else value for value in curve]


def _short(name: str) -> str:
    """Without its middle if it is long: names often differ at the end."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 13]}…{name[-12:]}"
