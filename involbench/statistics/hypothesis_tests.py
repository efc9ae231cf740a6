"""The sign-flip test of paired samples, and Holm's correction for several tests."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

EXACT_UP_TO = 14
"""Pairs; beyond, 2^14 sign patterns are drawn instead of all 2^n."""
_SEED = 20210310
_CHUNK = 2**21
_FEW = 1000
"""Pairs whose sums are taken all at once; of more, eight at a time, which is faster."""
_SIGNS_OF_A_BYTE = 1.0 - 2.0 * np.unpackbits(np.arange(256, dtype=np.uint8)[None], axis=0)
"""(8, 256): the signs that each value of a byte stands for."""


def sign_flip_p(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """The two-sided p of each sample of paired differences, under "both are the same".

    If they were, each difference would as likely have had the other sign. p is the share of sign
    patterns whose mean is at least as far from zero as the one seen; Fisher, "The Design of
    Experiments" (1935), section 21. Exact, whatever the distribution, if it is symmetric.

    Args:
        differences: (m, n): m samples of n differences.

    Returns:
        p, (m,). Where patterns are drawn, the one seen counts as one of them, so that p is never 0.
    """
    pairs = differences.shape[1]
    patterns, seen = _patterns(pairs), np.abs(differences.sum(axis=1))
    seen *= 1 - 1e-9  # for ties in rounding
    hits = np.zeros(len(differences))
    if pairs <= _FEW:
        rows = max(1, _CHUNK // max(differences.shape))
        for start in range(0, patterns.shape[1], rows):
            bytes_ = np.ascontiguousarray(patterns[:, start : start + rows].T)
            signs = 1.0 - 2.0 * np.unpackbits(bytes_, axis=1, count=pairs)
            hits += np.count_nonzero(np.abs(differences @ signs.T) >= seen[:, None], axis=1)
    else:
        for place, sample in enumerate(differences):
            hits[place] = np.count_nonzero(np.abs(_sums(sample, patterns)) >= seen[place])
    p: NDArray[np.float64] = hits / patterns.shape[1]
    return p


def _sums(sample: NDArray[np.float64], patterns: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The sum of a sample with each pattern of signs, eight values at a time."""
    eights = np.zeros((len(patterns), 8))
    eights.ravel()[: len(sample)] = sample
    sums = np.zeros(patterns.shape[1])
    for byte, by_value in zip(patterns, eights @ _SIGNS_OF_A_BYTE, strict=True):
        sums += by_value[byte]
    return sums


def smallest_p(pairs: int) -> float:
    """The smallest p that this many pairs, at least one, can give, however large the difference."""
    return 0.5 ** (pairs - 1) if pairs <= EXACT_UP_TO else 0.5**EXACT_UP_TO


@lru_cache(maxsize=4)
def _patterns(pairs: int) -> NDArray[np.uint8]:
    """All 2^n patterns of signs, or the one of only + and 2^14 - 1 that are drawn.

    (n / 8, patterns): a bit a sign, 1 for -, since thousands of pairs would need much memory
    otherwise. The first bit is the highest of the first byte.
    """
    if pairs <= EXACT_UP_TO:
        bits = np.arange(2**pairs)[:, None] >> np.arange(pairs) & 1
        return np.ascontiguousarray(np.packbits(bits, axis=1).T)
    rng, count = np.random.default_rng(_SEED), 2**EXACT_UP_TO
    patterns = np.empty((-(-pairs // 8), count), np.uint8)
    # A random number is of four bits: blocks of fours are drawn as all would be at once.
    rows = max(4, _CHUNK // pairs // 4 * 4)
    for start in range(0, count, rows):
        shape = (min(rows, count - start), pairs)
        bits = rng.integers(0, 2, shape, dtype=np.int8)
        patterns[:, start : start + rows] = np.packbits(bits, axis=1).T
    patterns[:, 0] = 0
    return patterns


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, which hold the chance of any false alarm among them at the level of one.

    Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
    Statistics 6 (1979): the k-th smallest of m is multiplied by m - k + 1, and none is smaller
    than one before it.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted
