"""Training curves: loss and accuracy per epoch."""

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from involbench.reporting.plots.axes import (
    WIDTH,
    count_ticks,
    is_near,
    legend_below,
    own_styles,
    percent_ticks,
    say_empty,
    short,
)
from involbench.reporting.plots.figure import GREY, RC, Figure, LineStyle, Styles, line_styles
from involbench.results.record import History
from involbench.statistics.estimates import mean_curve

Curve = Sequence[float | None]

METRICS = ("accuracy", "loss")


def panels_of(validated_on: str) -> dict[str, str]:
    """Title of a panel -> prefix of the metric in the history."""
    return {validated_on: "val_", "train": ""}


LABELS = {"accuracy": "accuracy (%)", "loss": "cross-entropy loss (nats)"}
_LOG_SCALE_FROM = 30
"""A loss that spans this factor needs a logarithmic scale."""


def plot_run(history: History, title: str, validated_on: str = "validation") -> dict[str, Figure]:
    """Training and validation curves of one run: a figure each for `accuracy` and `loss`.

    `validated_on` is what the validation is called: `test` if it is on the test images.
    """
    panels = panels_of(validated_on)
    return {metric: _run_figure(history, metric, title, panels) for metric in METRICS}


def plot_experiment(
    curves: Mapping[str, Sequence[History]],
    title: str = "",
    chance: float | None = None,
    styles: Styles | None = None,
    stacked: bool = False,
    validated_on: str = "validation",
) -> dict[str, Figure]:
    """Curves of all models and seeds: a figure each for `accuracy` and `loss`.

    Each seed is a thin line and their mean a thick one. The mean is over the seeds that have a
    value at that epoch.

    Args:
        curves: Model -> the history of each seed.
        title: Stands above the picture.
        chance: Accuracy of a guess, as a fraction; drawn as a dotted line.
        styles: Model -> its style; default: by the order of the models.
        stacked: Whether train stands below validation, not beside it.
        validated_on: What the validation is called: `test` if it is on the test images.
    """
    styles, panels = own_styles(curves, styles), panels_of(validated_on)
    return {
        metric: _experiment_figure(
            curves, metric, title, chance if metric == "accuracy" else None, styles, stacked, panels
        )
        for metric in METRICS
    }


def _run_figure(history: History, metric: str, title: str, panels: Mapping[str, str]) -> Figure:
    with rc_context(RC):
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.add_subplot()
        styles = line_styles(len(panels))
        for (label, prefix), style in zip(panels.items(), styles, strict=True):
            _draw_mean(axes, history.get(prefix + metric, []), style, label)
        _finish([axes], metric)
        axes.set_title(title)
        if axes.lines:
            axes.legend(handlelength=5)
    return figure


def _experiment_figure(
    curves: Mapping[str, Sequence[History]],
    metric: str,
    title: str,
    chance: float | None,
    styles: Styles,
    stacked: bool,
    names: Mapping[str, str],
) -> Figure:
    with rc_context(RC):
        size = (WIDTH, 6.4) if stacked else (10, 4.8)
        figure = Figure(figsize=size, layout="constrained")
        shape = (len(names), 1) if stacked else (1, len(names))
        panels = figure.subplots(*shape, sharex=True, sharey=True)
        for axes, (name, prefix) in zip(panels, names.items(), strict=True):
            for model, histories in curves.items():
                seeds = [history.get(prefix + metric, []) for history in histories]
                _draw_seeds(axes, seeds, styles[model], model)
            axes.set_title(name)
        _finish(panels, metric)
        if chance is not None:
            _draw_chance(panels, chance)
        if title:
            figure.suptitle(title, fontsize=11)
        legend_below(figure, panels[0])
    return figure


def _draw_seeds(axes: Axes, seeds: Sequence[Curve], style: LineStyle, model: str) -> None:
    """One model: a thin line for each seed, and a thick line for the mean."""
    for curve in seeds if len(seeds) > 1 else ():
        marker = "_" if len(curve) == 1 else ""
        _draw(axes, curve, style, linewidth=0.8, alpha=0.7, marker=marker, markersize=14)
    count = f"{len(seeds)} seed" + ("" if len(seeds) == 1 else "s")
    _draw_mean(axes, mean_curve(seeds), style, f"{short(model)} ({count})")


def _draw_mean(axes: Axes, curve: Curve, style: LineStyle, label: str) -> None:
    """A thick line with markers."""
    step = max(1, len(curve) // 8)
    every = ((len(curve) - 1) % step, step)
    _draw(axes, curve, style, linewidth=2.2, markersize=5, markevery=every, label=label)


def _draw(axes: Axes, curve: Curve, style: LineStyle, **options: Any) -> None:
    """A value for each epoch; None leaves a gap."""
    heights = [nan if value is None else value for value in curve]
    axes.plot(range(1, len(heights) + 1), heights, **{**style.options, **options})


def _finish(panels: Sequence[Axes], metric: str) -> None:
    """Set labels, ticks at whole epochs, and the same limits for all panels."""
    drawn = [np.asarray(line.get_ydata(), float) for axes in panels for line in axes.lines]
    heights = [float(y) for values in drawn for y in values if np.isfinite(y)]
    epochs = max([1, *map(len, drawn)])
    for axes in panels:
        axes.set_ylabel(LABELS[metric])
        if metric == "accuracy":
            axes.yaxis.set_major_formatter(percent_ticks())
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim((0.5, epochs + 0.5) if epochs < 3 else (1 - 0.02 * epochs, 1.02 * epochs))
        if not any(np.isfinite(np.asarray(line.get_ydata(), float)).any() for line in axes.lines):
            say_empty(axes)
        axes.label_outer()
    if heights:
        _set_heights(panels, metric, min(heights), max(heights))


def _draw_chance(panels: Sequence[Axes], chance: float) -> None:
    """A dotted line at the accuracy of guessing, unless it would squeeze the curves."""
    low, high = panels[0].get_ylim()
    if not is_near(chance, low, high):
        return
    for axes in panels:
        label = f"chance ({100 * chance:.3g}%)"
        axes.axhline(chance, color=GREY, linestyle=":", linewidth=1.2, label=label)
        axes.set_ylim(min(low, chance - 0.05 * (high - chance)), high)


def is_logarithmic(metric: str, low: float, high: float) -> bool:
    """Whether values from low to high need a logarithmic scale: a loss with a wide range."""
    return metric == "loss" and low > 0 and high / low > _LOG_SCALE_FROM


def _set_heights(panels: Sequence[Axes], metric: str, low: float, high: float) -> None:
    """Set limits around the values."""
    if is_logarithmic(metric, low, high):
        for axes in panels:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(count_ticks())
        return
    margin = max(0.05 * (high - low), 0.01)
    bottom, top = low - margin, high + margin
    if metric == "accuracy":
        bottom, top = max(bottom, -0.01), min(top, 1.01)
    for axes in panels:
        axes.set_ylim(bottom, top)
