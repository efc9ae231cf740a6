"""From records to a comparison, computed on known numbers."""

import json
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from involbench.comparison.compare import compare_experiment
from involbench.comparison.differences import difference_of
from involbench.comparison.metrics import MetricSelection
from involbench.comparison.schema import Comparison, Summary
from involbench.errors import UsageError
from involbench.reporting.notes import notes
from involbench.reporting.prose import verdicts
from involbench.results.tree import ResultsTree
from involbench.statistics.classification import never_left_chance
from involbench.statistics.estimates import mean_curve, sample_sd
from tests.cli import called
from tests.results.factory import VERSIONS, make_experiment, make_run, predict


def compared(results: Path, baseline: str | None = None) -> Comparison:
    return compare_experiment(ResultsTree(results), "digits", baseline)


def test_never_left_chance_is_three_standard_deviations() -> None:
    threshold = 0.1 + 3 * sqrt(0.09 / 360)
    assert never_left_chance([0.1, threshold, None], 0.1, 360)
    assert not never_left_chance([0.1, threshold + 1e-9, 0.1], 0.1, 360)
    assert not never_left_chance([None], 0.1, 360)


def test_summary_counts_only_what_was_measured() -> None:
    summary = Summary.of({2: 3.0, 0: 1.0, 1: None, 3: float("nan")})
    assert (summary.n, summary.mean, summary.sd) == (2, 2.0, sqrt(2))
    assert list(summary.by_seed) == [0, 1, 2, 3]
    assert Summary.of({}).mean is None
    assert sample_sd([1.0]) is None


def test_differences_of_seeds_are_of_the_seeds_that_both_have() -> None:
    one = Summary.of({0: 0.5, 1: 0.7, 2: None, 4: 0.9})
    other = Summary.of({1: 0.6, 2: 0.5, 4: 0.5, 5: 0.1})
    difference = difference_of(one, other)
    assert difference.by_seed == pytest.approx({1: 0.1, 4: 0.4})
    assert difference.mean == pytest.approx(0.7 - 0.425)
    assert difference_of(one, other, by_pairs=True).mean == pytest.approx(0.25)


def test_mean_curve_is_over_the_seeds_present() -> None:
    assert mean_curve([[1.0, 2.0, None], [3.0, None, None, 5.0], []]) == [2.0, 2.0, None, 5.0]


def test_models_follow_the_spec_and_are_held_against_its_baseline(tmp_path: Path) -> None:
    folder = make_experiment(tmp_path)
    comparison = compared(tmp_path)
    assert [result.model for result in comparison.models] == ["cnn", "inn", "control"]
    assert comparison.baseline == "cnn"
    with (folder / "spec.yaml").open("a") as spec:
        spec.write("baseline: control\n")
    assert compared(tmp_path).baseline == "control"
    assert compared(tmp_path, "inn").baseline == "inn"
    (folder / "spec.yaml").unlink()
    assert [result.model for result in compared(tmp_path).models] == ["cnn", "control", "inn"]


def test_without_runs_of_the_specs_baseline_it_is_said_what_stands_in(tmp_path: Path) -> None:
    folder = make_experiment(tmp_path)
    (folder / "spec.yaml").write_text("models: {inn: {}, cnn: {}}\nbaseline: resnet\n")
    comparison = compared(tmp_path)
    assert comparison.baseline == "inn"
    said = "the baseline of the spec, resnet, has no run; inn takes its place"
    assert said in comparison.warnings
    assert said not in compared(tmp_path, "cnn").warnings


def test_an_unknown_baseline_is_refused(tmp_path: Path) -> None:
    make_experiment(tmp_path)
    with pytest.raises(UsageError, match="did you mean 'control'"):
        compared(tmp_path, "contrl")


