"""Means, standard deviations and quartiles."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from statistics import fmean, median, quantiles

_LARGEST = 1e100
"""No training gives more, and the square of more may not fit in a float."""


def finite(value: float | None) -> float | None:
    """The value; None where it is NaN, infinite or beyond 1e100."""
    return value if value is not None and abs(value) < _LARGEST else None


def mean(values: Sequence[float]) -> float | None:
    """Arithmetic mean; None for no values."""
    return fmean(values) if values else None


def sample_sd(values: Sequence[float]) -> float | None:
    """Sample standard deviation (n - 1 in the denominator); None for fewer than two values."""
    if len(values) < 2:
        return None
    centre = fmean(values)
    return sqrt(fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def mean_curve(curves: Iterable[Sequence[float | None]]) -> list[float | None]:
    """The mean at each epoch over the curves that have a value there; None where none has."""
    kept = list(curves)
    epochs = max(map(len, kept), default=0)
    columns = ([finite(c[epoch]) for c in kept if epoch < len(c)] for epoch in range(epochs))
    return [mean([value for value in column if value is not None]) for column in columns]


@dataclass(frozen=True)
class Quartiles:
    """The middle half of several values."""

    median: float
    lower_quartile: float
    upper_quartile: float


def quartiles(values: Sequence[float]) -> Quartiles:
    """Median and quartiles of at least two values."""
    lower, _, upper = quantiles(values, n=4, method="inclusive")
    return Quartiles(median(values), lower, upper)


def ratio_quartiles(values: Sequence[float], references: Sequence[float]) -> Quartiles:
    """Median and quartiles of value / reference, each taken within its repeat."""
    return quartiles([a / b for a, b in zip(values, references, strict=True)])
