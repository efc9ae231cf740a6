"""What the panels of a figure are made of: curves, limits, labels."""

from collections.abc import Iterable, Sequence
from math import nan
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from involbench.analysis.summary import mean_curve
from involbench.reporting.plots.words import counts, percent, short
from involbench.reporting.style import GREY, LineStyle, Styles, styles_of

Curve = Sequence[float | None]
Interval = tuple[float, float] | None
Look = dict[str, Any]
"""What a call of matplotlib's is told of how something looks."""

WIDTH = 5.4
"""Inches: its text can be read on a phone."""

_LABELS = {"accuracy": "accuracy (%)", "loss": "cross-entropy loss (nats)"}
_LOG_SCALE_FROM = 30
"""A loss that spans this factor hides its small values on a linear scale."""


def own_styles(names: Iterable[str], styles: Styles | None) -> Styles:
    """The styles given, or one for each name by its order."""
    return styles_of((name, name) for name in names) if styles is None else styles


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
    draw_mean(axes, mean_curve(seeds), style, f"{short(model)} ({count})")


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
    drawn = [np.asarray(line.get_ydata(), float) for axes in panels for line in axes.lines]
    heights = [float(y) for values in drawn for y in values if np.isfinite(y)]
    epochs = max([1, *map(len, drawn)])
    for axes in panels:
        axes.set_ylabel(_LABELS[metric])
        if metric == "accuracy":
            axes.yaxis.set_major_formatter(percent())
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim((0.5, epochs + 0.5) if epochs < 3 else (1 - 0.02 * epochs, 1.02 * epochs))
        if not any(np.isfinite(np.asarray(line.get_ydata(), float)).any() for line in axes.lines):
            say_empty(axes)
        axes.label_outer()
    if heights:
        _set_heights(panels, metric, min(heights), max(heights))


def say_empty(axes: Axes) -> None:
    """Say in an empty panel that it is not empty by mistake."""
    axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", color=GREY)


def draw_chance(panels: Sequence[Axes], chance: float) -> None:
    """A dotted line at the accuracy of a guess, unless it would squeeze the curves together."""
    low, high = panels[0].get_ylim()
    if not is_near(chance, low, high):
        return
    for axes in panels:
        label = f"chance ({100 * chance:.3g}%)"
        axes.axhline(chance, color=GREY, linestyle=":", linewidth=1.2, label=label)
        axes.set_ylim(min(low, chance - 0.05 * (high - chance)), high)


def is_near(chance: float, low: float, high: float) -> bool:
    """Whether there is room to show chance beside values between low and high."""
    return low - (high - low) <= chance <= high


def _set_heights(panels: Sequence[Axes], metric: str, low: float, high: float) -> None:
    """Limits around the values: an accuracy stays within 0 and 1, a wide loss becomes log."""
    if metric == "loss" and low > 0 and high / low > _LOG_SCALE_FROM:
        for axes in panels:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(counts())
        return
    margin = max(0.05 * (high - low), 0.01)
    bottom, top = low - margin, high + margin
    if metric == "accuracy":
        bottom, top = max(bottom, -0.01), min(top, 1.01)
    for axes in panels:
        axes.set_ylim(bottom, top)


def _heights(curve: Curve) -> list[float]:
    return [nan if value is None else value for value in curve]
