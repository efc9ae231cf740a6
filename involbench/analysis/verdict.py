"""When a difference is called one."""

from involbench.analysis.comparison import Verdict

PAIRS_FOR_A_VERDICT = 6
"""With five, the smallest p that can be reached is 2/2^5, which is above 0.05."""
LEVEL = 0.05


def verdict(pairs: int, mean: float, low: float, high: float, p: float) -> Verdict:
    """What paired differences allow to be said.

    Nothing under six pairs; else a direction where both the 95% interval excludes zero and p is
    at most 0.05. The interval alone would be too bold, since that of six pairs is too narrow;
    p alone knows nothing of a skewed distribution. `make calibrate` shows what both give.

    Args:
        pairs: How many pairs there are.
        mean: The mean difference.
        low: The lower end of its interval.
        high: The upper end.
        p: Of the sign-flip test, two-sided.
    """
    if pairs < PAIRS_FOR_A_VERDICT:
        return "too few pairs"
    if low <= 0 <= high or p > LEVEL:
        return "undecided"
    return "higher" if mean > 0 else "lower"
