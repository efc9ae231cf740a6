"""Exact permutation tests of a difference, and the confidence intervals that are their inversion.

`two_sample` is for two independent samples, such as the accuracies of two models over their seeds.
`paired` is for differences within pairs. Both are written here and not taken from scipy.stats,
because importing that takes longer than the rest of `compare`. The tests compare both.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, combinations
from math import comb, floor, inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Part = tuple[Floats, Floats | float, Floats | float]

MOST_SPLITS = 10**6
"""Splits of two samples; if there are more, some are drawn."""
MOST_SIGNED = 14
"""Pairs; for more, some of the 2^n patterns of signs are drawn."""
_DRAWS = 2**14
_FEWEST_DRAWS = 2**11
_MOST_DRAWN = 2**26
"""Values in all draws together; with more values in a sample, fewer splits are drawn."""
_CHUNK = 2**21
_PART = 2**13
"""Splits whose sums are computed at a time."""
_SEED = 20210310
_CLOSE = 1e-9
"""Relative size of a difference that is only a rounding error."""
_TINY = 1e-12
"""The same for a difference close to zero, relative to the values."""
_SIGNS_OF_A_BYTE = 1.0 - 2.0 * np.unpackbits(np.arange(256, dtype=np.uint8)[None], axis=0)
"""(8, 256): the signs that each value of a byte stands for."""


class Estimate(NamedTuple):
    """A difference with its interval and p-value, which always agree about zero."""

    estimate: float
    low: float
    """-infinity where the samples are too small for the level."""
    high: float
    p: float
    """Two-sided. Zero is outside the interval exactly when p is at most 1 - level."""


def two_sample(a: Sequence[float], b: Sequence[float], level: float = 0.95) -> Estimate:
    """The difference mean(a) - mean(b) of two independent samples.

    p is that of the permutation test with Welch's t: the share of all splits of the values into
    two samples of the same sizes whose |t| is at least the observed one. It is exact if both
    samples have the same distribution, and close to exact if only their means are equal; Janssen,
    "Studentized permutation tests for non-i.i.d. hypotheses", Statistics & Probability Letters 36
    (1997). If one sample has a single value, its variance is unknown, and the difference of means
    takes the place of t. The interval contains the shifts of `a` that the test doesn't reject.

    If there are more than a million splits, some are drawn with a fixed seed; see `drawn_splits`.

    Args:
        a: At least one finite value.
        b: At least one finite value.
        level: Confidence level of the interval. At 1 it is infinite, and p is found sooner.
    """
    if len(a) > len(b):
        estimate, low, high, p = two_sample(b, a, level)
        return Estimate(0.0 - estimate, 0.0 - high, 0.0 - low, p)
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    scale = float(max(np.abs(first).max(), np.abs(second).max())) or 1.0
    n, m, estimate = len(first), len(second), _rounded(first.mean() - second.mean(), scale)
    x, y = first - first.mean(), second - second.mean()
    zero, splits = np.zeros(m), drawn_splits(n, m) or comb(n + m, n)
    if n in (1, m):  # Welch's t has the same order as the difference of means.
        parts = (
            (total, n - taken, taken + n * (m - n) / (n + m))
            for taken, (total,) in _sums_of_splits(x[None], y[None])
        )
        return _inverted(estimate, parts, splits, scale, level)
    columns = np.stack([x, x, x**2]), np.stack([y, zero, y**2])
    found = [
        (np.broadcast_to(taken, sums.shape[1]), sums) for taken, sums in _sums_of_splits(*columns)
    ]
    taken, sums = (np.concatenate(each, axis=-1) for each in zip(*found, strict=True))
    return _bisected(estimate, _welch(x, y, taken, sums, scale), scale, splits, level)


def paired(differences: Sequence[float], level: float = 0.95) -> Estimate:
    """The mean of differences within pairs.

    p is that of the sign-flip test: without a difference, each pair could as well have had the
    other sign. p is the share of patterns of signs whose mean is at least as far from zero as the
    observed mean; Fisher, "The Design of Experiments" (1935), section 21. It is exact for every
    symmetric distribution. The interval contains the shifts that the test doesn't reject.

    With more than 14 pairs, 2^14 patterns are drawn with a fixed seed; see `drawn_patterns`.

    Args:
        differences: At least one finite value.
        level: Confidence level of the interval.
    """
    values, patterns = np.asarray(differences, np.float64), _patterns(len(differences))
    n, scale = len(values), float(np.abs(values).max()) or 1.0
    estimate = _rounded(values.mean(), scale)
    total, signs = (_signed_sums(each, patterns) for each in (values - values.mean(), np.ones(n)))
    parts = [(total, n - signs, n + signs)]
    return _inverted(estimate, parts, len(total), scale, level)


def smallest_two_sample_p(n: int, m: int) -> float:
    """The smallest p-value that samples of these sizes can give."""
    if drawn := drawn_splits(n, m):
        return 1 / drawn
    return (2 if n == m else 1) / comb(n + m, n)


def smallest_paired_p(n: int) -> float:
    """The smallest p-value that this number of pairs can give."""
    return 1 / _DRAWS if drawn_patterns(n) else 0.5 ** (n - 1)


def drawn_splits(n: int, m: int) -> int:
    """The number of splits that `two_sample` draws; 0 where it takes all of them."""
    if min(n, m) <= MOST_SPLITS.bit_length() and comb(n + m, n) <= MOST_SPLITS:
        return 0
    return max(_FEWEST_DRAWS, min(_DRAWS, _MOST_DRAWN // (n + m)))


def drawn_patterns(n: int) -> int:
    """The number of sign patterns that `paired` draws; 0 where it takes all of them."""
    return _DRAWS if n > MOST_SIGNED else 0


def _sums_of_splits(x: Floats, y: Floats) -> Iterator[tuple[Floats | float, Floats]]:
    """The sums over the first sample of each split, in parts.

    Parts of about `_PART` splits stay in the cache of the processor. To compute all at once would
    take several times as long.

    Args:
        x: (columns, n): one or more values of each member of the first sample.
        y: (columns, m): those of the second sample.

    Returns:
        How many members of x are in the first sample of each split, or of all; and the sums,
        (columns, splits).
    """
    n, m = x.shape[1], y.shape[1]
    if drawn_splits(n, m):
        members, labels = np.concatenate([x, y], axis=1), _labels(n, m)
        of_x = (np.arange(n + m) < n).astype(np.float64)
        taken, *sums = ((e.sum() + _signed_sums(e, labels)) / 2 for e in (of_x, *members))
        yield taken, np.stack(sums)
        return
    few = list[tuple[int, Floats]]()
    for k in range(n + 1):
        from_x = x[:, _subsets(n, k)].sum(axis=2)[:, :, None]
        from_y = y[:, _subsets(m, n - k)].sum(axis=2)[:, None, :]
        rows = max(1, _PART // from_y.shape[2])
        for start in range(0, from_x.shape[1], rows):
            sums = (from_x[:, start : start + rows] + from_y).reshape(len(x), -1)
            if sums.shape[1] > _PART // 2:
                yield float(k), sums
            else:
                few.append((k, sums))
    if few:
        taken = np.concatenate([np.full(sums.shape[1], float(k)) for k, sums in few])
        yield taken, np.concatenate([sums for _, sums in few], axis=1)


@lru_cache(maxsize=64)
def _subsets(n: int, size: int) -> NDArray[np.intp]:
    """The indices of each subset of n values: (subsets, size)."""
    places = np.fromiter(chain.from_iterable(combinations(range(n), size)), np.intp)
    return places.reshape(-1, size) if size else np.empty((1, 0), np.intp)


@lru_cache(maxsize=4)
def _labels(n: int, m: int) -> NDArray[np.uint8]:
    """The observed split and random ones, as `_patterns`: + for members of the first sample."""
    rng, splits = np.random.default_rng(_SEED), drawn_splits(n, m)
    labels = np.empty((-(-(n + m) // 8), splits), np.uint8)
    rows = max(1, _CHUNK // (n + m))
    for start in range(0, splits, rows):
        keys = rng.random((min(rows, splits - start), n + m))
        others = keys > np.partition(keys, n - 1, axis=1)[:, n - 1 : n]
        labels[:, start : start + rows] = np.packbits(others, axis=1).T
    labels[:, 0] = np.packbits(np.arange(n + m) >= n)
    return labels


def _signed_sums(x: Floats, patterns: NDArray[np.uint8]) -> Floats:
    """The sum of the values with each pattern of signs, eight values at a time."""
    eights = np.zeros((len(patterns), 8))
    eights.ravel()[: len(x)] = x
    sums = np.zeros(patterns.shape[1])
    for byte, by_value in zip(patterns, eights @ _SIGNS_OF_A_BYTE, strict=True):
        sums += by_value[byte]
    return sums


@lru_cache(maxsize=4)
def _patterns(n: int) -> NDArray[np.uint8]:
    """All 2^n patterns of signs; or 2^14 patterns: the one of only +, and random ones.

    (n / 8, patterns): one bit for each sign, 1 for -, which saves memory. The first sign is the
    highest bit of the first byte.
    """
    count = drawn_patterns(n)
    if not count:
        every = np.arange(2**n)[:, None] >> np.arange(n) & 1
        return np.ascontiguousarray(np.packbits(every, axis=1).T)
    generator = np.random.PCG64(_SEED)
    patterns = np.empty((-(-n // 8), count), np.uint8)
    rows = max(8, _CHUNK // n // 8 * 8)
    for start in range(0, count, rows):
        shape = (min(rows, count - start), n)
        # The highest bit of each byte, as `Generator.integers(0, 2, dtype=np.int8)` takes it.
        words = generator.random_raw(shape[0] * n // 8).astype("<u8", copy=False)
        bits = (words & 0x8080808080808080).view(np.uint8).reshape(shape)
        patterns[:, start : start + rows] = np.packbits(bits, axis=1).T
    patterns[:, 0] = 0
    return patterns


def _rounded(estimate: float, scale: float) -> float:
    return float(estimate) if abs(estimate) > _TINY * scale else 0.0


def _inverted(
    estimate: float, parts: Iterable[Part], splits: int, scale: float, level: float
) -> Estimate:
    """Invert a test whose statistic is linear in the difference d.

    A split is at least as extreme as the observed one if |total + c d| >= |d|, where up = 1 - c and
    down = 1 + c, all three in any unit. For d > 0 and total > 0, this is so up to total / up. So p
    falls with |d|, and each end of the interval is the value at one rank.

    Args:
        estimate: The observed difference.
        parts: total, up and down, of some splits each; up and down can be the same for all.
        splits: The number of splits in all parts.
        scale: The largest absolute value.
        level: Confidence level of the interval.
    """
    most = _most_rejected(splits, level)
    above, below = largest = _Largest(most + 1), _Largest(most + 1)
    tested, extreme = above if estimate > 0 else below, 0
    observed = abs(estimate) * (1 - _CLOSE) - _TINY * scale
    for total, up, down in parts:
        with np.errstate(divide="ignore", invalid="ignore"):
            by_up, by_down = total / up, total / down
        mirrored = np.equal(up, 0) | np.equal(down, 0)  # The observed split and its mirror image.
        ends = (by_up, by_down), (by_down, by_up)
        for side, (first, second) in zip(largest, ends, strict=True):
            if most or side is tested:
                reach = np.maximum(first, -second)
                reach[mirrored] = inf
                if side is tested:
                    extreme += int(np.count_nonzero(reach >= observed))
                if most:
                    side.add(reach)
    to_above, to_below = (side.last() if most else inf for side in largest)
    return _agreeing(estimate, to_above, to_below, extreme / splits, level)


class _Largest:
    """The largest of many values, which are added in parts."""

    def __init__(self, count: int) -> None:
        self._count, self._size = count, 0
        self._kept: list[Floats] = []
        self._least = -inf

    def add(self, values: Floats) -> None:
        kept = values[values >= self._least]
        self._kept.append(kept)
        self._size += len(kept)
        if self._size > 2 * self._count + _PART:
            self.last()

    def last(self) -> float:
        """The smallest of the `count` largest values."""
        values = np.concatenate(self._kept)
        place = len(values) - self._count
        values.partition(place)
        self._kept, self._size, self._least = [values[place:]], self._count, float(values[place])
        return self._least


def _welch(x: Floats, y: Floats, k: Floats, sums: Floats, scale: float) -> Callable[[float], float]:
    """The p-value of Welch's test of centered samples that differ by d, as a function of d.

    For each split, k is the number of members of x in its first sample, and `sums` has the sum of
    all of its members, of those of x, and of the squares. The difference of means is linear in d
    and its variance quadratic.
    """
    n, m, (total, of_x, squares) = len(x), len(y), sums
    v, w = 1 / (n * (n - 1)), 1 / (m * (m - 1))
    all_squares = float(x @ x + y @ y)
    observed = float(v * (x @ x) + w * (y @ y))
    means = total * (1 / n + 1 / m), k / n - (n - k) / m
    variances = (
        (v - w) * squares + w * all_squares - (v / n + w / m) * total**2,
        2 * ((v - w) * of_x + (w * (n - k) / m - v * k / n) * total),
        (v - w) * k + w * n - v * k**2 / n - w * (n - k) ** 2 / m,
    )

    def p_of(d: float) -> float:
        if abs(d) <= _TINY * scale:
            return 1.0
        difference = means[0] + means[1] * d
        variance = variances[0] + variances[1] * d + variances[2] * d**2
        variance -= _TINY * (v + w) * (all_squares + n * d**2)  # Rounding must not break ties.
        extreme = difference**2 * (observed * (1 + _CLOSE) / d**2) >= variance
        return float(np.count_nonzero(extreme) / len(k))

    return p_of


def _bisected(
    estimate: float, p_of: Callable[[float], float], scale: float, splits: int, level: float
) -> Estimate:
    """Invert a test by bisection.

    p need not fall with |d| everywhere. The search begins at the estimate and at zero shift, so
    that the interval agrees with p about zero in any case.
    """
    p, most = p_of(estimate), _most_rejected(splits, level)

    def reach(sign: int) -> float:
        """How far d can be from zero with this sign, before the test rejects it."""
        if not most:
            return inf
        kept, rejected = 0.0, inf
        if sign * estimate > 0:
            kept, rejected = (0.0, abs(estimate)) if p <= most / splits else (abs(estimate), inf)
        while rejected - kept > _CLOSE * scale:
            middle = (kept + rejected) / 2 if rejected < inf else max(2 * kept, scale)
            if p_of(sign * middle) * splits <= most:
                rejected = middle
            else:
                kept = middle
        return kept

    return _agreeing(estimate, reach(1), reach(-1), p, level)


def _most_rejected(splits: int, level: float) -> int:
    """The largest number of splits as extreme as the observed one with which d is rejected."""
    return floor((1 - level) * splits * (1 + _CLOSE))


def _agreeing(estimate: float, above: float, below: float, p: float, level: float) -> Estimate:
    """The interval of d that is not rejected. Rounding must not put it on one side of zero."""
    low, high = estimate - above, estimate + below
    if p > 1 - level + _CLOSE:
        low, high = min(low, 0.0), max(high, 0.0)
    return Estimate(estimate, low, high, p)
