"""Building, checking, compiling and fitting one model as a spec says."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import keras
import numpy as np
import psutil
from numpy.typing import NDArray

from involbench.data import Dataset
from involbench.errors import DataError, SettingError
from involbench.models import build_model
from involbench.models.parameters import build_without_weights
from involbench.results.record import EpochReport
from involbench.spec.trial import Trial
from involbench.training.checkpoint import (
    Checkpoint,
    Checkpointer,
    Checkpoints,
    Diverged,
    TimeLimitReached,
    Training,
    restore,
)
from involbench.training.history import EpochHistory
from involbench.training.optimizer import make_loss, make_optimizer
from involbench.training.prefetch import (
    DataStallMonitor,
    EvaluationBatches,
    PreparedBatches,
    TrainingBatches,
)
from involbench.training.provenance import make_reproducible
from involbench.training.split import TrialData, split_dataset
from involbench.training.strategy import devices_for, shared_among
from involbench.training.strategy.single import OneDevice

Factors = NDArray[np.float32]


@dataclass(frozen=True)
class FitResult:
    """How a training ended."""

    ended: Literal["finished", "diverged", "timeout"]
    why: str | None
    """Where it is not `finished`."""
    history: dict[str, list[float]]
    """One value an epoch."""
    seconds: float
    """Spent on it, over all its parts."""
    input_wait: float | None
    """Share of its steps' time spent waiting for a batch, since it last began; None where no epoch
    has ended since."""
    resumed: Checkpoint | None
    """Where it went on from."""


def build(trial: Trial, input_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """Build the trial's model: scaled images in, logits out.

    Raises:
        SettingError: The architecture does not fit the images.
    """
    keras.config.set_dtype_policy(trial.training.precision)
    name, arguments = trial.architecture.architecture, trial.architecture.arguments
    try:
        return build_model(name, input_shape, num_classes, **arguments)
    except ValueError as error:
        size = "x".join(map(str, input_shape))
        reason = str(error).splitlines()[0]
        raise SettingError(
            f"models.{trial.model}", f"{name} cannot be built for {size} images: {reason}"
        ) from error


def with_scaling(
    model: keras.Model, mean: Factors, std: Factors, kind: type[keras.Model] = keras.Model
) -> keras.Model:
    """The same model, sharing its weights, for uint8 images: it scales them first.

    A batch reaches the device as uint8, a quarter of its size, and is scaled there.

    Args:
        model: Of scaled images.
        mean: What is subtracted from x / 255, a channel.
        std: What x / 255 - mean is divided by, a channel.
        kind: The class of the result.
    """
    images = keras.Input(model.input_shape[1:], dtype="uint8")
    return kind(images, model(scaled(images, mean, std)))


def scaled(images: Any, mean: Factors, std: Factors) -> Any:
    """(x / 255 - mean) / std, in float32, of images (B, H, W, C)."""
    # Whole rows of factors: backends multiply them faster than one factor a channel.
    width = images.shape[2]
    unit = keras.ops.cast(images, "float32") * np.tile(1 / (255 * std), (width, 1))
    return unit - np.tile(mean / std, (width, 1)) if mean.any() else unit


def fit(
    model: keras.Model,
    data: TrialData,
    trial: Trial,
    checkpoints: Checkpoints,
    devices: OneDevice,
    on_epoch: Callable[[EpochReport], None] = lambda report: None,
    stop: Callable[[], bool] = lambda: False,
) -> FitResult:
    """Train a model of uint8 images for the trial's epochs, from its last checkpoint on.

    Args:
        model: Not compiled.
        data: The trial's images.
        trial: What to do.
        checkpoints: The run's; one is added after each epoch.
        devices: That train; this is called in their scope.
        on_epoch: Called after each epoch.
        stop: Whether to stop; asked after each step.

    Raises:
        Stopped: It was asked to stop; the last checkpoint is where it did.
        ResultsError: A checkpoint cannot be written.
    """
    training = trial.training
    steps_per_epoch = math.ceil(len(data.train.labels) / training.batch_size)
    model.compile(
        optimizer=make_optimizer(trial, steps_per_epoch),
        loss=make_loss(trial),
        weighted_metrics=["accuracy"],
    )
    devices.make_variables(model)
    wanted = Training.of(model, training.epochs, steps_per_epoch)
    found = checkpoints.latest(wanted)
    if found:
        restore(model, found)
    at = (found.epoch, found.step) if found else (0, 0)
    history = EpochHistory(
        training.epochs,
        len(data.train.labels),
        on_epoch,
        values=found.history if found else None,
        seconds=found.epoch_seconds if found else 0.0,
    )
    watch = Checkpointer(checkpoints, history, training, stop, found, devices.sums)
    wait = DataStallMonitor()
    ended: Literal["finished", "diverged", "timeout"] = "finished"
    why = None
    try:
        _Epochs(model, data, trial, devices, wait, (history, watch)).fit_from(
            at, checkpoints, wanted
        )
    except Diverged as error:
        ended, why = "diverged", str(error)
    except TimeLimitReached:
        ended, why = "timeout", f"longer than training.max_minutes = {training.max_minutes:g}"
    return FitResult(ended, why, history.values, watch.seconds, wait.share, found)


@dataclass(frozen=True)
class _Epochs:
    """A model with all that its epochs are fitted with."""

    model: keras.Model
    data: TrialData
    trial: Trial
    devices: OneDevice
    wait: DataStallMonitor
    callbacks: tuple[keras.callbacks.Callback, ...]

    def fit_from(self, at: tuple[int, int], checkpoints: Checkpoints, wanted: Training) -> None:
        """Fit from a step of an epoch on, both counted from 0."""
        epoch, step = at
        if step:
            self._fit(range(epoch, epoch + 1), step)
            # What Keras does to the weights at the end of a fit is for the end of the last one.
            newest = checkpoints.latest(wanted)
            if newest:
                restore(self.model, newest)
            epoch += 1
        self._fit(range(epoch, self.trial.training.epochs), 0)

    def _fit(self, epochs: range, first_step: int) -> None:
        size, trial = self.trial.training.batch_size, self.trial
        batches = TrainingBatches(
            self.data.train, size, trial.seed, trial.data.augmentation, first_step
        )
        validation = EvaluationBatches(self.data.validation, size)
        with PreparedBatches(batches, epochs, self.wait) as prepared:
            starter = keras.callbacks.LambdaCallback(
                on_epoch_begin=lambda epoch, logs: prepared.start_epoch(epoch)
            )
            self.model.fit(
                self.devices.feed(prepared),
                validation_data=self.devices.feed(validation),
                initial_epoch=epochs.start,
                epochs=epochs.stop,
                callbacks=[starter, self.wait, *self.callbacks],
                shuffle=False,  # TrainingBatches shuffles, by the seed.
                verbose=0,
            )


_BYTES = 4
"""Of a weight, under each precision."""


def faults_of_run(trial: Trial, dataset: Dataset) -> list[SettingError]:
    """Everything that would end the trial before its first step.

    The data are split and the model is outlined as `run_trial` would do it, and thrown away.
    """
    return [
        *_faults(partial(shared_among, trial.training)),
        *_faults(partial(_split, trial, dataset)),
        *faults_of_build(trial, dataset.input_shape, dataset.num_classes),
    ]


def faults_of_build(
    trial: Trial, input_shape: tuple[int, int, int], num_classes: int
) -> list[SettingError]:
    """What is wrong with the trial's model and with its optimizer."""
    return [
        *_faults(partial(_outline, trial, input_shape, num_classes)),
        *_faults(partial(make_optimizer, trial)),
    ]


def _faults(try_it: Callable[[], object]) -> Iterator[SettingError]:
    try:
        try_it()
    except SettingError as error:
        yield error


def _split(trial: Trial, dataset: Dataset) -> None:
    data = trial.data
    try:
        split_dataset(dataset, trial.seed, data.train_size, data.validation)
    except DataError as error:
        raise SettingError.of("data", error) from error


def _outline(trial: Trial, input_shape: tuple[int, int, int], num_classes: int) -> None:
    """Build the model without values for its weights, and see whether they have room."""
    with build_without_weights():
        model: keras.Model = build(trial, input_shape, num_classes)
        count = sum(math.prod(weight.shape) for weight in model.weights)
    needed, there = count * _BYTES / 2**30, psutil.virtual_memory().total / 2**30
    if needed > there:
        raise SettingError(
            f"models.{trial.model}",
            f"its {count:,} weights need {needed:,.0f} GiB, and this machine has {there:,.0f} GiB "
            "of memory; make it narrower",
        )


@dataclass(frozen=True)
class TrainResult:
    """A model after its training, on one device, however many have trained it."""

    model: keras.Model
    """Of scaled images."""
    scaling: keras.Model
    """The same of uint8 images."""
    data: TrialData
    fitted: FitResult
    devices: int


def train(
    trial: Trial,
    dataset: Dataset,
    checkpoints: Checkpoints,
    on_epoch: Callable[[EpochReport], None],
    stop: Callable[[], bool],
) -> TrainResult:
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
    return TrainResult(model, scaling, data, fitted, devices.count)


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
