"""Parameters and times of models, as dots on a logarithmic scale."""

from collections.abc import Mapping
from math import ceil, log10
from typing import NamedTuple

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from involbench.reporting.plots.axes import PlotOptions, counts, own_styles, row_figure, short
from involbench.reporting.plots.settings import RC
from involbench.reporting.style import Styles


def plot_parameters(
    parameters: Mapping[str, Mapping[str, int]], styles: Styles | None = None
) -> Figure:
    """A row for each model, with a line for each role that has parameters.

    The scale is logarithmic from 1 on, and has room for 0.

    Args:
        parameters: Model -> role -> how many trainable parameters it has.
        styles: Model -> its style; default: by the order of the models.
    """
    styles = own_styles(parameters, styles)
    roles = list(dict.fromkeys(r for by in parameters.values() for r, n in by.items()))
    roles = [role for role in roles if any(by.get(role) for by in parameters.values())]
    largest = max([1, *(n for by in parameters.values() for n in by.values())])
    with rc_context(RC):
        lanes = len(roles) + 1
        figure, axes = row_figure(list(parameters), 0.2 * lanes + 0.1)
        axes.set_xscale("symlog", linthresh=1, linscale=0.4)
        for row, (model, by_role) in enumerate(parameters.items()):
            colour, _, marker = styles[model]
            for lane, role in enumerate(roles, 1):
                count, height = (
                    float(max(by_role.get(role, 0), 0)),
                    row - 0.5 + (lane + 0.4) / lanes,
                )
                axes.hlines(height, 0, count, colors=colour, linewidth=1.2, alpha=0.6)
                axes.plot([count], [height], marker, color=colour, markersize=6)
                text = f"{role} {count:,.0f}"
                beside: PlotOptions = {"textcoords": "offset points", "va": "center", "fontsize": 8}
                axes.annotate(text, (count, height), xytext=(7, 0), **beside)
        _scale(axes, max(1, ceil(log10(largest))))
    return figure


def _scale(axes: Axes, decades: int) -> None:
    """Put ticks at powers of ten, and leave room for the numbers beside the dots."""
    axes.set_xlim(-0.4, 10 ** (1.5 * decades))
    axes.set_xticks([0, *(10**k for k in range(0, decades + 1, 1 + decades // 5))])
    axes.xaxis.set_major_formatter(counts())
    axes.xaxis.minorticks_off()
    axes.set_xlabel("trainable parameters (logarithmic)")


_LONGEST = 30


class Time(NamedTuple):
    """A duration in seconds."""

    median: float
    lower_quartile: float
    upper_quartile: float


def plot_times(times: Mapping[str, Mapping[str, Time]], styles: Styles | None = None) -> Figure:
    """A row for each task, with a line for each model: the median and the quartiles.

    Args:
        times: Task -> model -> how long it takes.
        styles: Model -> its style; default: by the order of the models.
    """
    styles = own_styles(dict.fromkeys(m for by in times.values() for m in by), styles)
    with rc_context(RC):
        lanes = len(styles) + 1
        figure, axes = row_figure(list(times), 0.2 * lanes + 0.1)
        axes.set_xscale("log")
        for row, by_model in enumerate(times.values()):
            for lane, (model, time) in enumerate(by_model.items(), 1):
                colour, _, marker = styles[model]
                median, low, high = (1000 * seconds for seconds in time)
                height = row - 0.5 + (lane + 0.4) / lanes
                axes.hlines(height, low, high, colors=colour, linewidth=2.2, alpha=0.6)
                axes.plot([median], [height], marker, color=colour, markersize=6)
                text = f"{short(model, _LONGEST)} {median:.3g}"
                beside: PlotOptions = {"textcoords": "offset points", "va": "center", "fontsize": 8}
                axes.annotate(text, (high, height), xytext=(7, 0), **beside)
        ends = [1000 * end for by in times.values() for time in by.values() for end in time]
        if ends:  # Room for the names beside the dots.
            axes.set_xlim(min(ends) / 1.3, 2 * max(ends) * (max(ends) / min(ends)) ** 0.6)
        axes.xaxis.set_major_formatter(counts())
        axes.set_xlabel("time (ms, logarithmic)")
    return figure
