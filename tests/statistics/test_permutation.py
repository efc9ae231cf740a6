"""The permutation tests against brute force, scipy and published examples."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from itertools import combinations, product
from math import comb, inf

import numpy as np
import pytest
from scipy import stats

from involbench.statistics import paired, two_sample
from involbench.statistics.permutation import (
    drawn_patterns,
    drawn_splits,
    smallest_paired_p,
    smallest_two_sample_p,
)

DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
"""Cross- minus self-fertilized maize in eighths of an inch; Fisher (1935), chapter 3."""
LEVELS = (0.8, 0.95)


def samples(count: int, largest: int) -> Iterator[tuple[list[float], list[float]]]:
    """Whole numbers, so that no sum is rounded: few values and so many ties, or constants."""
    rng = np.random.default_rng(11)
    for index in range(count):
        n, m = rng.integers(1, largest + 1, 2)
        spread = int(rng.choice([1, 3, 50]))
        a, b = rng.integers(0, spread, n, endpoint=True), rng.integers(0, spread, m, endpoint=True)
        shift = int(rng.integers(-spread, spread, endpoint=True))
        if index % 10 == 0:
            a = np.full(n, a[0])
        if index % 20 == 0:
            b = np.full(m, b[0])
        yield [*map(float, a + shift)], [*map(float, b)]


def welch(first: Sequence[Fraction], second: Sequence[Fraction]) -> float | Fraction:
    """The square of Welch's t, exact; of the difference where one sample has a single value."""
    means = [sum(each, Fraction()) / len(each) for each in (first, second)]
    square = (means[0] - means[1]) ** 2
    if 1 in (len(first), len(second)):
        return square
    variance = sum(
        sum(((v - mean) ** 2 for v in each), Fraction()) / (len(each) * (len(each) - 1))
        for each, mean in zip((first, second), means, strict=True)
    )
    return square / variance if variance else inf if square else 0


def brute_force_p(a: Sequence[float], b: Sequence[float], shift: Fraction = Fraction()) -> float:
    pool = [Fraction(v) - shift for v in a] + [Fraction(v) for v in b]
    places = range(len(pool))
    observed, extreme = welch(pool[: len(a)], pool[len(a) :]), 0
    for chosen in combinations(places, len(a)):
        rest = [pool[k] for k in places if k not in chosen]
        extreme += welch([pool[k] for k in chosen], rest) >= observed
    return extreme / comb(len(pool), len(a))


def absolute_t(first: np.ndarray, second: np.ndarray, axis: int) -> np.ndarray:
    difference = np.abs(first.mean(axis) - second.mean(axis))
    n, m = first.shape[axis], second.shape[axis]
    squares = first.var(axis, ddof=1) / n + second.var(axis, ddof=1) / m
    with np.errstate(divide="ignore", invalid="ignore"):
        t = difference / np.sqrt(squares)
    return np.round(np.where(difference < 1e-9, 0.0, np.where(squares < 1e-9, 1e9, t)), 9)


def test_two_sample_is_scipys_permutation_test_of_500_samples() -> None:
    seen = set()
    for a, b in samples(500, 8):
        seen.add((len(a), len(b)))
        found = two_sample(a, b)
        assert found.estimate == pytest.approx(np.mean(a) - np.mean(b))
        if 1 in (len(a), len(b)):  # which scipy refuses
            assert found.p == pytest.approx(brute_force_p(a, b))
            continue
        wanted = stats.permutation_test(
            (a, b), absolute_t, vectorized=True, n_resamples=np.inf, alternative="greater"
        )
        assert found.p == pytest.approx(wanted.pvalue), (a, b)
    assert len(seen) > 60


def test_two_sample_and_its_interval_are_those_of_brute_force() -> None:
    """Just inside each end the test doesn't reject, and just outside it does."""
    ends = 0
    for a, b in samples(120, 4):
        for level in LEVELS:
            found = two_sample(a, b, level)
            assert found.p == pytest.approx(brute_force_p(a, b))
            for end, inward in ((found.low, 1), (found.high, -1)):
                if abs(end) == inf:
                    far = Fraction(found.estimate - inward * 10**6)
                    assert brute_force_p(a, b, far) > 1 - level
                    continue
                ends += 1
                step = Fraction(inward, 10**5)
                assert brute_force_p(a, b, Fraction(end) - step) <= 1 - level + 1e-9, (a, b, end)
                if abs(end - found.estimate) > 1e-4:
                    assert brute_force_p(a, b, Fraction(end) + step) > 1 - level, (a, b, end)
    assert ends > 100


def test_two_sample_of_many_splits_counts_each_once() -> None:
    """Of 184,756 splits, which are looked at in parts: whole numbers, so that no sum is rounded."""
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 40, 10).astype(float), rng.integers(8, 48, 10).astype(float)
    chosen = np.array([*combinations(range(20), 10)])

    def share(shift: float) -> float:
        pool = np.concatenate([a - shift, b])
        apart = np.abs(2 * pool[chosen].sum(axis=1) - pool.sum())
        return float(np.mean(apart >= apart[0] - 1e-9))

    for level in LEVELS:
        found = two_sample([*a], [*b], level)
        assert found.p == share(0)
        assert share(found.low - 1e-6) <= 1 - level < share(found.low + 1e-6)
        assert share(found.high + 1e-6) <= 1 - level < share(found.high - 1e-6)


def test_at_level_1_p_is_the_same_and_the_interval_infinite() -> None:
    for a, b in samples(60, 7):
        for test in (partial(two_sample, a, b), partial(paired, a)):
            estimate, low, high, p = test(1.0)
            assert (low, high) == (-inf, inf)
            assert (estimate, p) == (test(0.95).estimate, test(0.95).p)


def test_paired_and_its_interval_are_those_of_scipy_and_brute_force() -> None:
    for differences, _ in samples(500, 8):
        n = len(differences)
        for level in LEVELS:
            found = paired(differences, level)
            if n > 1:
                wanted = stats.permutation_test(
                    (differences,),
                    lambda x, axis: np.abs(x.sum(axis)),
                    permutation_type="samples",
                    vectorized=True,
                    n_resamples=np.inf,
                    alternative="greater",
                )
                assert found.p == pytest.approx(wanted.pvalue)
            for end, inward in ((found.low, 1), (found.high, -1)):
                if abs(end) == inf:
                    assert 0.5 ** (n - 1) > 1 - level
                    continue
                assert flip_p(differences, end - inward * 1e-5) <= 1 - level
                if abs(end - found.estimate) > 1e-4:
                    assert flip_p(differences, end + inward * 1e-5) > 1 - level


def flip_p(differences: Sequence[float], shift: float) -> float:
    values = [v - shift for v in differences]
    sums = [
        abs(sum(s * v for s, v in zip(signs, values, strict=True)))
        for signs in product((1, -1), repeat=len(values))
    ]
    return sum(each >= sums[0] - 1e-9 for each in sums) / len(sums)


def test_zero_is_outside_the_interval_exactly_when_p_is_small() -> None:
    """Also of values whose sums are rounded, of other sizes, and where splits are drawn."""
    rng, decided = np.random.default_rng(3), 0
    sizes = [(1, 25), (5, 5), (7, 4), (9, 2), (12, 14), (13, 13)]
    rounded = [
        (
            np.round(rng.normal(0.6 * k % 2, 1, n), 1) / 10 + 0.3,
            np.round(rng.normal(size=m), 1) / 10,
        )
        for k in range(20)
        for n, m in sizes
    ]
    for a, b in [*samples(150, 8), *rounded]:
        for level in (0.9, *LEVELS):
            for found in (two_sample(a, b, level), paired(a, level)):
                decided += found.p <= 1 - level
                assert (found.low > 0 or found.high < 0) == (found.p <= 1 - level + 1e-9), (a, b)
                assert found.low <= found.estimate <= found.high
    assert decided > 100


