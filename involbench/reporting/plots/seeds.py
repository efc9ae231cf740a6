"""One value a seed -> dots, with the mean and its interval."""

from collections.abc import Mapping, Sequence

from matplotlib import rc_context
from matplotlib.figure import Figure

from involbench.reporting.plots.axes import Interval, is_near, own_styles
from involbench.reporting.plots.rows import row_figure
from involbench.reporting.plots.settings import RC
from involbench.reporting.plots.words import percent
from involbench.reporting.style import GREY, Styles

MOST_DOTS = 500
"""Of one model; the mean is of all."""
_LANES = (0.0, 0.05, -0.05, 0.1, -0.1)
"""Seeds side by side, so that equal ones are seen."""


def plot_seeds(
    values: Mapping[str, Sequence[float]],
    intervals: Mapping[str, Interval] | None = None,
    chance: float | None = None,
    styles: Styles | None = None,
    quantity: str = "test accuracy",
) -> Figure:
    """A row a model: a dot each seed, a bar at their mean, and its interval below.

    Args:
        values: Model -> its value with each seed, a fraction.
        intervals: Model -> the interval of its mean.
        chance: The value of a guess; drawn where it is near the values.
        styles: Model -> its style; default: by the order of the models.
        quantity: What the values are.
    """
    styles, intervals = own_styles(values, styles), intervals or {}
    with rc_context(RC):
        figure, axes = row_figure(list(values), 0.62)
        for row, (name, found) in enumerate(values.items()):
            colour, _, marker = styles[name]
            dots = found[:MOST_DOTS]
            heights = [row + 0.1 + _LANES[k % len(_LANES)] for k in range(len(dots))]
            axes.plot(dots, heights, marker, color=colour, alpha=0.75, markeredgewidth=0)
            if len(found) > 1:
                mean = sum(found) / len(found)
                axes.vlines(mean, row - 0.12, row + 0.42, colors=colour, linewidth=2.2)
            if (interval := intervals.get(name)) is not None:
                axes.hlines(row + 0.36, *interval, colors=colour, linewidth=2.2)
        drawn = [value for found in values.values() for value in found]
        if chance is not None and drawn and is_near(chance, min(drawn), max(drawn)):
            axes.axvline(chance, color=GREY, linestyle=":", linewidth=1.2, zorder=0)
            at_the_foot = axes.get_xaxis_transform()
            axes.text(chance, 0.01, " chance", color=GREY, fontsize=8, transform=at_the_foot)
        axes.margins(x=0.06)
        axes.set_xlabel(f"{quantity} (%)")
        axes.xaxis.set_major_formatter(percent())
    return figure
