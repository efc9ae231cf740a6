"""Training on one device: what the ways to train on several do otherwise."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np

from involbench.training.prefetch import Batches


class OneDevice:
    """Every step is done by the device that the backend takes of itself."""

    count = 1
    """Devices that train, each a part of every batch."""
    model_class: type[keras.Model] = keras.Model
    """Of the model that is fitted."""

    def scope(self) -> AbstractContextManager[Any]:
        """Where the model is to be built and fitted."""
        return nullcontext()

    def prepare(self, model: keras.Model) -> None:
        """Make a model that was built in the scope ready to be fitted there.

        Raises:
            UsageError: It cannot be.
        """

    def feed(self, batches: Batches) -> Any:
        """What `model.fit` and `model.predict` take, in the form that costs the backend least."""
        if keras.backend.backend() != "tensorflow":
            return batches
        from involbench.training.tensorflow_dataset import as_tensorflow_dataset

        return as_tensorflow_dataset(batches)

    def make_variables(self, model: keras.Model) -> None:
        """Make the optimizer's and the metrics' variables, which a checkpoint restores.

        Keras would make them in the first step, and TensorFlow then traces that step a second time.
        """
        model.optimizer.build(model.trainable_variables)
        label, logits = np.zeros(1, np.int64), np.zeros((1, *model.output_shape[1:]), np.float32)
        model.compute_loss(None, label, logits)
        model.compute_metrics(None, label, logits)
        model.reset_metrics()

    def sums(self, model: keras.Model) -> list[Any]:
        """The variables of the loss and the metrics; device by device, where each has its own."""
        return list(model.metrics_variables)