def test_swapping_the_samples_turns_the_interval_around() -> None:
    for a, b in samples(50, 8):
        found, other = two_sample(a, b), two_sample(b, a)
        assert found == pytest.approx((-other.estimate, -other.high, -other.low, other.p))


def test_constant_samples_have_an_interval_without_width() -> None:
    assert two_sample([0.1 + 0.2] * 6, [0.1] * 6) == pytest.approx((0.2, 0.2, 0.2, 2 / 924))
    assert two_sample([0.3] * 5, [0.1] * 6) == pytest.approx((0.2, 0.2, 0.2, 1 / 462))
    assert two_sample([0.3] * 6, [0.1 * 3] * 6) == pytest.approx((0, 0, 0, 1), abs=1e-12)
    assert paired([0.1 + 0.2, 0.3, 0.3, 0.3, 0.3, 0.3]) == pytest.approx((0.3, 0.3, 0.3, 1 / 32))


def test_small_samples_have_no_ends() -> None:
    """Three against three reach 2 of 20 splits, four against four 2 of 70."""
    assert two_sample([9, 9.1, 9.2], [1, 1.1, 1.2]) == pytest.approx((8, -inf, inf, 0.1))
    four = two_sample([9, 9.1, 9.2, 9.3], [1, 1.1, 1.2, 1.3])
    assert four.p == pytest.approx(2 / 70) == smallest_two_sample_p(4, 4)
    assert 7 < four.low < four.high < 9
    assert smallest_two_sample_p(3, 4) == 1 / 35
    assert two_sample([1], [2]) == (-1, -inf, inf, 1)
    assert paired([0.3]) == (0.3, -inf, inf, 1)
    assert smallest_paired_p(5) == 0.0625


def test_many_splits_are_drawn_with_a_fixed_seed() -> None:
    rng = np.random.default_rng(8)
    assert [drawn_splits(n, n) for n in (11, 12, 5000)] == [0, 2**14, 6710]
    assert [drawn_splits(1, 10**6 - 1), drawn_splits(1, 10**6)] == [0, 2**11]
    assert [drawn_patterns(14), drawn_patterns(15)] == [0, 2**14]
    for n, m in ((12, 12), (14, 11)):
        a, b = rng.normal(0.7, 1, n), rng.normal(0, 2, m)
        found, wanted = two_sample(a, b), stats.ttest_ind(a, b, equal_var=False)
        assert found == two_sample(a, b)
        assert found.p == pytest.approx(wanted.pvalue, abs=0.02)
        ends = list(wanted.confidence_interval())
        assert [found.low, found.high] == pytest.approx(ends, abs=0.1)
    assert smallest_two_sample_p(12, 12) == 2**-14 == two_sample([1.0] * 12, [0.0] * 12).p


def test_the_design_of_darwins_maize() -> None:
    """Fisher counts 1,726 of the 2^15 patterns of signs. Ours are drawn, since there are 15."""
    assert paired(DARWIN).p == pytest.approx(1726 / 2**15, abs=0.005)
    assert paired([1.0] * 40).p == smallest_paired_p(40) == 2**-14


@pytest.mark.parametrize("pairs", [15, 41, 1003])
def test_drawn_signs_are_those_of_one_generator(pairs: int) -> None:
    sample = np.random.default_rng(pairs).normal(0.12, 1, pairs)
    bits = np.random.default_rng(20210310).integers(0, 2, (2**14, pairs), dtype=np.int8)
    bits[0] = 0
    flipped = (np.where(bits, -1.0, 1.0) * sample).sum(axis=1)
    expected = np.mean(np.abs(flipped) >= abs(sample.sum()) * (1 - 1e-9))
    assert 0 < expected < 1
    assert paired(sample).p == expected


def test_fifty_thousand_values_are_compared() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(0.03, 1, 25_000), rng.normal(0, 1, 24_999)
    found, wanted = two_sample(a, b), stats.ttest_ind(a, b)
    assert [found.low, found.high] == pytest.approx([*wanted.confidence_interval()], abs=0.002)
