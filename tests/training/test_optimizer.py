"""What a network is trained with: the learning rate at each step, and the loss."""

import math

import keras
import numpy as np
import pytest

from involbench.data import make_dataset
from involbench.results.paths import ResultsPath
from involbench.spec.optimizers import OPTIMIZERS
from involbench.spec.trial import Trial
from involbench.training.checkpoint import Checkpoints
from involbench.training.fit import fit
from involbench.training.optimizer import make_loss, make_optimizer
from involbench.training.split import split_dataset
from involbench.training.strategy import SingleDevice

EPOCHS, BATCH, TRAINED, TESTED, CLASSES = 3, 8, 20, 10, 5
STEPS = 3  # Of an epoch: of 8, 8 and 4 images.


def trial(**training):
    return Trial.model_validate(
        {
            "experiment": "recipe",
            "model": "cnn",
            "architecture": {"architecture": "keras_io_cnn"},
            "data": {"dataset": "digits", "validation": "test"},
            "training": {"epochs": EPOCHS, "batch_size": BATCH, **training},
            "seed": 0,
        }
    )


def fitted(tmp_path, **training):
    """A network of one layer, its images and its history."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (TRAINED + TESTED, 4, 4, 1), np.uint8)
    labels = np.arange(len(images)) % CLASSES
    first, rest = slice(0, TRAINED), slice(TRAINED, None)
    dataset = make_dataset(
        "made", images[first], labels[first], images[rest], labels[rest], tuple("abcde")
    )
    data = split_dataset(dataset, 0)
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(CLASSES)]
    model = keras.Sequential([keras.Input((4, 4, 1), dtype="uint8"), *layers])
    checkpoints = Checkpoints(ResultsPath(tmp_path / "checkpoint"), pytest.fail)
    return model, data, fit(model, data, trial(**training), checkpoints, SingleDevice()).history


def rates(steps_per_epoch, **schedule):
    """At each step of a training, where the optimizer's own is 0.4."""
    optimizer = {"name": "sgd", "learning_rate": 0.4}
    given = {"name": "cosine", **schedule}
    made = make_optimizer(trial(optimizer=optimizer, learning_rate_schedule=given), steps_per_epoch)
    taken = []
    for step in range(EPOCHS * steps_per_epoch + 1):
        made.iterations.assign(step)
        taken.append(float(made.learning_rate))
    return taken


@pytest.mark.parametrize("alpha", [0, 0.1, 1])
@pytest.mark.parametrize(("warmup_epochs", "rising"), [(0, 0), (0.5, 2), (1, 4), (2.9, 12)])
def test_the_rate_rises_linearly_and_falls_by_half_a_cosine(alpha, warmup_epochs, rising):
    falling = 4 * EPOCHS - rising
    expected = [0.4 * step / rising for step in range(rising)]
    for step in range(falling + 1):
        cosine = (1 + math.cos(math.pi * step / max(falling, 1))) / 2
        expected.append(0.4 * (alpha + (1 - alpha) * cosine))
    found = rates(4, alpha=alpha, warmup_epochs=warmup_epochs)
    assert found == pytest.approx(expected[: len(found)], abs=1e-6)


def test_without_a_rate_of_ones_own_it_is_that_of_keras():
    assert float(make_optimizer(trial()).learning_rate) == pytest.approx(0.001)
    falling = make_optimizer(trial(learning_rate_schedule={"name": "cosine"}), STEPS)
    assert float(falling.learning_rate) == pytest.approx(0.001)


@pytest.mark.parametrize("accumulated", [None, 2])
def test_a_training_ends_where_its_schedule_does(tmp_path, accumulated):
    optimizer = {"name": "sgd", "learning_rate": 0.5}
    if accumulated:
        optimizer["gradient_accumulation_steps"] = accumulated
    schedule = {"name": "cosine", "alpha": 0.25}
    model, _, _ = fitted(tmp_path, optimizer=optimizer, learning_rate_schedule=schedule)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.125)
    model.optimizer._iterations.assign_add(-1)
    assert float(model.optimizer.learning_rate) > 0.125


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_that_a_spec_names_is_built_and_moves_weights(name):
    optimizer = make_optimizer(trial(optimizer={"name": name, "learning_rate": 0.5}))
    assert type(optimizer).__name__.lower() == name
    start = np.full((4, 3), 0.5, np.float32)
    weights = keras.Variable(start, name="kernel")
    optimizer.build([weights])
    for _ in range(2):
        optimizer.apply([keras.ops.ones((4, 3))], [weights])
    moved = keras.ops.convert_to_numpy(weights) - start
    assert np.isfinite(moved).all()
    assert (np.abs(moved) > 0).all()


def crossentropy(labels, logits, smoothing):
    """By a loop, in float64."""
    losses = []
    for label, row in zip(labels, np.asarray(logits, np.float64), strict=True):
        logs = row - np.log(np.exp(row).sum())
        target = np.full(len(row), smoothing / len(row))
        target[label] += 1 - smoothing
        losses.append(-(target * logs).sum())
    return np.array(losses)


@pytest.mark.parametrize("smoothing", [0, 0.1, 0.9])
def test_the_loss_spreads_a_share_of_each_label_over_all_classes(tmp_path, smoothing):
    still = {"name": "sgd", "learning_rate": 1e-12}
    model, data, history = fitted(tmp_path, optimizer=still, label_smoothing=smoothing)
    for split, name in ((data.train, "loss"), (data.validation, "val_loss")):
        logits = keras.ops.convert_to_numpy(model(split.take(slice(None))))
        expected = crossentropy(split.labels, logits, smoothing).mean()
        assert history[name] == pytest.approx([expected] * EPOCHS, rel=1e-5)


def test_labels_may_be_a_column():
    logits = np.random.default_rng(0).normal(size=(4, CLASSES)).astype(np.float32)
    labels = np.array([0, 4, 2, 2])
    loss = make_loss(trial(label_smoothing=0.1))
    for given in (labels, labels[:, None]):
        found = keras.ops.convert_to_numpy(loss(given, logits))
        np.testing.assert_allclose(found, crossentropy(labels, logits, 0.1), rtol=1e-5)
