"""The difference of two models and its verdict, alone and in a family."""

import numpy as np
import pytest

from involbench.comparison.differences import (
    ALPHA,
    difference_of,
    excess,
    in_family,
    without_verdict,
)
from involbench.comparison.schema import Difference, Summary


def summary(*values: float | None) -> Summary:
    return Summary.of(dict(enumerate(values)))


CNN = summary(0.71, 0.72, 0.70, 0.73, 0.71, 0.72)
WORSE = summary(0.45, 0.46, 0.44, 0.46, 0.47, 0.45)


def agrees(found: Difference) -> bool:
    """Whether interval, p and verdict are one statement."""
    p = found.p if found.p_holm is None else found.p_holm
    decided = found.verdict in ("higher", "lower")
    if found.interval is None:
        return not decided or found.design == "shares"
    low, high = found.interval
    return decided == (low > 0 or high < 0) == (p is not None and p <= ALPHA * (1 + 1e-9))


def test_two_models_are_two_samples() -> None:
    found = difference_of(WORSE, CNN)
    assert (found.design, found.runs, found.verdict) == ("two arms", (6, 6), "lower")
    assert found.mean == pytest.approx(-0.26)
    assert found.p == found.smallest_p == pytest.approx(2 / 924)
    assert found.interval is not None
    assert found.interval[0] < -0.26 < found.interval[1] < -0.2
    # Other seeds are as good, and more of them are all used.
    others = Summary.of({10 + seed: value for seed, value in CNN.by_seed.items()} | {20: 0.72})
    apart = difference_of(WORSE, others)
    assert (apart.n, apart.runs, apart.by_seed, apart.verdict) == (0, (6, 7), {}, "lower")
    assert apart.missing_seeds == (*range(6), *range(10, 16), 20)
    assert apart.superiority == 0


def test_pairs_are_one_sample_of_differences() -> None:
    found = difference_of(WORSE, CNN, by_pairs=True)
    assert (found.design, found.verdict, found.smallest_p) == ("paired", "lower", 2 / 2**6)
    five = difference_of(summary(*WORSE.values[:5]), CNN, by_pairs=True)
    assert (five.runs, five.verdict, five.interval) == ((5, 5), "too few runs", None)


def test_the_smallest_p_says_whether_a_verdict_is_possible() -> None:
    three, four = (
        difference_of(summary(*WORSE.values[:n]), summary(*CNN.values[:n])) for n in (3, 4)
    )
    assert (three.verdict, three.interval, three.smallest_p) == ("too few runs", None, 0.1)
    assert (four.verdict, four.smallest_p) == ("lower", 2 / 70)
    uneven = difference_of(summary(*WORSE.values[:3]), CNN)
    assert (uneven.verdict, uneven.smallest_p) == ("lower", 1 / 84)
    # Four of them, corrected for two comparisons, could be below 0.05 / 2 by no result.
    first, _ = in_family([four, four])
    assert (first.verdict, first.p_holm, first.interval) == ("too few runs", 4 / 70, None)


def test_values_that_overlap_are_undecided_with_what_could_be_found() -> None:
    rng = np.random.default_rng(1)
    spread = 0.02
    same = difference_of(summary(*rng.normal(0.7, spread, 6)), summary(*rng.normal(0.7, spread, 6)))
    assert same.verdict == "undecided"
    assert same.interval is not None
    assert same.interval[0] < 0 < same.interval[1]
    assert same.detectable == pytest.approx(1.8 * spread, rel=0.5)


def test_in_a_family_intervals_widen_and_still_agree_with_the_verdict() -> None:
    rng, verdicts = np.random.default_rng(2), set[str]()
    for _ in range(40):
        base = summary(*rng.normal(0, 1, 6))
        models = [summary(*rng.normal(effect, 1, 6)) for effect in (0, 1, 2, 3, 0)]
        alone = [difference_of(each, base) for each in models]
        family = in_family(alone)
        assert all(map(agrees, [*alone, *family]))
        for one, corrected in zip(alone, family, strict=True):
            assert corrected.level >= one.level == 0.95
            assert corrected.p_holm is not None
            assert one.p is not None
            assert corrected.p_holm >= one.p
            if one.interval and corrected.interval:
                assert corrected.interval[0] <= one.interval[0]
            verdicts.add(corrected.verdict)
        assert max(each.level for each in family) == pytest.approx(0.99)
    assert verdicts == {"higher", "undecided", "lower"} or verdicts == {"higher", "undecided"}


def test_shares_of_collapsed_runs_get_fishers_test() -> None:
    collapsed, never = summary(0, 1, 0, 0, 1, 1), summary(*[0.0] * 6)
    found = difference_of(collapsed, never, "collapsed")
    assert (found.design, found.interval, found.verdict) == ("shares", None, "undecided")
    assert found.p == pytest.approx(2 / 11)
    always = difference_of(summary(*[1.0] * 6), never, "collapsed")
    assert (always.p, always.verdict) == (pytest.approx(2 / 924), "higher")
    beyond = excess(summary(*[-1.0] * 6), summary(*[0.2] * 6), "collapsed")
    assert (beyond.design, beyond.verdict) == ("two arms", "lower")


def test_equal_values_have_an_interval_without_width_and_a_note() -> None:
    equal = difference_of(summary(*[0.1 + 0.2] * 3, *[0.3] * 3), summary(*[0.1] * 6))
    assert equal.interval == pytest.approx((0.2, 0.2))
    assert equal.verdict == "higher"
    assert equal.notes == ("all values of each model are equal, so the interval has no width",)
    zero = difference_of(CNN, CNN)
    assert (zero.all_equal, zero.p, zero.verdict) == (True, 1.0, "undecided")
    assert zero.notes == ("both models are equal in every pair",)
    assert zero.superiority == 0.5


def test_rounding_errors_are_no_difference() -> None:
    drops, same = (Summary.of(dict.fromkeys(range(6), drop)) for drop in (0.3 - 0.2, 0.2 - 0.1))
    assert drops.mean != same.mean
    for by_pairs in (False, True):
        found = difference_of(drops, same, by_pairs=by_pairs)
        assert (found.mean, found.verdict, found.p) == (0, "undecided", 1)


def test_superiority_counts_the_better_value_and_half_a_tie() -> None:
    these, zeros = summary(1.0, 2.0, -1.0, 0.0), summary(*[0.0] * 4)
    assert difference_of(these, zeros).superiority == 2.5 / 4
    assert difference_of(these, zeros, "test_loss").superiority == 1.5 / 4
    assert excess(these, zeros, "test_loss").superiority == 2.5 / 4
    swapped = summary(0.0, 1.0, 2.0, -1.0)  # Of all pairs of runs, unless by seed.
    assert difference_of(these, swapped).superiority == 0.5
    assert difference_of(these, swapped, by_pairs=True).superiority == 0.75


def test_counts_need_no_statistics() -> None:
    fewer = difference_of(summary(5.0, 5.0), summary(10.0, 10.0), "total_parameters")
    assert (fewer.verdict, fewer.interval, fewer.p, fewer.mean) == ("lower", None, None, -5)
    assert difference_of(summary(3.0), summary(3.0), "macs").verdict == "equal"


def test_without_values_there_is_nothing() -> None:
    for by_pairs in (False, True):
        nothing = difference_of(summary(None, 0.5), summary(), "test_accuracy", by_pairs)
        assert (nothing.mean, nothing.p, nothing.verdict) == (None, None, "too few runs")
    withheld = without_verdict(difference_of(WORSE, CNN), "of the weather")
    assert (withheld.interval, withheld.p, withheld.verdict) == (None, None, "undecided")
    assert agrees(withheld)
