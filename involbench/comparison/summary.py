"""Mean and spread over seeds."""

from collections.abc import Iterable, Mapping, Sequence
from math import fsum, sqrt

from involbench.comparison.schema import Summary

_LARGEST = 1e100
"""No training gives more, and the squares of more would be too large for a float."""


def mean(values: Sequence[float]) -> float | None:
    """Arithmetic mean; None of nothing."""
    return fsum(values) / len(values) if values else None


def sample_sd(values: Sequence[float]) -> float | None:
    """Sample standard deviation (n - 1 in the denominator); None for fewer than two values."""
    if len(values) < 2:
        return None
    centre = fsum(values) / len(values)
    return sqrt(fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def summarize(by_seed: Mapping[int, float | None]) -> Summary:
    """Summarize one value a seed. Values that are None or not finite count as not measured."""
    clean = {seed: _finite(by_seed[seed]) for seed in sorted(by_seed)}
    measured = [value for value in clean.values() if value is not None]
    return Summary(n=len(measured), mean=mean(measured), sd=sample_sd(measured), by_seed=clean)


def mean_curve(curves: Iterable[Sequence[float | None]]) -> list[float | None]:
    """The mean at each epoch over the curves that have a value there; None where none has."""
    kept = list(curves)
    epochs = max((len(curve) for curve in kept), default=0)
    columns = ([c[epoch] for c in kept if epoch < len(c)] for epoch in range(epochs))
    return [mean([v for v in map(_finite, column) if v is not None]) for column in columns]


def _finite(value: float | None) -> float | None:
    """None for what is not a number, not finite, or out of all proportion."""
    return value if value is not None and abs(value) < _LARGEST else None
