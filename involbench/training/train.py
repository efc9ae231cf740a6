"""A trial's model, from its making to the end of its training."""

from collections.abc import Callable
from dataclasses import dataclass

import keras

from involbench.data import Dataset
from involbench.results.progress import EpochReport
from involbench.spec.trial import Trial
from involbench.training.checkpoint import Checkpoints
from involbench.training.device import make_reproducible
from involbench.training.distribution import devices_for
from involbench.training.fit import Fitted, build, fit, with_scaling
from involbench.training.one_device import OneDevice
from involbench.training.split import TrialData, split_dataset


@dataclass(frozen=True)
class Trained:
    """A model after its training, on one device, however many have trained it."""

    model: keras.Model
    """Of scaled images."""
    scaling: keras.Model
    """The same of uint8 images."""
    data: TrialData
    fitted: Fitted
    devices: int


def train(
    trial: Trial,
    dataset: Dataset,
    checkpoints: Checkpoints,
    on_epoch: Callable[[EpochReport], None],
    stop: Callable[[], bool],
) -> Trained:
    """Make a trial's model and train it, from its last checkpoint on.

    The arguments are those of `involbench.training.trial.run_trial`, which says what it raises.
    """
    keras.backend.clear_session()
    make_reproducible(trial.seed, trial.training.deterministic)
    data = split_dataset(
        dataset,
        trial.seed,
        train_size=trial.data.train_size,
        validation=trial.data.validation,
        normalization=trial.data.normalization,
    )
    devices = devices_for(trial.training)
    with devices.scope():
        model, scaling = _built(trial, dataset, data, devices)
        fitted = fit(scaling, data, trial, checkpoints, devices, on_epoch, stop)
    if devices.count > 1:
        model, scaling = _on_one_device(model, trial, dataset, data)
    return Trained(model, scaling, data, fitted, devices.count)


def _built(
    trial: Trial, dataset: Dataset, data: TrialData, devices: OneDevice
) -> tuple[keras.Model, keras.Model]:
    """The trial's model for the devices, of scaled images and of uint8 images."""
    model = build(trial, dataset.input_shape, dataset.num_classes)
    devices.prepare(model)
    return model, with_scaling(model, data.mean, data.std, devices.model_class)


def _on_one_device(
    model: keras.Model, trial: Trial, dataset: Dataset, data: TrialData
) -> tuple[keras.Model, keras.Model]:
    """A model that several devices have trained, as one alone would have it.

    What is tested, saved and looked at must not depend on how it was trained.
    """
    weights = model.get_weights()
    keras.backend.clear_session()  # So that layers without names are called the same again.
    model, scaling = _built(trial, dataset, data, OneDevice())
    model.set_weights(weights)
    return model, scaling
