"""Several devices for one trial: the result is that of one device."""

import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest

from involbench.data import make_dataset
from involbench.errors import UsageError
from involbench.models import build_model
from involbench.results.record import Hardware
from involbench.spec.schema import TrainingSpec
from involbench.spec.trial import Trial
from involbench.training import strategy as distribution
from involbench.training.checkpoint import assign_metrics
from involbench.training.fit import faults_of_run
from involbench.training.prefetch import (
    DataStallMonitor,
    EvaluationBatches,
    PreparedBatches,
    TrainingBatches,
)
from involbench.training.split import Split
from involbench.training.strategy import parallel_devices
from tests.training.slow_batches import SECONDS

BACKEND = keras.backend.backend()
ROOT = Path(__file__).parents[2]
distributing = pytest.mark.skipif(BACKEND == "torch", reason="PyTorch trains on one device")


@pytest.fixture(scope="module")
def runs(once):
    """The run folders of `two_devices`, by the way in which they were trained."""

    def train(folder):
        command = [sys.executable, "-m", "tests.training.two_devices", folder]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stderr

    folder = once(f"two devices {BACKEND}", train)
    return {path.name: path for path in folder.iterdir()}


def arrays(path):
    with np.load(path) as found:
        return [found[name] for name in found.files]


def history(run):
    values = json.loads((run / "history.json").read_text())
    del values["seconds"]
    return values


def record(run):
    return json.loads((run / "run.json").read_text())


@distributing
def test_two_devices_learn_what_one_learns(runs):
    one, two = runs["one"], runs["two"]
    assert [record(run)["hardware"]["devices"] for run in (one, two)] == [1, 2]
    assert record(one)["run_id"] == record(two)["run_id"]
    assert history(one).keys() == history(two).keys()
    for name, values in history(one).items():
        np.testing.assert_allclose(history(two)[name], values, rtol=1e-5, err_msg=name)
    pairs = zip(arrays(one / "weights.npz"), arrays(two / "weights.npz"), strict=True)
    for alone, together in pairs:
        np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        record(two)["metrics"]["test_loss"], record(one)["metrics"]["test_loss"], rtol=1e-5
    )


@distributing
def test_several_devices_tell_how_long_they_wait_for_their_batches(runs):
    metrics = record(runs["two"])["metrics"]
    assert metrics["input_wait"] * metrics["seconds_per_epoch"] >= 3 * SECONDS
    assert metrics["input_wait"] < 1


@distributing
def test_the_saved_model_does_not_tell_how_it_was_trained(runs):
    assert (runs["two"] / "model.json").read_text() == (runs["one"] / "model.json").read_text()


@pytest.mark.thorough
@distributing
def test_a_training_of_several_devices_in_float16_that_is_cut_off_goes_on_to_the_bit(runs):
    """With the scale of the loss, which its optimizer adapts."""
    whole, stopped = runs["two_float16"], runs["stopped"]
    assert record(stopped)["notes"] == ["resumed after epoch 1, step 1"]
    assert history(stopped) == history(whole)
    states = [arrays(run / "state.npz") for run in (whole, stopped)]
    scales = [value for value in states[0] if value.shape == () and value > 2**10]
    assert len(scales) == 1, "the scale of the loss is no part of the checkpoint"
    for undisturbed, resumed in zip(*states, strict=True):
        assert undisturbed.tobytes() == resumed.tobytes()


@pytest.mark.thorough
@distributing
def test_the_scale_of_the_loss_is_taken_back(runs):
    losses = [history(runs[name])["loss"][0] for name in ("one", "two_float16")]
    np.testing.assert_allclose(*losses, rtol=0.01)


def sums(*values):
    return [keras.Variable(value, dtype="float32") for value in values]


def test_the_sums_of_an_epoch_go_on_on_another_number_of_devices():
    """Two kinds of sums: those of each device, or their totals on the first."""
    saved = tuple(np.array(value, np.float32) for value in (1, 2, 10, 20))
    one, three = sums(0, 0), sums(0, 0, 0, 0, 0, 0)
    assert assign_metrics(one, 2, saved)
    assert assign_metrics(three, 2, saved)
    assert [float(v) for v in one] == [11, 22]
    assert [float(v) for v in three] == [11, 22, 0, 0, 0, 0]


