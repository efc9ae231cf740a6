"""The exact interval of a share, and the exact test that two shares are equal.

Written here and not taken from scipy, whose import takes longer than the rest of `compare`. The
tests compare both.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_STEPS = 60
_CLOSE = 1e-7
"""Relative size of a difference between probabilities that is only a rounding error."""


def share_interval(count: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a probability, from how often the event was seen.

    Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the
    binomial", Biometrika 26 (1934).

    Args:
        count: How often the event was seen.
        total: In how many trials, at least one.
        level: Confidence level.
    """
    tail = (1 - level) / 2
    return _lower(count, total, tail), 1 - _lower(total - count, total, tail)


def _lower(count: int, total: int, tail: float) -> float:
    """The probability with which `count` or more of `total` are seen with probability `tail`."""
    if not count:
        return 0.0
    seen = np.arange(count, total + 1)
    ways, low, high = _log_ways(total)[seen], 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        logs = ways + seen * np.log(middle) + (total - seen) * np.log1p(-middle)
        low, high = (low, middle) if np.exp(logs).sum() > tail else (middle, high)
    return (low + high) / 2


def fisher_p(count: int, total: int, other_count: int, other_total: int) -> float:
    """The two-sided p-value of Fisher's exact test that two shares are equal.

    Fisher, "Statistical Methods for Research Workers", 5th edition (1934), section 21.02: given
    the sum of both counts, p is the probability of all tables that are at most as probable as the
    observed one.
    """
    both = count + other_count
    first = np.arange(max(0, both - other_total), min(total, both) + 1)
    logs = _log_ways(total)[first] + _log_ways(other_total)[both - first]
    shares = np.exp(logs - logs.max())
    observed = shares[count - first[0]] * (1 + _CLOSE)
    return float(shares[shares <= observed].sum() / shares.sum())


@lru_cache(maxsize=16)
def _log_ways(total: int) -> Floats:
    """The logarithm of the binomial coefficient of `total` and each of 0 to `total`."""
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])
    ways: Floats = factorials[-1] - factorials - factorials[::-1]
    return ways
