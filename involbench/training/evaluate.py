"""A trained model -> its predictions and metrics on the test images."""

from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from involbench.analysis.predictions import expected_calibration_error, macro_f1
from involbench.training.batches import EvaluationBatches
from involbench.training.one_device import OneDevice


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
