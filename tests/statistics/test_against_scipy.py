"""Every statistic against scipy, scikit-learn or a published worked example."""

from math import comb
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from involbench.comparison.pairing import mcnemar, paired_difference, with_holm
from involbench.comparison.schema import Difference, Summary
from involbench.errors import ResultsError
from involbench.results.arrays import StoredPredictions, read_predictions
from involbench.results.paths import ResultsPath
from involbench.results.tree import read_run
from involbench.statistics.classification import expected_calibration_error, macro_f1
from involbench.statistics.estimates import bca_interval
from involbench.statistics.hypothesis_tests import holm, sign_flip_p, smallest_p
from tests.results.factory import make_run, predict

RNG = np.random.default_rng(7)
DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
"""Cross- minus self-fertilized maize in eighths of an inch; Fisher (1935), chapter 3."""


def difference(*pairs: float, metric: str = "test_accuracy") -> Difference:
    """What is said of paired differences of exactly these values."""
    zeros = Summary.of(dict.fromkeys(range(len(pairs)), 0.0))
    return paired_difference(Summary.of(dict(enumerate(pairs))), zeros, metric)


@pytest.mark.parametrize("n", [2, 3, 6, 12, 200])
def test_bca_of_the_same_resamples_is_that_of_scipy(n: int) -> None:
    """Of skewed values, where bias and acceleration matter; whole, so that no sum is rounded."""
    samples = np.round(1000 * RNG.exponential(size=(2, n))) - 1000
    low, high = bca_interval(samples, resamples=9999)
    for row, *ends in zip(samples, low, high, strict=True):
        same = np.random.default_rng(20210310)
        wanted = stats.bootstrap((row,), np.mean, n_resamples=9999, method="BCa", rng=same)
        assert ends == pytest.approx(list(wanted.confidence_interval), rel=1e-6)


@pytest.mark.parametrize("n", [1, 2, 6, 9, 14])
def test_sign_flip_p_is_that_of_scipys_permutation_test(n: int) -> None:
    samples = np.round(RNG.normal(0.4, 1, (2, n)), 1)  # rounded, so that there are ties
    wanted = [
        stats.permutation_test(
            (row,), np.mean, permutation_type="samples", n_resamples=np.inf
        ).pvalue
        for row in samples
        if n > 1
    ]
    assert sign_flip_p(samples).tolist()[: len(wanted)] == pytest.approx(wanted)
    assert sign_flip_p(np.ones((1, n))) == pytest.approx(smallest_p(n)) == 2 / 2**n


def test_sign_flip_p_of_darwins_maize_is_fishers() -> None:
    """Fisher counts 1,726 of the 2^15 patterns; ours are drawn, since there are 15 pairs."""
    assert sign_flip_p(np.array([DARWIN], float))[0] == pytest.approx(1726 / 2**15, abs=0.005)
    assert sign_flip_p(np.ones((1, 40)))[0] == smallest_p(40) == 2**-14


