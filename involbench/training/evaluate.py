"""A trained model on the test images, as they are and changed."""

from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from involbench.data.corruptions import changed
from involbench.errors import SpecError
from involbench.spec.schema import Condition
from involbench.spec.trial import Trial
from involbench.statistics.classification import expected_calibration_error, macro_f1
from involbench.training.fit import build, with_scaling
from involbench.training.prefetch import EvaluationBatches
from involbench.training.split import Split, TrialData
from involbench.training.strategy.single import OneDevice


@dataclass(frozen=True)
class Predictions:
    """What a model says of N test images."""

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
        """What `predictions.npz` holds."""
        return {
            "labels": self.labels,
            "predicted": self.predicted,
            "probabilities": np.exp(self.log_probabilities).astype(np.float16),
        }


def predict(model: keras.Model, batches: EvaluationBatches) -> Predictions:
    """Run a model of uint8 images, whose outputs are logits, over a split."""
    logits = model.predict(OneDevice().feed(batches), verbose=0).astype(np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    normalizer = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return Predictions(batches.split.labels, shifted - normalizer)


def scores(predictions: Predictions) -> dict[str, float]:
    """Every metric that predictions alone decide."""
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
class Changed:
    """What came of it."""

    metrics: dict[str, float]
    """`<metric>@<condition>` -> value."""
    notes: tuple[str, ...]
    """Of the conditions that the model could not be tested under."""


class ChangedBatches(EvaluationBatches):
    """A split in its own order, each image changed in one way, drawn by the seed."""

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


def under_conditions(
    trial: Trial, model: keras.Model, scaling: keras.Model, data: TrialData, plain: Predictions
) -> Changed:
    """Test a trained model under each condition of its trial's `evaluate`.

    Args:
        trial: What was done.
        model: The model, of scaled images.
        scaling: The same for uint8 images.
        data: The trial's images.
        plain: Its predictions for the test images as they are.

    Returns:
        The metrics of each condition, and `agreement`: the share of images whose predicted class
        is that of the image unchanged.
    """
    metrics, notes = dict[str, float](), list[str]()
    for condition in trial.evaluate.conditions:
        tested: keras.Model | None = scaling
        if condition.kind == "image_size":
            tested = _for_size(int(condition.value), trial, model, scaling, data)
        if tested is None:
            notes.append(
                f"not tested at {condition.name}: the network takes no images of that size"
            )
            continue
        size = trial.training.batch_size
        found = predict(tested, ChangedBatches(data.test, size, condition, trial.seed))
        agreement = float(np.mean(found.predicted == plain.predicted))
        own = scores(found) | {"agreement": agreement}
        metrics |= {f"{name}@{condition.name}": value for name, value in own.items()}
    return Changed(metrics, tuple(notes))


def _for_size(
    side: int, trial: Trial, model: keras.Model, scaling: keras.Model, data: TrialData
) -> keras.Model | None:
    """The model with its weights for images of another size; None where they do not fit."""
    _, height, width, channels = model.input_shape
    if (side, side) == (height, width):
        return scaling
    if not trial.architecture.any_image_size:
        return None
    try:
        other = build(trial, (side, side, channels), model.output_shape[-1])
        other.set_weights(model.get_weights())
    except SpecError:  # Too small for the architecture.
        return None
    return with_scaling(other, data.mean, data.std)
