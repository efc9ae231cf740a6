"""A quantity over a swept number, a line a model."""

from collections.abc import Iterable, Mapping, Sequence

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from involbench.reporting.plots.axes import Look, own_styles, say_empty
from involbench.reporting.plots.points import Point, draw_point, is_wide, panel
from involbench.reporting.plots.settings import RC
from involbench.reporting.plots.words import counts, legend_below, short
from involbench.reporting.style import GREY, Styles

_MOST_TICKS = 8


def plot_sweep(
    lines: Mapping[str, Sequence[Point]],
    swept: str,
    crossings: Iterable[float] = (),
    levels: Mapping[str, float] | None = None,
    styles: Styles | None = None,
    quantity: str = "test accuracy",
) -> Figure:
    """Means with their intervals, joined; a dotted line where two models cross.

    Args:
        lines: Model -> its points, in order of x; y is a fraction.
        swept: What x is.
        crossings: Where the order of two models turns round.
        levels: Model of which nothing is swept -> its y, drawn from side to side.
        styles: Model -> its style; default: by the order of the models.
        quantity: What y is.
    """
    levels = levels or {}
    styles = own_styles([*lines, *levels], styles)
    with rc_context(RC):
        figure, axes = panel(quantity)
        for name, points in lines.items():
            colour, dash, marker = styles[name]
            look: Look = {
                "color": colour,
                "linestyle": dash,
                "marker": marker,
                "label": short(name),
            }
            axes.plot([p.x for p in points], [p.y for p in points], linewidth=2, **look)
            for point in points:
                draw_point(axes, point, styles[name])
        for name, height in levels.items():
            colour, dash, _ = styles[name]
            axes.axhline(height, color=colour, linestyle=dash, linewidth=2, label=short(name))
        for place in crossings:
            axes.axvline(place, color=GREY, linestyle=":", linewidth=1.2)
        _scale(axes, sorted({point.x for points in lines.values() for point in points}))
        axes.set_xlabel(swept)
        legend_below(figure, axes)
    return figure


def _scale(axes: Axes, values: list[float]) -> None:
    """A tick at each value, where they are few."""
    if not values:
        say_empty(axes)
    elif is_wide(values):
        axes.set_xscale("log")
    if 0 < len(values) <= _MOST_TICKS:
        axes.set_xticks(values)
        axes.minorticks_off()
    axes.xaxis.set_major_formatter(counts())
