"""Testing a trained model: on the test images, and under the conditions of `evaluate`."""

from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from involbench.data.transforms import changed
from involbench.errors import SpecError
from involbench.spec.schema import Condition
from involbench.spec.trial import Trial
from involbench.statistics.classification import expected_calibration_error, macro_f1
from involbench.training.fit import build, with_scaling
from involbench.training.frozen_kernels import freezing_obstacle, frozen_kernels
from involbench.training.prefetch import EvaluationBatches
from involbench.training.split import Split, TrialData
from involbench.training.strategy import SingleDevice


@dataclass(frozen=True)
class Predictions:
    """The predictions of a model for N test images."""

    labels: NDArray[np.int64]
    """The true classes, (N,)."""
    log_probabilities: NDArray[np.float64]
    """(N, classes)."""

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable classes, (N,)."""
        return np.argmax(self.log_probabilities, axis=1)

    @property
    def accuracy(self) -> float:
        """Fraction correct."""
        return float(np.mean(self.predicted == self.labels))

    @property
    def loss(self) -> float:
        """Mean cross-entropy in nats."""
        true = self.log_probabilities[np.arange(len(self.labels)), self.labels]
        return float(-true.mean())

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The content of `predictions.npz`."""
        return {
            "labels": self.labels,
            "predicted": self.predicted,
            "probabilities": np.exp(self.log_probabilities).astype(np.float16),
        }


def predict(model: keras.Model, batches: EvaluationBatches) -> Predictions:
    """Predict a split with a model from uint8 images to logits."""
    logits = model.predict(SingleDevice().inputs(batches), verbose=0).astype(np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    normalizer = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return Predictions(batches.split.labels, shifted - normalizer)


def scores(predictions: Predictions) -> dict[str, float]:
    """The metrics that follow from predictions."""
    labels = predictions.labels
    return {
        "test_accuracy": predictions.accuracy,
        "test_loss": predictions.loss,
        "macro_f1": macro_f1(labels, predictions.predicted),
        "expected_calibration_error": expected_calibration_error(
            labels, np.exp(predictions.log_probabilities)
        ),
    }


@dataclass(frozen=True)
class ConditionMetrics:
    """The metrics of a model under several conditions."""

    metrics: dict[str, float]
    """`<metric>@<condition>` -> value."""
    notes: tuple[str, ...]
    """One for each condition under which the model could not be tested."""


class CorruptedBatches(EvaluationBatches):
    """The batches of a split, in its order, with images corrupted or resized by a condition."""

    def __init__(self, split: Split, batch_size: int, condition: Condition, seed: int) -> None:
        super().__init__(split, batch_size)
        self.condition, self.seed = condition, seed

    @property
    def image_shape(self) -> tuple[int, ...]:
        side, channels = int(self.condition.value), self.split.images.shape[-1]
        sized = self.condition.kind == "image_size"
        return (side, side, channels) if sized else super().image_shape

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        images, labels = super().__getitem__(index)
        kind, value = self.condition.kind, self.condition.value
        return changed(images, kind, value, self.seed, index * self.batch_size), labels


class _NotTested(Exception):
    """Why a network cannot be tested under a condition."""


def evaluate_conditions(
    trial: Trial, model: keras.Model, scaling: keras.Model, data: TrialData, plain: Predictions
) -> ConditionMetrics:
    """Test a trained model under each condition of `evaluate` in the spec.

    `model` takes scaled images, `scaling` is the same model for uint8 images, and `plain` has its
    predictions for the unchanged test images. The metric `agreement` is the share of images that
    get the same class as the unchanged image, `agreement_if_correct` that share of the images whose
    class was right.
    """
    metrics, notes = dict[str, float](), list[str]()
    for condition in trial.evaluate.all_conditions:
        try:
            predictions = _predicted(condition, trial, model, scaling, data)
        except _NotTested as error:
            notes.append(f"not tested at {condition.name}: {error}")
            continue
        same = predictions.predicted == plain.predicted
        values = scores(predictions) | {"agreement": float(np.mean(same))}
        if len(correct := same[plain.predicted == plain.labels]):
            values["agreement_if_correct"] = float(np.mean(correct))
        metrics |= {f"{name}@{condition.name}": value for name, value in values.items()}
    return ConditionMetrics(metrics, tuple(notes))


def _predicted(
    condition: Condition, trial: Trial, model: keras.Model, scaling: keras.Model, data: TrialData
) -> Predictions:
    """The predictions under a condition. Raises _NotTested if there are none."""
    size = trial.training.batch_size
    if condition.kind == "frozen_kernels":
        if obstacle := freezing_obstacle(model):
            raise _NotTested(obstacle)
        with frozen_kernels(model, condition.value, data, size):
            return predict(scaling, EvaluationBatches(data.test, size))
    if condition.kind == "image_size":
        scaling = _for_size(int(condition.value), trial, model, scaling, data)
    return predict(scaling, CorruptedBatches(data.test, size, condition, trial.seed))


_OTHER_SIZE = "the network takes no images of that size"


def _for_size(
    side: int, trial: Trial, model: keras.Model, scaling: keras.Model, data: TrialData
) -> keras.Model:
    """The model for images of another size, with its weights. Raises _NotTested if none fits."""
    _, height, width, channels = model.input_shape
    if (side, side) == (height, width):
        return scaling
    if not trial.architecture.fits_any_image_size:
        raise _NotTested(_OTHER_SIZE)
    try:
        other = build(trial, (side, side, channels), model.output_shape[-1])
        other.set_weights(model.get_weights())
    except SpecError:  # Too small for the architecture.
        raise _NotTested(_OTHER_SIZE) from None
    return with_scaling(other, data.mean, data.std)