def batches(kind, count, **more):
    images = np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1)
    return kind(Split(images, np.arange(count)), 4, **more)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's pipeline")
def test_a_batch_that_does_not_divide_goes_to_every_replica_of_tensorflow():
    from involbench.training.prefetch import as_tensorflow_dataset

    plain, shuffled = batches(EvaluationBatches, 7), batches(TrainingBatches, 7, seed=1)
    with PreparedBatches(shuffled, range(1), DataStallMonitor()) as prepared:
        prepared.start_epoch(0)
        for source, make in ((plain, plain.__getitem__), (prepared, partial(shuffled.make, 0))):
            first, last = as_tensorflow_dataset(source, replicas=2).as_numpy_iterator()
            for (images, labels, _), index in ((first, 0), (last, 1)):
                np.testing.assert_array_equal(images.ravel(), labels)
                expected = make(index)[1]
                copies = len(labels) // len(expected)
                np.testing.assert_array_equal(labels, np.tile(expected, copies))
            assert first[2].tolist() == [1, 1, 1, 1]
            assert last[2].tolist() == [0.5] * 6


@pytest.mark.skipif(BACKEND != "tensorflow", reason="of TensorFlow's replicas")
def test_a_regularizer_of_activities_is_refused_by_several_devices_of_tensorflow():
    from involbench.training.strategy.mirrored import Mirrored

    regularized = {"name": "involution", "groups": 1, "activity_regularizer": "l2"}
    model = build_model("plain", (8, 8, 3), 2, operator=regularized, widths=(4,))
    with pytest.raises(UsageError, match="operator_1, has an activity_regularizer"):
        Mirrored(["CPU:0"]).prepare(model)


@pytest.mark.skipif(BACKEND != "jax", reason="JAX's layout")
def test_jax_divides_what_divides():
    from involbench.training.strategy.data_parallel import DataParallel

    device, *_ = keras.distribution.list_devices()
    pieces = DataParallel([device]).inputs(batches(EvaluationBatches, 7))
    assert [len(piece) for piece in pieces[1][0]] == [3, 0]
    pieces._devices = 2
    assert [len(piece) for piece in pieces[1][0]] == [2, 1]


def training(wanted, batch_size=8):
    return TrainingSpec(distribution=wanted, batch_size=batch_size)


@pytest.fixture
def two_devices(monkeypatch):
    monkeypatch.setattr(distribution, "_devices", lambda: ("GPU:0", "GPU:1"))


def test_one_cpu_is_refused_before_anything_is_written_and_enough_for_auto():
    split = np.zeros((4, 8, 8, 3), np.uint8), np.arange(4) % 2
    trial = Trial.model_validate(
        {
            "experiment": "tiny",
            "model": "cnn",
            "architecture": {"architecture": "keras_io_cnn"},
            "data": {"dataset": "digits", "validation": "test"},
            "training": {"distribution": "data_parallel"},
            "seed": 0,
        }
    )
    why = "needs tensorflow or jax" if BACKEND == "torch" else "needs several devices, but .* one"
    (fault,) = faults_of_run(trial, make_dataset("made", *split, *split, ("a", "b")))
    assert fault.key == "training.distribution"
    assert re.match(f"data_parallel {why}", fault.reason)
    assert parallel_devices(training("auto")) == ()


@distributing
def test_auto_and_data_parallel_take_all_devices_that_are_seen(two_devices):
    assert parallel_devices(training("none")) == ()
    assert parallel_devices(training("auto")) == ("GPU:0", "GPU:1")
    assert parallel_devices(training("data_parallel")) == ("GPU:0", "GPU:1")


@distributing
def test_a_batch_size_that_does_not_divide_is_refused(two_devices):
    with pytest.raises(UsageError, match=r"training\.batch_size 9 is not a multiple of 2"):
        parallel_devices(training("data_parallel", batch_size=9))
    assert parallel_devices(training("auto", batch_size=9)) == ()


def test_where_a_run_was_trained_names_the_number_of_devices():
    machine = Hardware(cpu="x", cores=1, memory_gib=1, gpus=(), device="CPU")
    assert machine.trained_on == "CPU"
    assert machine.model_copy(update={"devices": 2}).trained_on == "2 x CPU"
