"""Building, checking and training the model of a trial."""

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
from involbench.plugins import line_of, reason_of
from involbench.results.record import EpochReport, Probe
from involbench.results.trained_networks import TrainedNetwork
from involbench.spec.trial import Trial
from involbench.training import probe
from involbench.training.callbacks import (
    Checkpointer,
    Diverged,
    EpochHistory,
    TimeLimitReached,
)
from involbench.training.checkpoint import Checkpoint, Checkpoints, Training, restore
from involbench.training.optimizer import make_loss, make_optimizer
from involbench.training.prefetch import (
    DataStallMonitor,
    EvaluationBatches,
    PreparedBatches,
    TrainingBatches,
)
from involbench.training.provenance import make_reproducible
from involbench.training.split import TrialData, split_dataset
from involbench.training.strategy import SingleDevice, make_strategy, parallel_devices

Factors = NDArray[np.float32]


@dataclass(frozen=True)
class FitResult:
    """How a training ended."""

    status: Literal["finished", "diverged", "timeout"]
    reason: str | None
    """Why it is not `finished`."""
    history: dict[str, list[float]]
    """One value for each epoch."""
    input_wait: float | None
    """Share of the training time that steps waited for batches, since the training began or was
    resumed; None where no epoch has ended since."""
    resumed: Checkpoint | None
    """The checkpoint from which it was resumed."""


def build(trial: Trial, input_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """Build the model of a trial, from scaled images to logits.

    Raises:
        SettingError: The architecture does not fit the images.
    """
    keras.config.set_dtype_policy(trial.training.precision)
    name, arguments = trial.architecture.architecture, trial.architecture.arguments
    try:
        return build_model(name, input_shape, num_classes, **arguments)
    except Exception as error:
        place = line_of(error)
        if place is None and not isinstance(error, ValueError):
            raise
        size = "x".join(map(str, input_shape))
        reason = f"{place}: {reason_of(error)}" if place else str(error).splitlines()[0]
        raise SettingError(
            f"models.{trial.model}", f"{name} cannot be built for {size} images: {reason}"
        ) from error


def with_scaling(
    model: keras.Model, mean: Factors, std: Factors, kind: type[keras.Model] = keras.Model
) -> keras.Model:
    """The model for uint8 images: it scales them, and shares the weights of `model`.

    A batch goes to the device as uint8, a quarter of its size as float32. See `scaled`.
    """
    images = keras.Input(model.input_shape[1:], dtype="uint8")
    return kind(images, model(scaled(images, mean, std)))


def scaled(images: Any, mean: Factors, std: Factors) -> Any:
    """(x / 255 - mean) / std, in float32, of images (B, H, W, C), channel by channel."""
    # Backends multiply by whole rows of factors faster than by one factor for each channel.
    width = images.shape[2]
    unit = keras.ops.cast(images, "float32") * np.tile(1 / (255 * std), (width, 1))
    return unit - np.tile(mean / std, (width, 1)) if mean.any() else unit


def fit(
    model: keras.Model,
    data: TrialData,
    trial: Trial,
    checkpoints: Checkpoints,
    strategy: SingleDevice,
    on_epoch: Callable[[EpochReport], None] = lambda report: None,
    stop: Callable[[], bool] = lambda: False,
) -> FitResult:
    """Train a model of uint8 images, not compiled, from the last checkpoint of the run on.

    Call it in the scope of the strategy. `stop` is called after each step.

    Raises:
        Stopped: `stop` returned True; the last checkpoint has the state.
        ResultsError: A checkpoint cannot be written.
    """
    training = trial.training
    steps_per_epoch = math.ceil(len(data.train.labels) / training.batch_size)
    model.compile(
        optimizer=make_optimizer(trial, steps_per_epoch),
        loss=make_loss(trial),
        weighted_metrics=["accuracy"],
    )
    strategy.make_variables(model)
    expected = Training.of(model, training.epochs, steps_per_epoch)
    resumed = checkpoints.latest(expected)
    if resumed:
        restore(model, resumed)
    history = EpochHistory(
        training.epochs,
        len(data.train.labels),
        on_epoch,
        values=resumed.history if resumed else None,
        seconds=resumed.epoch_seconds if resumed else 0.0,
    )
    checkpointer = Checkpointer(
        checkpoints, history, training, stop, resumed, strategy.metric_variables
    )
    monitor = DataStallMonitor()
    fit_epochs = partial(
        _fit_epochs, model, data, trial, strategy, monitor, (history, checkpointer)
    )
    status: Literal["finished", "diverged", "timeout"] = "finished"
    reason = None
    epoch = resumed.epoch if resumed else 0
    try:
        if resumed and resumed.step:
            fit_epochs(range(epoch, epoch + 1), resumed.step)
            # Keras may change weights at the end of `fit`, which is only meant for the last one.
            newest = checkpoints.latest(expected)
            if newest:
                restore(model, newest)
            epoch += 1
        fit_epochs(range(epoch, training.epochs))
    except Diverged as error:
        status, reason = "diverged", str(error)
    except TimeLimitReached:
        status, reason = "timeout", f"longer than training.max_minutes = {training.max_minutes:g}"
    return FitResult(status, reason, history.values, monitor.share, resumed)


def _fit_epochs(
    model: keras.Model,
    data: TrialData,
    trial: Trial,
    strategy: SingleDevice,
    monitor: DataStallMonitor,
    callbacks: tuple[keras.callbacks.Callback, ...],
    epochs: range,
    first_step: int = 0,
) -> None:
    """Fit some epochs, the first of them from a step on."""
    size, augmentation = trial.training.batch_size, trial.data.augmentation
    batches = TrainingBatches(data.train, size, trial.seed, augmentation, first_step)
    with PreparedBatches(batches, epochs, monitor) as prepared:
        starter = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: prepared.start_epoch(epoch)
        )
        model.fit(
            strategy.inputs(prepared),
            validation_data=strategy.inputs(EvaluationBatches(data.validation, size)),
            initial_epoch=epochs.start,
            epochs=epochs.stop,
            callbacks=[starter, monitor, *callbacks],
            shuffle=False,  # TrainingBatches shuffles, by the seed.
            verbose=0,
        )


