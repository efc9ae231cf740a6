"""A difference of two differences, of four independent samples."""

from collections.abc import Sequence
from math import fsum, inf, sqrt
from statistics import fmean, variance

from involbench.statistics.permutation import Estimate


def difference_of_differences(samples: Sequence[Sequence[float]], level: float = 0.95) -> Estimate:
    """The contrast (a - b) - (c - d) of the means of four independent samples.

    Welch's t of a linear contrast, with the degrees of freedom of Welch and Satterthwaite: each
    sample has a variance of its own. Welch, "The generalization of 'Student's' problem when several
    different population variances are involved", Biometrika 34 (1947). A permutation test would
    not be exact, because under the hypothesis the four samples still differ in their means.
    `make calibrate` prints how often it is wrong.

    Args:
        samples: a, b, c and d. Without two values in each, or with no spread in any, nothing is
            known of the error: the interval is infinite and p is 1.
        level: Confidence level of the interval.
    """
    from scipy.special import stdtr, stdtrit

    a, b, c, d = map(fmean, samples)
    estimate = (a - b) - (c - d)
    if min(map(len, samples)) < 2:
        return Estimate(estimate, -inf, inf, 1.0)
    errors = [variance(each) / len(each) for each in samples]
    error = fsum(errors)
    if not error:
        return Estimate(estimate, -inf, inf, 1.0)
    parts = zip(errors, samples, strict=True)
    freedom = error**2 / fsum(part**2 / (len(each) - 1) for part, each in parts)
    p = 2 * float(stdtr(freedom, -abs(estimate) / sqrt(error)))
    reach = float(stdtrit(freedom, (1 + level) / 2)) * sqrt(error)
    return Estimate(estimate, estimate - reach, estimate + reach, p)
