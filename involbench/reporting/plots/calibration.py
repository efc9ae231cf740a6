"""How often a network is right, by how sure it says it is."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib import rc_context
from matplotlib.figure import Figure

from involbench.reporting.plots.axes import WIDTH, Look, own_styles
from involbench.reporting.plots.settings import RC
from involbench.reporting.plots.words import legend_below, percent, short
from involbench.reporting.style import GREY, Styles


class Bin(NamedTuple):
    """The images whose predicted class got a probability within some bounds."""

    images: int
    confidence: float
    """The mean of those probabilities, a fraction."""
    accuracy: float
    """The share that was right."""


def plot_calibration(
    models: Mapping[str, Sequence[Bin]], styles: Styles | None = None, fewest: int = 10
) -> Figure:
    """A line a model: on the diagonal it is as sure as it is right, below it too sure.

    Args:
        models: Model -> its bins, in order of confidence.
        styles: Model -> its style; default: by the order of the models.
        fewest: A bin of fewer images shows chance, and is not drawn.
    """
    styles = own_styles(models, styles)
    with rc_context(RC):
        figure = Figure(figsize=(WIDTH, WIDTH), layout="constrained")
        axes = figure.add_subplot()
        line: Look = {"color": GREY, "linestyle": ":", "linewidth": 1.4}
        axes.plot([0, 1], [0, 1], label="as sure as it is right", **line)
        for name, bins in models.items():
            kept = [each for each in bins if each.images >= fewest]
            colour, dash, marker = styles[name]
            look: Look = {
                "color": colour,
                "linestyle": dash,
                "marker": marker,
                "label": short(name),
            }
            axes.plot([b.confidence for b in kept], [b.accuracy for b in kept], **look)
        axes.set_xlim(0, 1.02)
        axes.set_ylim(0, 1.02)
        axes.set_aspect("equal")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(percent())
        axes.set_xlabel("confidence: probability of the predicted class (%)")
        axes.set_ylabel("accuracy of those images (%)")
        legend_below(figure, axes)
    return figure
