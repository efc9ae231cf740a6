"""Histories -> figures. Nothing is drawn on a screen, and no global state of pyplot is used."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from involbench.reporting.plots_axes import draw_mean, draw_seeds, finish, legend_below
from involbench.reporting.style import RC, line_styles
from involbench.results.files import write_atomic
from involbench.results.record import History

_METRICS = ("accuracy", "loss")
_PANELS = {"validation": "val_", "train": ""}


def plot_run(history: History, title: str) -> dict[str, Figure]:
    """Train and validation of one run, a figure each for `accuracy` and `loss`."""
    return {metric: _run_figure(history, metric, title) for metric in _METRICS}


def plot_experiment(
    curves: Mapping[str, Sequence[History]], title: str, chance: float | None = None
) -> dict[str, Figure]:
    """All models and seeds in one picture, a figure each for `accuracy` and `loss`.

    Each seed is a thin line and their mean a thick one, validation beside train. The mean is over
    the seeds that have a value at that epoch.

    Args:
        curves: Model -> the history of each seed. The order of the models gives their colours.
        title: Stands above the picture.
        chance: Accuracy of a guess, as a fraction; drawn as a dotted line.
    """
    return {
        metric: _experiment_figure(curves, metric, title, chance if metric == "accuracy" else None)
        for metric in _METRICS
    }


def save_figure(figure: Figure, path: Path) -> list[Path]:
    """Write `path`.png (150 dots an inch) and `path`.svg; the same figure gives the same bytes."""
    written = []
    for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
        buffer = BytesIO()
        with rc_context(RC):
            figure.savefig(buffer, format=suffix[1:], dpi=150, metadata=metadata)
        target = path.with_name(path.name + suffix)
        write_atomic(target, buffer.getvalue())
        written.append(target)
    return written


def _run_figure(history: History, metric: str, title: str) -> Figure:
    with rc_context(RC):
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.add_subplot()
        styles = line_styles(len(_PANELS))
        for (label, prefix), style in zip(_PANELS.items(), styles, strict=True):
            draw_mean(axes, history.get(prefix + metric, []), style, label)
        finish([axes], metric)
        axes.set_title(title)
        if axes.lines:
            axes.legend(handlelength=5)
    return figure


def _experiment_figure(
    curves: Mapping[str, Sequence[History]], metric: str, title: str, chance: float | None
) -> Figure:
    with rc_context(RC):
        figure = Figure(figsize=(10, 4.8), layout="constrained")
        panels = figure.subplots(1, len(_PANELS), sharey=True)
        for axes, (name, prefix) in zip(panels, _PANELS.items(), strict=True):
            for model, style in zip(curves, line_styles(len(curves)), strict=True):
                seeds = [history.get(prefix + metric, []) for history in curves[model]]
                draw_seeds(axes, seeds, style, model)
            axes.set_title(name)
        finish(panels, metric)
        if chance is not None:
            for axes in panels:
                label = f"chance ({chance:.2f})"
                axes.axhline(chance, color="0.45", linestyle=":", linewidth=1.2, label=label)
        figure.suptitle(title, fontsize=11)
        legend_below(figure, panels[0])
    return figure
