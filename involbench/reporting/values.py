"""Values of a metric and their differences, as a person reads them."""

from involbench.analysis.comparison import Difference, Summary
from involbench.analysis.metrics import Metric
from involbench.reporting.units import size, unit_of

MISSING = "n/a"
BETTER, WORSE, UNDECIDED = "▲", "▼", "~"


def mean_and_spread(summary: Summary, metric: Metric) -> str:
    """`mean ± sd`; the mean alone where one value has no spread; n/a where nothing is measured."""
    if summary.mean is None:
        return MISSING
    mean = number(summary.mean, metric)
    if summary.sd is None or metric.exact:
        return mean
    unit = _unit(summary.mean, metric)
    spread = number(summary.sd, metric, like=summary.mean)
    return f"{mean.removesuffix(unit)} ± {spread}{unit}"


def mean_alone(summary: Summary | None, metric: Metric) -> str:
    """The mean; n/a where nothing is measured."""
    if summary is None or summary.mean is None:
        return MISSING
    return number(summary.mean, metric)


def difference_cell(difference: Difference | None, metric: Metric, pairs: int) -> str:
    """Sign, mean difference and interval, such as `▼ -26.77 [-28.02, -25.13]`.

    Args:
        difference: The difference, if there is one.
        metric: What it is of.
        pairs: How many pairs there should be; their number is shown where there are fewer.
    """
    if difference is None or difference.mean is None:
        return MISSING
    mean, unit = difference.mean, _unit(difference.mean, metric)
    text = f"{sign(difference, metric)} {number(mean, metric, plus=True)}"
    if difference.interval is not None:
        low, high = (number(end, metric, plus=True, like=mean) for end in difference.interval)
        text = f"{text.removesuffix(unit)} [{low}, {high}]{unit}"
    return f"{text} ({difference.n})" if difference.n < pairs else text


def sign(difference: Difference, metric: Metric) -> str:
    """Better, worse, no verdict, equal; a space where neither way is better."""
    if difference.all_equal:
        return "="
    if difference.verdict in ("undecided", "too few pairs"):
        return UNDECIDED
    if metric.better is None:
        return " "
    return BETTER if difference.verdict == metric.better else WORSE


def number(value: float, metric: Metric, plus: bool = False, like: float | None = None) -> str:
    """A value in the metric's unit, without the unit; bytes with it.

    Args:
        value: A fraction for percent, else in the metric's own unit.
        metric: What it is of.
        plus: Whether it is a difference, of which a positive one gets its sign.
        like: Give it as many digits as this value has, in its unit, and no plus and no unit.
    """
    mark = "+" if plus and like is None else ""
    if metric.unit == "bytes":
        shown = size(round(abs(value)), None if like is None else round(abs(like)))
        return f"{'-' if value < 0 else mark}{shown}"
    if metric.unit == "count":
        return _count(value, mark)
    scale = {"percent": 100, "milliseconds": 1000}.get(metric.unit, 1)
    digits = _digits(scale * (value if like is None else like), metric, plus)
    # Powers of ten where the digits would be a wall.
    return f"{scale * value:{mark}z.{digits}f}" if abs(value) < 1e5 else f"{value:{mark}.2e}"


def _unit(value: float, metric: Metric) -> str:
    """What stands behind the value, if anything does."""
    return unit_of(round(abs(value))) if metric.unit == "bytes" else ""


def _digits(value: float, metric: Metric, difference: bool) -> int:
    """A difference that is large gets one digit less, for the sake of its interval."""
    large = difference and abs(value) >= (9.95 if metric.unit == "percent" else 0.0995)
    fixed = {"epochs": 1, "plain": 2 if large else 3, "percent": 1 if large else 2}
    steps = ((1, 1), (0.1, 2), (0.01, 3))
    found = next((digits for least, digits in steps if abs(value) >= least), 5 if value else 1)
    return fixed.get(metric.unit, found)


def _count(value: float, mark: str) -> str:
    for power, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if abs(value) >= power:
            return f"{value / power:{mark}.2f}{letter}"
    return f"{value:{mark},.0f}"