def test_collapsed_runs_are_a_share_and_the_others_are_compared(tmp_path: Path) -> None:
    for seed in range(6):
        make_run(tmp_path, "cnn", seed, accuracy=0.7 + seed / 1000)
        make_run(tmp_path, "inn", seed, accuracy=0.5 + seed / 1000, collapsed=seed < 2)
    cnn, inn = compared(tmp_path).models
    assert (inn.n_finished, inn.n_collapsed, inn.collapsed_seeds) == (6, 2, (0, 1))
    assert inn.collapse_interval == pytest.approx((0.0433, 0.7772), abs=1e-4)
    assert (cnn.learned, cnn.collapse_interval) == ({}, pytest.approx((0, 0.4593), abs=1e-4))
    # All runs under the old key, those that learned beside it; time is of all.
    assert inn.metrics["test_accuracy"].mean == pytest.approx((0.2 + 4 * 0.5 + 0.014) / 6)
    assert inn.learned["test_accuracy"].mean == inn.mean("test_accuracy") == pytest.approx(0.5035)
    assert "seconds_per_epoch" not in inn.learned
    accuracy, shares = (inn.differences[name] for name in ("test_accuracy", "collapsed"))
    assert (accuracy.runs, accuracy.verdict) == ((4, 6), "lower")
    assert accuracy.mean == pytest.approx(0.5035 - 0.7025)
    assert (shares.verdict, shares.p) == ("undecided", pytest.approx(5 / 11))
    # Both are in one family; the loss is in another.
    assert accuracy.p_holm == pytest.approx(2 * (accuracy.p or 0))
    assert inn.differences["test_loss"].p_holm == inn.differences["test_loss"].p


def test_failed_runs_are_counted_and_measure_nothing(tmp_path: Path) -> None:
    make_run(tmp_path, "inn", 0)
    make_run(tmp_path, "inn", 1, error="OSError: disk", fingerprint=None)
    comparison = compared(tmp_path)
    (inn,) = comparison.models
    assert (inn.n_finished, inn.n_failed, inn.failures) == (1, 1, {1: "OSError: disk"})
    assert inn.metrics["test_accuracy"].sd is None
    assert comparison.warnings == ()


def test_runs_with_older_settings_are_left_out_and_named(tmp_path: Path) -> None:
    for seed in range(3):
        make_run(tmp_path, "cnn", seed, training={"epochs": 2}, ended="2025-01-01T00:00:00")
    make_run(
        tmp_path, "cnn", 0, training={"epochs": 5, "batch_size": 32}, ended="2025-01-02T00:00:00"
    )
    make_run(tmp_path, "cnn", 0)
    comparison = compared(tmp_path)
    assert comparison.models[0].n_finished == 1
    assert comparison.warnings == (
        "left out 4 runs of cnn with other settings: "
        "training.epochs 2 and 5, not 20; training.batch_size 32, not 256",
    )


def test_the_settings_that_ended_last_are_kept(tmp_path: Path) -> None:
    make_run(tmp_path, "cnn", 0)
    make_run(tmp_path, "cnn", 5, training={"epochs": 2}, ended="2027-01-01T00:00:00")
    comparison = compared(tmp_path)
    assert comparison.models[0].runs.keys() == {5}
    assert comparison.warnings[0].endswith("training.epochs 20, not 2")


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        ({"training": {"epochs": 3}}, "inn has other settings than cnn: training.epochs 3, not 20"),
        (
            {"data": {"dataset": "digits", "train_size": 500}},
            "inn has other settings than cnn: data.train_size 500, not default",
        ),
        (
            {"versions": {**VERSIONS, "keras": "3.9.0"}},
            "runs from different environments: keras 3.12.0 (cnn); 3.9.0 (inn)",
        ),
        (
            {
                "versions": {
                    "involbench": "0.1.0",
                    "keras": "3.12.0",
                    "jax": "0.9",
                    "numpy": "2.3.0",
                }
            },
            "runs from different environments: tensorflow 2.20.0 (cnn); jax 0.9 (inn)",
        ),
        (
            {"device": "NVIDIA H100"},
            "runs from different environments: device CPU (cnn); NVIDIA H100 (inn)",
        ),
        (
            {"environment": {"TF_ENABLE_ONEDNN_OPTS": "0"}},
            "runs from different environments: environment variables none (cnn); "
            "TF_ENABLE_ONEDNN_OPTS=0 (inn)",
        ),
        ({"environment": None}, None),  # A record of before they were recorded.
    ],
)
def test_unlike_models_are_compared_with_a_warning(
    tmp_path: Path, change: dict[str, Any], warning: str | None
) -> None:
    make_run(tmp_path, "cnn", 0, environment={})
    make_run(tmp_path, "inn", 0, **{"environment": {}, **change})
    comparison = compared(tmp_path)
    assert comparison.warnings == ((warning,) if warning else ())
    assert comparison.models[1].differences["test_accuracy"].n == 1


