"""Means, deviations, quartiles, and bootstrap confidence intervals.

BCa is written here and not taken from scipy.stats, because importing that takes longer than the
rest of `compare`. The tests compare both.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import fsum, inf, sqrt
from statistics import NormalDist, fmean, median, quantiles

import numpy as np
from numpy.typing import NDArray

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


RESAMPLES = 9999
"""Samples of more than 209 values get fewer; their means are close to normal."""
SMALLEST_SAMPLE = 3
"""Values that an interval needs; two say nothing about their spread."""
_FEWEST = 1999
_MOST_DRAWS = 2**21
_SEED = 20210310

Floats = NDArray[np.float64]


def bca_interval(
    samples: Floats, confidence: float = 0.95, resamples: int | None = None
) -> tuple[Floats, Floats]:
    """The bias-corrected and accelerated interval of the mean of each sample.

    Efron, "Better Bootstrap Confidence Intervals", JASA 82 (1987). With the same resamples,
    `scipy.stats.bootstrap(..., method="BCa")` gives the same numbers. The resamples are drawn with
    a fixed seed, so that the same runs always give the same interval.

    Args:
        samples: (m, n): m samples of n values; n at least 2.
        confidence: The nominal coverage.
        resamples: The number of resamples of each sample; default: RESAMPLES.

    Returns:
        The lower and the upper ends, (m,) each. Where all values of a sample are equal, both ends
        are that value.
    """
    means = samples.mean(axis=1, keepdims=True)
    n = samples.shape[1]
    resamples = resamples or max(_FEWEST, min(RESAMPLES, _MOST_DRAWS // n))
    counts, rows = _counts(n, resamples), max(1, _MOST_DRAWS // n)
    blocks = (counts[start : start + rows] for start in range(0, resamples, rows))
    drawn = np.hstack([samples @ block.astype(np.float64).T for block in blocks]) / n
    # A resample that reorders the sample has the same mean, up to rounding.
    apart, rounding = drawn - means, 1e-12 * np.abs(samples).max(axis=1, keepdims=True)
    below = np.sum(apart < -rounding, axis=1) + np.sum(apart <= rounding, axis=1)
    drawn.sort(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        bias = _normal_quantile(below / (2 * resamples))
        tails = _normal_quantile(np.array([(1 - confidence) / 2, (1 + confidence) / 2]))[:, None]
        shifted = bias + tails
        levels = _each(NormalDist().cdf, bias + shifted / (1 - _acceleration(samples) * shifted))
    equal = np.ptp(samples, axis=1) <= 1e-9 * np.abs(samples).max(axis=1)
    low, high = (np.where(equal, means[:, 0], _quantile(drawn, level)) for level in levels)
    return low, high


def _each(function: Callable[[float], float], values: Floats) -> Floats:
    found = [function(value) for value in values.ravel().tolist()]
    return np.array(found).reshape(values.shape)


def _normal_quantile(shares: Floats) -> Floats:
    quantile = NormalDist().inv_cdf
    return _each(lambda p: quantile(p) if 0 < p < 1 else inf if p == 1 else -inf, shares)


@lru_cache(maxsize=2)
def _counts(n: int, resamples: int) -> NDArray[np.uint16]:
    """How often each of n values is in each resample: (resamples, n), rows that sum to n."""
    rng, rows = np.random.default_rng(_SEED), max(1, _MOST_DRAWS // n)
    counts = np.empty((resamples, n), np.uint16)
    for start in range(0, resamples, rows):  # One block at a time, to save memory.
        block = counts[start : start + rows]
        for row, places in zip(block, rng.integers(0, n, block.shape), strict=True):
            row[:] = np.bincount(places, minlength=n)
    return counts


def _acceleration(samples: Floats) -> Floats:
    """How fast the standard error changes with the mean, from the jackknife: (m,)."""
    apart = samples - samples.mean(axis=1, keepdims=True)
    acceleration: Floats = (apart**3).sum(axis=1) / (6 * ((apart**2).sum(axis=1)) ** 1.5)
    return acceleration


def _quantile(ordered: Floats, level: Floats) -> Floats:
    """The quantile of each ordered row at a level of its own, interpolated linearly."""
    last = ordered.shape[1] - 1
    place = np.nan_to_num(level) * last
    under = np.floor(place).astype(int)
    over = np.minimum(under + 1, last)
    low, high = (np.take_along_axis(ordered, k[:, None], 1)[:, 0] for k in (under, over))
    between: Floats = low + (high - low) * (place - under)
    return between


def median_interval(values: Floats) -> tuple[float, float]:
    """The 95% percentile interval of the median."""
    from scipy.stats import bootstrap

    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    found = bootstrap(
        (values,), np.median, n_resamples=2000, method="percentile", rng=0
    ).confidence_interval
    return float(found.low), float(found.high)
