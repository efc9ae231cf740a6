"""Several measured values -> their median and quartiles."""

from collections.abc import Sequence
from statistics import median, quantiles

from involbench.results.record import Record


class Spread(Record):
    """The middle of several values."""

    median: float
    lower_quartile: float
    upper_quartile: float


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles of at least two values."""
    lower, _, upper = quantiles(values, n=4, method="inclusive")
    return Spread(median=median(values), lower_quartile=lower, upper_quartile=upper)


def ratios(values: Sequence[float], references: Sequence[float]) -> Spread:
    """Median and quartiles of value over reference, each taken within its repeat."""
    return spread([a / b for a, b in zip(values, references, strict=True)])