def test_runs_of_another_experiment_in_the_folder_are_named_and_held_apart(tmp_path: Path) -> None:
    make_run(tmp_path, "cnn", 0)
    make_run(tmp_path, "control", 0)
    stray = make_run(tmp_path, "inn", 0, experiment="other")
    stray.rename(tmp_path / "digits" / "runs" / stray.name)
    claim = {"says": "x", "source": "y", "metric": "test_accuracy", "greater": "cnn"}
    spec = {"claims": [{**claim, "lesser": "inn"}]}
    (tmp_path / "digits" / "spec.yaml").write_text(json.dumps(spec))
    comparison = compared(tmp_path)
    assert comparison.warnings == (
        "the folder has runs of several experiments: 2 of digits, 1 of other; only runs of the "
        "same experiment are compared",
        "inn has no difference: inn and cnn are from different experiments",
    )
    assert [bool(result.differences) for result in comparison.models] == [False, True, False]
    assert comparison.claims[0].reason == "cnn and inn are from different experiments"
    gate = ("--fail-if", "inn.test_accuracy < cnn.test_accuracy")
    done = called("compare", "digits", "--results", str(tmp_path), *gate, cwd=tmp_path)
    assert (done.returncode, "inn and cnn are from different experiments" in done.stderr) == (
        2,
        True,
    )


def test_models_of_other_images_are_not_held_against_each_other(tmp_path: Path) -> None:
    make_run(tmp_path, "cnn", 0)
    make_run(tmp_path, "inn", 0, fingerprint="cd" * 32)
    comparison = compared(tmp_path)
    assert comparison.warnings == (
        "inn has other settings than cnn: dataset fingerprint cdcdcdcdcdcd, not ab12ab12ab12",
        "inn has no difference: inn and cnn have different images",
    )
    assert comparison.models[1].differences == {}


REACHED = {"0.7": (1, 2.0), "0.71": (2, 5.0), "0.85": (2, 5.0), "0.86": (None, None)}
"""Validation accuracy -> epochs and seconds to it, in the history of the test below."""


def test_metrics_of_the_files_are_read_only_where_they_are_asked_for(tmp_path: Path) -> None:
    make_experiment(tmp_path, seeds=2)
    for folder in tmp_path.glob("digits/runs/*"):
        (folder / "history.json").write_text(
            json.dumps(
                {
                    "accuracy": [0.3, 0.9],
                    "val_accuracy": [0.699999988079071, 0.85],  # The first is 0.7 in 32 bits.
                    "seconds": [2.0, 3.0],
                }
            )
        )
    names = {
        f"{unit}_to@val_accuracy={target}" for unit in ("epochs", "seconds") for target in REACHED
    }
    everything = compare_experiment(
        ResultsTree(tmp_path), "digits", selection=MetricSelection(named=frozenset(names))
    )
    inn = everything.models[1].metrics
    assert inn["generalization_gap"].by_seed == pytest.approx({0: 0.43, 1: 0.428})
    for target, (epochs, seconds) in REACHED.items():
        for unit, expected in (("epochs", epochs), ("seconds", seconds)):
            measured = inn.get(f"{unit}_to@val_accuracy={target}")
            assert (measured and measured.mean) == expected
    assert inn["operator_parameters"].by_seed == {0: 66, 1: 66}
    few = compare_experiment(
        ResultsTree(tmp_path), "digits", selection=MetricSelection(frozenset(["test_loss"]))
    ).models[1]
    assert few.metrics["test_loss"].n == 2
    assert "generalization_gap" not in few.metrics


def test_one_seed_is_compared_by_its_predictions(tmp_path: Path) -> None:
    for model, right in (("cnn", 9), ("inn", 4)):
        folder = make_run(tmp_path, model, 0)
        labels = np.zeros(10, np.int64)
        predicted = np.where(np.arange(10) < right, 0, 1)
        both = np.full((10, 2), 0.5, np.float16)
        predict(folder, labels=labels, predicted=predicted, probabilities=both)
    comparison = compared(tmp_path)
    pair = comparison.models[1].differences["test_accuracy"].trained_pair
    assert pair is not None
    assert (pair.only_this_right, pair.only_baseline_right, pair.p) == (0, 5, 0.0625)
    assert comparison.models[0].metrics["macro_f1"].mean == pytest.approx(18 / 19 / 2)
    (folder / "predictions.npz").write_bytes(b"PK")
    damaged = compared(tmp_path)
    assert damaged.models[1].differences["test_accuracy"].trained_pair is None
    assert "predictions.npz: damaged" in damaged.warnings[0]


