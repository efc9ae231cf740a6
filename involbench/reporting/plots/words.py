"""What is written in figures: names, ticks, the legend."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

_LONGEST_NAME = 40
_ROWS_WITH_ROOM = 2
"""So many rows of a legend fit below every figure."""


def legend_below(figure: Figure, axes: Axes, handle: float = 5) -> None:
    """One legend for all panels, in as many columns as the names leave room for.

    Args:
        figure: Grows where the legend has many rows.
        axes: The panel whose lines are named.
        handle: How long a line is drawn beside its name.
    """
    handles, labels = axes.get_legend_handles_labels()
    if not labels:
        return
    room = int(11 * figure.get_figwidth())
    columns = max(1, min(len(labels), room // (max(map(len, labels)) + 4 + int(handle))))
    rows = -(-len(labels) // columns)
    figure.set_figheight(figure.get_figheight() + 0.2 * max(0, rows - _ROWS_WITH_ROOM))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=handle)


def percent() -> FuncFormatter:
    """Ticks of a fraction in percent, such as `45` and `45.5`; the axis' label has the sign."""
    return FuncFormatter(lambda value, _: f"{round(100 * value, 6):g}")


def counts() -> FuncFormatter:
    """Ticks of a count: `500`, `10k`, `2.5M`."""
    return FuncFormatter(lambda value, _: _count(value))


def short(name: str, longest: int = _LONGEST_NAME) -> str:
    """Without its middle if it is long: names often differ at the end."""
    end = longest * 3 // 10
    return name if len(name) <= longest else f"{name[: longest - end - 1]}…{name[-end:]}"


def _count(value: float) -> str:
    for power, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= power:
            scale = 1e3 if letter == "k" else power
            return f"{value / scale:g}{letter}"
    return f"{value:g}"
