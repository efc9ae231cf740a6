"""Gain against cost, with the points that no other beats."""

from collections.abc import Mapping, Sequence

from matplotlib import rc_context
from matplotlib.figure import Figure

from involbench.reporting.plots.axes import Look, own_styles, say_empty
from involbench.reporting.plots.points import Point, draw_point, is_wide, panel
from involbench.reporting.plots.settings import RC
from involbench.reporting.plots.words import counts, legend_below, short
from involbench.reporting.style import GREY, Styles


def plot_front(
    points: Mapping[str, Point],
    front: Sequence[str],
    cost: str,
    styles: Styles | None = None,
    gain: str = "test accuracy",
) -> Figure:
    """A point each model, and a line along the Pareto front.

    Args:
        points: Model -> its cost, and the mean of what it gains, a fraction.
        front: The models that no other beats.
        cost: What the cost is, with its unit.
        styles: Model -> its style; default: by the order of the models.
        gain: What is gained.
    """
    styles = own_styles(points, styles)
    with rc_context(RC):
        figure, axes = panel(gain)
        steps = sorted(points[name] for name in front)
        if len(steps) > 1:
            line: Look = {
                "color": GREY,
                "linestyle": ":",
                "linewidth": 1.4,
                "label": "Pareto front",
            }
            axes.step([p.x for p in steps], [p.y for p in steps], where="post", **line)
        for name, point in points.items():
            draw_point(axes, point, styles[name], short(name))
        if not points:
            say_empty(axes)
        axes.margins(0.1)
        if is_wide([point.x for point in points.values()]):
            axes.set_xscale("log")
            cost = f"{cost}, logarithmic"
        axes.xaxis.set_major_formatter(counts())
        axes.set_xlabel(cost)
        legend_below(figure, axes, handle=2)
    return figure