@pytest.mark.parametrize(("images", "only_these"), [(50, True), (5000, False)])
def test_a_verdict_that_other_images_could_turn_says_so(
    tmp_path: Path, images: int, only_these: bool
) -> None:
    """The runs of each model hardly differ: cnn is right on 60% of the images, inn on 50%."""
    for model, share in (("cnn", 0.6), ("inn", 0.5)):
        for seed in range(6):
            run = make_run(tmp_path, model, seed, accuracy=share + 0.001 * seed)
            places = np.roll(np.arange(images), images // 3 * (model == "inn"))
            predicted = np.where(places < share * images, 0, 1)
            nothing = np.full((images, 2), 0.5, np.float16)
            predict(run, labels=np.zeros(images, int), predicted=predicted, probabilities=nothing)
    comparison = compared(tmp_path)
    difference = comparison.models[1].differences["test_accuracy"]
    found, interval = difference.over_images, difference.interval
    assert found and interval
    assert (found.images, difference.verdict) == (images, "lower")
    assert found.interval[0] < interval[0] < interval[1] < found.interval[1]
    assert (found.interval[1] > 0) is only_these
    (sentence,) = verdicts(comparison)
    assert "for other test images), 6 seeds" in sentence
    note = "the verdict is for these 50 test images only"
    assert any(note in line for line in notes(comparison)) is only_these


def test_an_environment_that_changed_between_seeds_names_them(tmp_path: Path) -> None:
    make_run(tmp_path, "cnn", 0)
    make_run(tmp_path, "cnn", 1, device="GPU")
    (warning,) = compared(tmp_path).warnings
    assert warning.endswith("device CPU (cnn seed 0); GPU (cnn seed 1)")


def test_each_sweep_point_is_held_against_the_baseline_there(tmp_path: Path) -> None:
    for size, gain in ((5000, 0.2), (500, 0.1)):
        data = {"dataset": "digits", "train_size": size}
        point = {"data.train_size": size}
        make_run(tmp_path, "cnn", 0, accuracy=0.5, data=data, point=point)
        for kernel in (5, 3):
            make_run(
                tmp_path,
                "inn",
                0,
                accuracy=0.5 + gain + kernel / 100,
                data=data,
                point={**point, "models.inn.kernel_size": kernel},
                architecture={"architecture": "keras_io_inn", "kernel_size": kernel},
            )
    comparison = compared(tmp_path)
    assert comparison.warnings == ()
    sizes = [result.point["data.train_size"] for result in comparison.models]
    assert sizes == [500, 500, 500, 5000, 5000, 5000]
    gains = [r.differences["test_accuracy"].mean for r in comparison.models if r.differences]
    assert gains == pytest.approx([0.13, 0.15, 0.23, 0.25])
    assert "has 2 results" in compared(tmp_path, "inn").warnings[0]


def test_parameters_that_cannot_be_read_are_not_made_up(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "cnn", 0)
    (folder / "parameters.json").write_text("{")
    comparison = compared(tmp_path)
    assert comparison.models[0].parameters is None
    assert "parameters.json" in comparison.warnings[0]


def test_runs_that_lag_in_validation_allow_no_verdict(tmp_path: Path) -> None:
    for seed in range(6):
        for model, accuracy in (("cnn", 0.9), ("inn", 0.1)):
            run = make_run(tmp_path, model, seed, accuracy=accuracy + 0.001 * seed)
            if model == "inn" and seed < 2:
                record = json.loads((run / "run.json").read_text())
                record["validation_lags"] = True
                (run / "run.json").write_text(json.dumps(record))
    comparison = compared(tmp_path)
    inn = next(each for each in comparison.models if each.model == "inn")
    assert inn.lagging_seeds == (0, 1)
    accuracy = inn.differences["test_accuracy"]
    assert (accuracy.verdict, accuracy.p, accuracy.interval) == ("undecided", None, None)
    assert accuracy.notes == (
        "no verdict, because the moving averages of batch normalization lag behind in 2 of 6 seeds "
        "of inn",
    )
    assert inn.differences["trainable_parameters"].verdict == "lower"
