"""Building, compiling and fitting one model as a spec says."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from involbench.errors import SpecError
from involbench.models import build_model
from involbench.results.progress import EpochReport
from involbench.spec.trial import Trial
from involbench.training.batches import EvaluationBatches, TrainingBatches
from involbench.training.history import EpochHistory
from involbench.training.split import TrialData


def build(trial: Trial, input_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """Build the trial's model: scaled images in, logits out.

    Raises:
        SpecError: The architecture does not fit the images.
    """
    keras.config.set_dtype_policy(trial.training.precision)
    name, arguments = trial.architecture.architecture, trial.architecture.arguments
    try:
        return build_model(name, input_shape, num_classes, **arguments)
    except ValueError as error:
        size = "x".join(map(str, input_shape))
        reason = str(error).splitlines()[0]
        raise SpecError(
            f"models.{trial.model}: {name} cannot be built for {size} images: {reason}"
        ) from error


def make_optimizer(trial: Trial) -> keras.optimizers.Optimizer:
    """The trial's optimizer.

    Raises:
        SpecError: Keras does not know it, or refuses its arguments.
    """
    spec = trial.training.optimizer
    try:
        return keras.optimizers.get({"class_name": spec.name, "config": spec.arguments})
    except (ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise SpecError(f"training.optimizer: keras refuses {spec.name}: {reason}") from error


def with_scaling(model: keras.Model, data: TrialData) -> keras.Model:
    """The same model, sharing its weights, for uint8 images: it scales them first.

    A batch reaches the device as uint8, a quarter of its size, and is scaled there.
    """
    images = keras.Input(model.input_shape[1:], dtype="uint8")
    return keras.Model(images, model(_scaled(images, data)))


def _scaled(images: Any, data: TrialData) -> Any:
    """(x / 255 - mean) / std, in float32."""
    # Whole rows of factors: backends multiply them faster than one factor a channel.
    width = images.shape[2]
    scaled = keras.ops.cast(images, "float32") * np.tile(1 / (255 * data.std), (width, 1))
    return scaled - np.tile(data.mean / data.std, (width, 1)) if data.mean.any() else scaled


def feed(batches: TrainingBatches) -> Any:
    """What `model.fit` takes, in the form that costs the backend least."""
    if keras.backend.backend() != "tensorflow":
        return batches
    from involbench.training.tensorflow_batches import as_tensorflow_dataset

    return as_tensorflow_dataset(batches)


def fit(
    model: keras.Model, data: TrialData, trial: Trial, on_epoch: Callable[[EpochReport], None]
) -> dict[str, list[float]]:
    """Train a model of uint8 images for the trial's epochs; return its history."""
    training = trial.training
    model.compile(
        optimizer=make_optimizer(trial),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    history = EpochHistory(training.epochs, on_epoch)
    batches = TrainingBatches(data.train, training.batch_size, trial.seed, trial.data.augmentation)
    starter = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: batches.start_epoch(epoch)
    )
    model.fit(
        feed(batches),
        validation_data=EvaluationBatches(data.validation, training.batch_size),
        epochs=training.epochs,
        callbacks=[starter, history],
        shuffle=False,  # TrainingBatches shuffles, by the seed.
        verbose=0,
    )
    return history.values
