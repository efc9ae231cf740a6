"""A quantity over a swept number, a line a model."""

from collections.abc import Iterable, Mapping, Sequence

from matplotlib import rc_context
from matplotlib.figure import Figure

from involbench.reporting.plots.axes import (
    WIDTH,
    Look,
    counts,
    legend_below,
    own_styles,
    percent,
    say_empty,
    short,
)
from involbench.reporting.plots.points import Point, draw_point, is_wide
from involbench.reporting.style import GREY, RC, Styles


def plot_sweep(
    lines: Mapping[str, Sequence[Point]],
    swept: str,
    crossings: Iterable[float] = (),
    styles: Styles | None = None,
    quantity: str = "test accuracy",
) -> Figure:
    """Means with their intervals, joined; a dotted line where two models cross.

    Args:
        lines: Model -> its points, in order of x; y is a fraction.
        swept: What x is.
        crossings: Where the order of two models turns round.
        styles: Model -> its style; default: by the order of the models.
        quantity: What y is.
    """
    styles = own_styles(lines, styles)
    with rc_context(RC):
        figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
        axes = figure.add_subplot()
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
        for place in crossings:
            axes.axvline(place, color=GREY, linestyle=":", linewidth=1.2)
        values = sorted({point.x for points in lines.values() for point in points})
        if not values:
            say_empty(axes)
        elif is_wide(values):
            axes.set_xscale("log")
        if 0 < len(values) <= 8:
            axes.set_xticks(values)
            axes.minorticks_off()
        axes.xaxis.set_major_formatter(counts())
        axes.set_xlabel(swept)
        axes.yaxis.set_major_formatter(percent())
        axes.set_ylabel(f"{quantity} (%)")
        legend_below(figure, axes)
    return figure