def test_holm_is_that_of_the_worked_example() -> None:
    """Of R's `p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")`, and its own order kept."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
    tested = with_holm([difference(*[1.0] * 6), Difference(n=0, mean=None, sd=None, by_seed={})])
    assert [each.p_holm for each in tested] == [0.03125, None]


def test_mcnemar_is_the_binomial_test_on_what_one_alone_gets_right() -> None:
    labels = np.zeros(200, np.int64)
    ours, theirs = np.ones(200, np.int64), np.ones(200, np.int64)
    ours[:121], theirs[20:121], theirs[121:180] = 0, 0, 0
    nothing = np.zeros((200, 2))
    our_run = StoredPredictions(labels, ours, nothing)
    pair = mcnemar(our_run, StoredPredictions(labels, theirs, nothing))
    assert pair is not None
    assert (pair.images, pair.only_this_right, pair.only_baseline_right) == (200, 20, 59)
    assert pair.p == pytest.approx(stats.binomtest(20, 79).pvalue)
    assert pair.p == pytest.approx(2 * sum(comb(79, k) for k in range(21)) / 2**79)
    same = mcnemar(our_run, our_run)
    assert same is not None
    assert same.p == 1.0
    other = StoredPredictions(labels + 1, ours, nothing)
    assert mcnemar(other, StoredPredictions(labels, ours, nothing)) is None


def test_macro_f1_is_that_of_scikit_learn() -> None:
    labels, predicted = RNG.integers(0, 7, 300), RNG.integers(1, 9, 300)
    assert macro_f1(labels, predicted) == pytest.approx(
        f1_score(labels, predicted, average="macro", zero_division=0)
    )


def test_calibration_error_is_the_gap_of_each_bin_weighted_by_its_images() -> None:
    """Two images at confidence 0.9, one right; two at 0.6, both right: 2/4*0.4 + 2/4*0.4."""
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    labels = np.array([0, 1, 0, 0])
    assert expected_calibration_error(labels, probabilities) == pytest.approx(0.4)
    certain = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert expected_calibration_error(np.array([0, 1]), certain) == 0
    assert np.isnan(expected_calibration_error(np.array([0, 1]), certain * np.nan))


def test_no_verdict_under_six_pairs_and_one_from_six_on() -> None:
    five, six = (difference(*[0.1, 0.11, 0.12, 0.1, 0.13, 0.1][:n]) for n in (5, 6))
    assert (five.verdict, five.smallest_p) == ("too few pairs", 0.0625)
    assert five.interval is not None
    assert (six.verdict, six.p, six.smallest_p) == ("higher", 0.03125, 0.03125)
    assert difference(*[-0.1, -0.2, -0.1, -0.3, -0.1, -0.1]).verdict == "lower"


def test_an_interval_that_crosses_zero_gives_no_verdict() -> None:
    mixed = difference(0.1, -0.1, 0.2, -0.15, 0.05, 0.1, -0.02)
    assert mixed.interval is not None
    assert mixed.interval[0] < 0 < mixed.interval[1]
    assert mixed.verdict == "undecided"


def test_an_interval_beside_zero_alone_is_not_enough() -> None:
    """Six pairs of which one goes the other way cannot reach p 0.05."""
    one_against = difference(0.5, 0.6, 0.5, 0.7, 0.5, -0.01)
    assert one_against.interval is not None
    assert one_against.interval[0] > 0
    assert (one_against.p, one_against.verdict) == (0.0625, "undecided")


def test_equal_differences_have_an_interval_without_width_and_say_so() -> None:
    equal = difference(*[0.1 + 0.2] * 3, *[0.3] * 3)  # which differ in the last bit
    assert equal.interval == pytest.approx((0.3, 0.3))
    assert equal.verdict == "higher"
    assert equal.notes == ("all differences are equal, so the interval has no width",)
    zero = difference(*[0.0] * 8)
    assert (zero.interval, zero.p, zero.verdict) == ((0.0, 0.0), 1.0, "undecided")
    assert zero.notes == ("both models are equal in every pair",)
    assert zero.superiority == 0.5


def test_rounding_errors_are_no_difference() -> None:
    drops, same = (Summary.of(dict.fromkeys(range(6), drop)) for drop in (0.3 - 0.2, 0.2 - 0.1))
    assert drops.mean != same.mean
    found = paired_difference(drops, same)
    assert (found.mean, found.verdict, found.p, found.superiority) == (0, "undecided", 1, 0.5)


def test_superiority_counts_the_better_value_and_half_a_tie() -> None:
    assert difference(1.0, 2.0, -1.0, 0.0).superiority == 2.5 / 4
    assert difference(1.0, 2.0, -1.0, 0.0, metric="test_loss").superiority == 1.5 / 4


def test_counts_need_no_statistics() -> None:
    fewer = difference(-5.0, -5.0, metric="total_parameters")
    assert (fewer.verdict, fewer.interval, fewer.p) == ("lower", None, None)
    assert difference(0.0, metric="macs").verdict == "equal"


def test_unequal_seeds_are_paired_as_far_as_they_go_and_named() -> None:
    one = Summary.of({0: 0.5, 1: 0.6, 2: None, 7: 0.4})
    found = paired_difference(one, Summary.of({1: 0.5, 2: 0.7, 9: 0.1}))
    assert (found.n, found.missing_seeds, found.verdict) == (1, (0, 2, 7, 9), "too few pairs")
    nothing = paired_difference(one, Summary.of({5: 0.1}))
    assert (nothing.n, nothing.mean, nothing.p, nothing.interval) == (0, None, None, None)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", {"labels": np.array([0])}, {"labels": np.array([{}], object)}],
    ids=["empty", "cut off", "incomplete", "objects"],
)
def test_damaged_predictions_are_refused(tmp_path: Path, content: object) -> None:
    run = make_run(tmp_path, "cnn", 0)
    if isinstance(content, bytes):
        (run / "predictions.npz").write_bytes(content)
    else:
        np.savez(run / "predictions.npz", **content)
    with pytest.raises(ResultsError, match=r"predictions\.npz: damaged"):
        read_predictions(read_run(ResultsPath(run)))


def test_predictions_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path, "cnn", 0)
    good = {
        "labels": np.array([0, 2]),
        "predicted": np.array([0, 1]),
        "probabilities": np.ones((2, 3), np.float16),
    }
    predict(run, **good)
    stored = read_run(ResultsPath(run))
    assert read_predictions(stored).labels.tolist() == [0, 2]
    for name, other in (
        ("labels", np.array([0, 5])),
        ("labels", np.array([0, 1, 2])),
        ("predicted", np.array([0.5, 1])),
        ("probabilities", np.ones((2, 4), np.float16)),
        ("probabilities", np.ones((2, 3), np.complex64)),
    ):
        np.savez(run / "predictions.npz", **{**good, name: other})
        with pytest.raises(ResultsError, match=r"predictions\.npz: damaged"):
            read_predictions(stored)


@pytest.mark.parametrize("pairs", [15, 41, 1003])
def test_sign_flips_of_many_pairs_are_those_that_are_drawn_one_by_one(pairs: int) -> None:
    sample = np.random.default_rng(pairs).normal(0.12, 1, pairs)
    bits = np.random.default_rng(20210310).integers(0, 2, (2**14, pairs), dtype=np.int8)
    bits[0] = 0
    flipped = (np.where(bits, -1.0, 1.0) * sample).sum(axis=1)
    expected = np.mean(np.abs(flipped) >= abs(sample.sum()) * (1 - 1e-9))
    assert 0 < expected < 1
    assert sign_flip_p(sample[None])[0] == expected


def test_resamples_of_thousands_of_values_are_drawn_as_all_would_be_at_once() -> None:
    sample = np.random.default_rng(5).normal(0.1, 1, (1, 3000))
    places = np.random.default_rng(20210310).integers(0, 3000, (1999, 3000))
    means = np.sort(sample[0][places].mean(axis=1))
    low, high = bca_interval(sample)
    # With so many values the interval is nearly the percentiles of the resamples.
    assert low[0] == pytest.approx(np.quantile(means, 0.025), abs=0.003)
    assert high[0] == pytest.approx(np.quantile(means, 0.975), abs=0.003)
