"""Times of models at several tasks -> dots on a logarithmic scale."""

from collections.abc import Mapping
from typing import NamedTuple

from matplotlib import rc_context
from matplotlib.figure import Figure

from involbench.reporting.plots.axes import Look, own_styles
from involbench.reporting.plots.rows import row_figure
from involbench.reporting.plots.settings import RC
from involbench.reporting.plots.words import counts, short
from involbench.reporting.style import Styles

_LONGEST = 30


class Time(NamedTuple):
    """How long something takes, in seconds."""

    median: float
    lower_quartile: float
    upper_quartile: float


def plot_times(times: Mapping[str, Mapping[str, Time]], styles: Styles | None = None) -> Figure:
    """A row a task, and in it a line each model: the median, and a bar between the quartiles.

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
                beside: Look = {"textcoords": "offset points", "va": "center", "fontsize": 8}
                axes.annotate(text, (high, height), xytext=(7, 0), **beside)
        ends = [1000 * end for by in times.values() for time in by.values() for end in time]
        if ends:  # Room for the names beside the dots.
            axes.set_xlim(min(ends) / 1.3, 2 * max(ends) * (max(ends) / min(ends)) ** 0.6)
        axes.xaxis.set_major_formatter(counts())
        axes.set_xlabel("time (ms, logarithmic)")
    return figure
