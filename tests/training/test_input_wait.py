"""How long trainings wait for their batches is measured, and said where it is long."""

from types import SimpleNamespace

import numpy as np
import pytest

from involbench.data import make_dataset
from involbench.reporting.console import trial_line
from involbench.results.paths import ResultsPath
from involbench.results.record import too_much
from involbench.runner.runner import TrialEnded, TrialStarted
from involbench.spec.architectures import architecture_specs
from involbench.spec.schema import DataSpec, TrainingSpec
from involbench.spec.trial import Trial
from involbench.training import prefetch as input_wait
from involbench.training.prefetch import DataStallMonitor
from involbench.training.trial import run_trial
from tests.training.slow_batches import SECONDS, starving

TRIAL = Trial(
    experiment="hungry",
    model="control",
    architecture=architecture_specs()["keras_io_control"](architecture="keras_io_control"),
    data=DataSpec(dataset="digits", augmentation=("flip",), validation="test"),
    training=TrainingSpec(epochs=1, batch_size=8),
    seed=0,
)


def run(folder):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (60, 8, 8, 3), np.uint8), np.arange(60) % 2
    data = make_dataset("made", images[:40], labels[:40], images[40:], labels[40:], ("a", "b"))
    record = run_trial(TRIAL, data, ResultsPath(folder), (), lambda report: None, lambda: False)
    return record, trial_line(TrialEnded(TrialStarted(TRIAL, 1, 1), record, folder))


@pytest.mark.usefixtures("eager")
def test_an_ordinary_run_is_measured_and_nothing_is_said(tmp_path):
    record, line = run(tmp_path)
    assert 0 <= record.metrics["input_wait"] < 1
    assert record.notes == ()
    assert "waiting" not in line


@pytest.mark.usefixtures("eager")
def test_a_run_that_starves_says_so(tmp_path):
    with starving():
        record, line = run(tmp_path)
    assert record.metrics["input_wait"] * record.metrics["seconds_per_epoch"] >= 5 * SECONDS
    share = f"{record.metrics['input_wait']:.0%} of the training time was spent waiting for images"
    (note,) = record.notes
    assert note.startswith(f"{share}; what helps: fewer --jobs")
    assert f"{share}: `involbench show` says what helps" in line


def test_the_share_is_the_median_over_epochs(monkeypatch):
    """Steps from 1 to 3 and from 3 to 6; what is made after it was asked for was waited for."""
    wait = DataStallMonitor()
    assert wait.share is None
    for given, share in (
        [((None, 0.5), (None, 4.5)), 0.25],
        [((None, 0.5), (None, 2.5)), (0.25 + 0) / 2],
        [((0.5, 2.0), (3.0, 4.5)), 0.25],
    ):
        clock = iter([0.0, 1.0, 3.0, 3.0, 6.0])
        monkeypatch.setattr(input_wait, "time", SimpleNamespace(perf_counter=clock.__next__))
        wait.on_epoch_begin(0)
        for step, (asked, made) in enumerate(given):
            wait.on_train_batch_begin(step)
            wait.record_batch(asked, made)
            wait.on_train_batch_end(step)
        wait.on_epoch_end(0)
        assert wait.share == pytest.approx(share)


def test_a_tenth_is_too_much_where_it_comes_to_a_second():
    hungry = {"input_wait": 0.101, "seconds_per_epoch": 5.0}
    assert too_much(hungry, epochs=2)
    assert not too_much(hungry, epochs=1)
    assert not too_much(hungry | {"input_wait": 0.1}, epochs=20)
    assert not too_much({"input_wait": 0.9}, epochs=20)
    assert not too_much({}, epochs=20)