_WEIGHT_BYTES = 4
"""With every precision."""


def faults_of_run(trial: Trial, dataset: Dataset) -> list[SettingError]:
    """All errors that would end the trial before its first step.

    Splits the data and builds the model as `run_trial` does, without weights, and discards both.
    """
    return [
        *_faults(partial(parallel_devices, trial.training)),
        *_faults(partial(_check_split, trial, dataset)),
        *faults_of_build(trial, dataset.input_shape, dataset.num_classes),
    ]


def faults_of_build(
    trial: Trial, input_shape: tuple[int, int, int], num_classes: int
) -> list[SettingError]:
    """The errors in the model and in the optimizer of a trial."""
    return [
        *_faults(partial(_check_model, trial, input_shape, num_classes)),
        *_faults(partial(make_optimizer, trial)),
    ]


def _faults(check: Callable[[], object]) -> Iterator[SettingError]:
    try:
        check()
    except SettingError as error:
        yield error


def _check_split(trial: Trial, dataset: Dataset) -> None:
    data = trial.data
    try:
        split_dataset(dataset, trial.seed, data.train_size, data.validation)
    except DataError as error:
        raise SettingError.of("data", error) from error


def _check_model(trial: Trial, input_shape: tuple[int, int, int], num_classes: int) -> None:
    """Build the model without weights, and check that they would fit into memory."""
    with build_without_weights():
        model: keras.Model = build(trial, input_shape, num_classes)
        count = sum(math.prod(weight.shape) for weight in model.weights)
        if trial.plugins:
            _check_saving(trial, model)
    needed, total = count * _WEIGHT_BYTES / 2**30, psutil.virtual_memory().total / 2**30
    if needed > total:
        raise SettingError(
            f"models.{trial.model}",
            f"its {count:,} weights need {needed:,.0f} GiB, but this machine has {total:,.0f} GiB "
            "of memory; make it narrower",
        )


def _check_saving(trial: Trial, model: keras.Model) -> None:
    """Check that the layers can be saved, which would fail only after the training."""
    for layer in model.layers:
        try:
            keras.saving.serialize_keras_object(layer)
        except Exception as error:
            raise SettingError(
                f"models.{trial.model}",
                f"the layer {type(layer).__name__} can't be saved; give it a get_config that has "
                f"the arguments of __init__ ({reason_of(error)})",
            ) from error


@dataclass(frozen=True)
class TrainResult:
    """A trained model, on one device, even if several trained it."""

    model: keras.Model
    """The model of scaled images."""
    scaling: keras.Model
    """The same model of uint8 images."""
    data: TrialData
    fitted: FitResult
    devices: int
    """Number of devices that trained."""
    probed: Probe | None
    """The model before training."""
    reused: TrainedNetwork | None = None
    """The earlier run that trained it, if one did."""


def train(
    trial: Trial,
    dataset: Dataset,
    checkpoints: Checkpoints,
    on_epoch: Callable[[EpochReport], None],
    stop: Callable[[], bool],
    on_probe: Callable[[Probe], None] = lambda probed: None,
) -> TrainResult:
    """Build the model of a trial and train it, from its last checkpoint on.

    Arguments and errors: see `involbench.training.trial.run_trial`.
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
    strategy = make_strategy(trial.training)
    with strategy.scope():
        model, scaling = _build_models(trial, dataset, data, strategy)
        probed = _probe(model, data, trial.training.batch_size)
        if probed is not None:
            on_probe(probed)
        fitted = fit(scaling, data, trial, checkpoints, strategy, on_epoch, stop)
    if strategy.count > 1:
        model, scaling = _to_single_device(model, trial, dataset, data)
    return TrainResult(model, scaling, data, fitted, strategy.count, probed)


def _build_models(
    trial: Trial, dataset: Dataset, data: TrialData, strategy: SingleDevice
) -> tuple[keras.Model, keras.Model]:
    """The model of a trial: of scaled images, and of uint8 images."""
    model = build(trial, dataset.input_shape, dataset.num_classes)
    strategy.prepare(model)
    return model, with_scaling(model, data.mean, data.std, strategy.model_class)


def _probe(model: keras.Model, data: TrialData, batch_size: int) -> Probe | None:
    """Probe an untrained model with some training images, a batch at most."""
    order = np.random.default_rng(0).permutation(len(data.train.labels))
    images = data.train.take(order[: min(batch_size, probe.IMAGES)])
    return probe.probe(model, scaled(images, data.mean, data.std))


def _to_single_device(
    model: keras.Model, trial: Trial, dataset: Dataset, data: TrialData
) -> tuple[keras.Model, keras.Model]:
    """Rebuild a model that several devices trained, as a single device builds it.

    Tests and saved files must not depend on the number of devices.
    """
    weights = model.get_weights()
    keras.backend.clear_session()  # So that layers without names get the same names again.
    model, scaling = _build_models(trial, dataset, data, SingleDevice())
    model.set_weights(weights)
    return model, scaling
