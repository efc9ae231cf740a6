"""The sign-flip test, McNemar's test, and Holm's correction for several tests.

The sign-flip test is written here and not taken from scipy.stats, because importing that takes
longer than the rest of `compare`. The tests compare both.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

EXACT_UP_TO = 14
"""Pairs; for more, 2^14 sign patterns are drawn instead of all 2^n."""
_SEED = 20210310
_CHUNK = 2**21
_FEW = 1000
"""Pairs that are summed all at once; more are summed eight at a time, which is faster."""
_SIGNS_OF_A_BYTE = 1.0 - 2.0 * np.unpackbits(np.arange(256, dtype=np.uint8)[None], axis=0)
"""(8, 256): the signs that each value of a byte stands for."""


def sign_flip_p(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """The two-sided p-value of each sample of paired differences, if there is no difference.

    Without one, each pair could as well have had the other sign. p is the share of sign patterns
    whose mean is at least as far from zero as the observed mean; Fisher, "The Design of
    Experiments" (1935), section 21. It is exact for every symmetric distribution.

    Args:
        differences: (m, n): m samples of n differences.

    Returns:
        p, (m,). Where patterns are drawn, the observed one is among them, so p is never 0.
    """
    pairs = differences.shape[1]
    patterns, seen = _patterns(pairs), np.abs(differences.sum(axis=1))
    seen *= 1 - 1e-9  # Rounding must not break ties.
    hits = np.zeros(len(differences))
    if pairs <= _FEW:
        rows = max(1, _CHUNK // max(differences.shape))
        for start in range(0, patterns.shape[1], rows):
            bytes_ = np.ascontiguousarray(patterns[:, start : start + rows].T)
            signs = 1.0 - 2.0 * np.unpackbits(bytes_, axis=1, count=pairs)
            hits += np.count_nonzero(np.abs(differences @ signs.T) >= seen[:, None], axis=1)
    else:
        for place, sample in enumerate(differences):
            hits[place] = np.count_nonzero(np.abs(_signed_sums(sample, patterns)) >= seen[place])
    p: NDArray[np.float64] = hits / patterns.shape[1]
    return p


def _signed_sums(sample: NDArray[np.float64], patterns: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The sum of a sample with each pattern of signs, eight values at a time."""
    eights = np.zeros((len(patterns), 8))
    eights.ravel()[: len(sample)] = sample
    sums = np.zeros(patterns.shape[1])
    for byte, by_value in zip(patterns, eights @ _SIGNS_OF_A_BYTE, strict=True):
        sums += by_value[byte]
    return sums


def smallest_p(pairs: int) -> float:
    """The smallest p-value that this number of pairs, at least one, can give."""
    return 0.5 ** (pairs - 1) if pairs <= EXACT_UP_TO else 0.5**EXACT_UP_TO


@lru_cache(maxsize=4)
def _patterns(pairs: int) -> NDArray[np.uint8]:
    """All 2^n patterns of signs; or 2^14 patterns: the one of only +, and random ones.

    (n / 8, patterns): one bit for each sign, 1 for -, which saves memory. The first sign is the
    highest bit of the first byte.
    """
    if pairs <= EXACT_UP_TO:
        bits = np.arange(2**pairs)[:, None] >> np.arange(pairs) & 1
        return np.ascontiguousarray(np.packbits(bits, axis=1).T)
    generator, count = np.random.PCG64(_SEED), 2**EXACT_UP_TO
    patterns = np.empty((-(-pairs // 8), count), np.uint8)
    rows = max(8, _CHUNK // pairs // 8 * 8)
    for start in range(0, count, rows):
        shape = (min(rows, count - start), pairs)
        # The highest bit of each byte, as `Generator.integers(0, 2, dtype=np.int8)` takes it.
        words = generator.random_raw(shape[0] * pairs // 8).astype("<u8", copy=False)
        bits = (words & 0x8080808080808080).view(np.uint8).reshape(shape)
        patterns[:, start : start + rows] = np.packbits(bits, axis=1).T
    patterns[:, 0] = 0
    return patterns


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
