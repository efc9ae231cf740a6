"""Training curves: loss and accuracy per epoch."""

from collections.abc import Mapping, Sequence

from matplotlib import rc_context
from matplotlib.figure import Figure

from involbench.reporting.plots.axes import (
    WIDTH,
    draw_chance,
    draw_mean,
    draw_seeds,
    finish,
    legend_below,
    own_styles,
)
from involbench.reporting.plots.settings import RC
from involbench.reporting.style import Styles, line_styles
from involbench.results.record import History

METRICS = ("accuracy", "loss")
PANELS = {"validation": "val_", "train": ""}
"""Title of a panel -> prefix of the metric in the history."""


def plot_run(history: History, title: str) -> dict[str, Figure]:
    """Training and validation curves of one run: a figure each for `accuracy` and `loss`."""
    return {metric: _run_figure(history, metric, title) for metric in METRICS}


def plot_experiment(
    curves: Mapping[str, Sequence[History]],
    title: str = "",
    chance: float | None = None,
    styles: Styles | None = None,
    stacked: bool = False,
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
    """
    styles = own_styles(curves, styles)
    return {
        metric: _experiment_figure(
            curves, metric, title, chance if metric == "accuracy" else None, styles, stacked
        )
        for metric in METRICS
    }


def _run_figure(history: History, metric: str, title: str) -> Figure:
    with rc_context(RC):
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.add_subplot()
        styles = line_styles(len(PANELS))
        for (label, prefix), style in zip(PANELS.items(), styles, strict=True):
            draw_mean(axes, history.get(prefix + metric, []), style, label)
        finish([axes], metric)
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
) -> Figure:
    with rc_context(RC):
        size = (WIDTH, 6.4) if stacked else (10, 4.8)
        figure = Figure(figsize=size, layout="constrained")
        shape = (len(PANELS), 1) if stacked else (1, len(PANELS))
        panels = figure.subplots(*shape, sharex=True, sharey=True)
        for axes, (name, prefix) in zip(panels, PANELS.items(), strict=True):
            for model, histories in curves.items():
                seeds = [history.get(prefix + metric, []) for history in histories]
                draw_seeds(axes, seeds, styles[model], model)
            axes.set_title(name)
        finish(panels, metric)
        if chance is not None:
            draw_chance(panels, chance)
        if title:
            figure.suptitle(title, fontsize=11)
        legend_below(figure, panels[0])
    return figure
