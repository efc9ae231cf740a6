"""Every statistic against scipy, scikit-learn or a published worked example."""

from math import comb
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from involbench.comparison.images import mcnemar
from involbench.errors import ResultsError
from involbench.results.arrays import StoredPredictions, read_predictions
from involbench.results.paths import ResultsPath
from involbench.results.tree import read_run
from involbench.statistics.classification import expected_calibration_error, macro_f1
from involbench.statistics.estimates import bca_interval
from involbench.statistics.hypothesis_tests import holm
from tests.results.factory import make_run, predict

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("n", [2, 3, 6, 12, 200])
def test_bca_of_the_same_resamples_is_that_of_scipy(n: int) -> None:
    """Of skewed values, where bias and acceleration matter; whole, so that no sum is rounded."""
    samples = np.round(1000 * RNG.exponential(size=(2, n))) - 1000
    low, high = bca_interval(samples, resamples=9999)
    for row, *ends in zip(samples, low, high, strict=True):
        same = np.random.default_rng(20210310)
        wanted = stats.bootstrap((row,), np.mean, n_resamples=9999, method="BCa", rng=same)
        assert ends == pytest.approx(list(wanted.confidence_interval), rel=1e-6)


def test_holm_is_that_of_the_worked_example() -> None:
    """Of R's `p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")`, and its own order kept."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


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


def test_resamples_of_thousands_of_values_are_drawn_as_all_would_be_at_once() -> None:
    sample = np.random.default_rng(5).normal(0.1, 1, (1, 3000))
    places = np.random.default_rng(20210310).integers(0, 3000, (1999, 3000))
    means = np.sort(sample[0][places].mean(axis=1))
    low, high = bca_interval(sample)
    # With so many values the interval is nearly the percentiles of the resamples.
    assert low[0] == pytest.approx(np.quantile(means, 0.025), abs=0.003)
    assert high[0] == pytest.approx(np.quantile(means, 0.975), abs=0.003)
