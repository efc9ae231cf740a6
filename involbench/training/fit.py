"""Compiling and fitting one model as a spec says."""

from collections.abc import Callable

import keras

from involbench.errors import SpecError
from involbench.models import build_model
from involbench.results.progress import EpochReport
from involbench.spec.optimizers import OptimizerSpec
from involbench.spec.trial import Trial
from involbench.training.batches import EvaluationBatches, Scaler, TrainingBatches
from involbench.training.history import EpochHistory
from involbench.training.split import TrialData


def compile_model(trial: Trial, input_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """Build the trial's model, with its optimizer, loss and metric.

    Raises:
        SpecError: The architecture does not fit the images, or the optimizer its arguments.
    """
    keras.config.set_dtype_policy(trial.training.precision)
    architecture = trial.architecture
    try:
        model = build_model(
            architecture.architecture, input_shape, num_classes, **architecture.arguments
        )
    except ValueError as error:
        size = "x".join(map(str, input_shape))
        reason = str(error).splitlines()[0]
        raise SpecError(
            f"models.{trial.model}: {architecture.architecture} cannot be built for {size} images: "
            f"{reason}"
        ) from error
    model.compile(
        optimizer=_optimizer(trial.training.optimizer),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def _optimizer(spec: OptimizerSpec) -> keras.optimizers.Optimizer:
    try:
        return keras.optimizers.get({"class_name": spec.name, "config": spec.arguments})
    except (ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise SpecError(f"training.optimizer: keras refuses {spec.name}: {reason}") from error


def fit(
    model: keras.Model, data: TrialData, trial: Trial, on_epoch: Callable[[EpochReport], None]
) -> dict[str, list[float]]:
    """Train the compiled model for the trial's epochs; return its history."""
    training = trial.training
    scaler = Scaler(data.mean, data.std)
    history = EpochHistory(training.epochs, on_epoch)
    model.fit(
        TrainingBatches(
            data.train, scaler, training.batch_size, trial.seed, trial.data.augmentation
        ),
        validation_data=EvaluationBatches(data.validation, scaler, training.batch_size),
        epochs=training.epochs,
        callbacks=[history],
        shuffle=False,  # TrainingBatches shuffles, by the seed.
        verbose=0,
    )
    return history.values
