"""McNemar's test, and Holm's correction for several tests."""

from collections.abc import Sequence


def mcnemar_p(only_first: int, only_second: int) -> float:
    """The two-sided p-value of McNemar's exact test.

    McNemar, "Note on the sampling error of the difference between correlated proportions",
    Psychometrika 12 (1947): if two classifiers are equally good, an image that only one of them
    predicts correctly is as likely to be that of the one as of the other. Takes the numbers of
    such images of each.
    """
    from scipy.special import bdtr

    discordant = only_first + only_second
    if not discordant:
        return 1.0
    return min(1.0, 2 * float(bdtr(min(only_first, only_second), discordant, 0.5)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, which limit the probability of any false alarm among them.

    Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
    Statistics 6 (1979): the k-th smallest of m is multiplied by m - k + 1, and none is smaller
    than one before it.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted
