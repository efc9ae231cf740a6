"""The smallest difference that a test finds in four of five experiments."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from math import floor, sqrt
from statistics import NormalDist, variance

from involbench.statistics.permutation import smallest_two_sample_p

POWER = 0.8
_FEWEST, _MOST = 2, 10_000
"""Runs of each model."""


def detectable_errors(freedom: int, alpha: float, smallest_p: float) -> float:
    """The difference, in standard errors, that Student's test finds with probability `POWER`.

    A permutation test of normal values has nearly the same power, at a level that it can reach.

    Args:
        freedom: Degrees of freedom, at least one.
        alpha: The two-sided level of the test.
        smallest_p: The smallest p-value that the permutation test can give, at most alpha.
    """
    alpha = floor(alpha / smallest_p * (1 + 1e-9)) * smallest_p
    return _student(1 - alpha / 2, freedom) + _student(POWER, freedom)


def detectable_deviations(runs: int, alpha: float) -> float:
    """The difference of two models with so many runs each, in standard deviations."""
    smallest = smallest_two_sample_p(runs, runs)
    return detectable_errors(2 * runs - 2, alpha, smallest) * sqrt(2 / runs)


def runs_to_decide(
    difference: float,
    samples: Sequence[Sequence[float]],
    alpha: float,
    smallest_p: Callable[[int], float] = lambda runs: smallest_two_sample_p(runs, runs),
) -> int | None:
    """So many runs of each model find a difference with probability `POWER`.

    It is a guess from the data: the difference and the spreads are taken to be what they are here.

    Args:
        difference: Between the means of two samples; or a difference of two differences.
        samples: The values of each model, or of each of the four groups of an interaction.
        alpha: The two-sided level of the test.
        smallest_p: The smallest p that so many runs of each can give.

    Returns:
        None if the difference is zero, the spread is unknown, or more than 10,000 runs are needed.
    """
    spread = sum(variance(each) for each in samples if len(each) > 1)
    if difference == 0 or spread == 0 or not all(len(each) > 1 for each in samples if each):
        return None
    groups = sum(1 for each in samples if each)

    def found(runs: int) -> bool:
        freedom = groups * (runs - 1)
        errors = _student(1 - alpha / 2, freedom) + _student(POWER, freedom)
        return errors**2 * spread <= runs * difference**2 and smallest_p(runs) <= alpha

    possible = range(_FEWEST, _MOST + 1)
    place = bisect_left(possible, True, key=found)
    return possible[place] if place < len(possible) else None


def _student(share: float, freedom: int) -> float:
    """The quantile of Student's t, by the expansion of Abramowitz and Stegun, 26.7.5.

    Not scipy's, whose import takes half a second of `validate`. The tests compare both.
    """
    z = NormalDist().inv_cdf(share)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / float(freedom) ** k for k, term in enumerate(terms, 1))
