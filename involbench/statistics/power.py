"""The smallest difference that a test finds in four of five experiments."""

from math import floor, sqrt
from statistics import NormalDist

from involbench.statistics.permutation import smallest_two_sample_p

POWER = 0.8


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
