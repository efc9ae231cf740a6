"""The sign-flip test: could the differences as well have had the other sign?"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

EXACT_UP_TO = 14
"""Pairs; beyond, 2^14 sign patterns are drawn instead of all 2^n."""
_SEED = 20210310
_CHUNK = 2**21


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
    signs, seen = _signs(pairs), np.abs(differences.sum(axis=1, keepdims=True))
    seen *= 1 - 1e-9  # for ties in rounding
    rows, hits = max(1, _CHUNK // max(differences.shape)), np.zeros(len(differences))
    for start in range(0, len(signs), rows):
        flipped = differences @ signs[start : start + rows].T.astype(np.float64)
        hits += np.count_nonzero(np.abs(flipped) >= seen, axis=1)
    return hits / len(signs)


def smallest_p(pairs: int) -> float:
    """The smallest p that this many pairs, at least one, can give, however large the difference."""
    return 0.5 ** (pairs - 1) if pairs <= EXACT_UP_TO else 0.5**EXACT_UP_TO


@lru_cache(maxsize=4)
def _signs(pairs: int) -> NDArray[np.int8]:
    """All 2^n patterns of -1 and 1, or the one of only 1 and 2^14 - 1 that are drawn."""
    if pairs <= EXACT_UP_TO:
        bits = (np.arange(2**pairs)[:, None] >> np.arange(pairs) & 1).astype(np.int8)
    else:
        shape = (2**EXACT_UP_TO, pairs)
        bits = np.random.default_rng(_SEED).integers(0, 2, shape, dtype=np.int8)
        bits[0] = 0
    return 1 - 2 * bits
