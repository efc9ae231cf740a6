"""Training on one device, and what a strategy for several devices may change."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np

from involbench.training.prefetch import Batches, as_tensorflow_dataset


class SingleDevice:
    """The default device of the backend computes every step."""

    count = 1
    """Number of devices, each with a part of every batch."""
    model_class: type[keras.Model] = keras.Model
    """The class of the model that is fitted."""

    def scope(self) -> AbstractContextManager[Any]:
        """The context in which the model is built and fitted."""
        return nullcontext()

    def prepare(self, model: keras.Model) -> None:
        """Adapt a model that was built in the scope.

        Raises:
            UsageError: This strategy cannot train the model.
        """

    def inputs(self, batches: Batches) -> Any:
        """What `model.fit` and `model.predict` take, in the form that costs the backend least."""
        on_tensorflow = keras.backend.backend() == "tensorflow"
        return as_tensorflow_dataset(batches) if on_tensorflow else batches

    def make_variables(self, model: keras.Model) -> None:
        """Create the variables of optimizer and metrics, which a checkpoint restores.

        Keras would create them in the first step, and TensorFlow then traces that step twice.
        """
        model.optimizer.build(model.trainable_variables)
        label, logits = np.zeros(1, np.int64), np.zeros((1, *model.output_shape[1:]), np.float32)
        model.compute_loss(None, label, logits)
        model.compute_metrics(None, label, logits)
        model.reset_metrics()

    def metric_variables(self, model: keras.Model) -> list[Any]:
        """The variables of loss and metrics; device by device, where each device has its own."""
        return list(model.metrics_variables)
