"""Several devices for one training, on TensorFlow: `tf.distribute.MirroredStrategy`.

Each device has a copy of the model, a replica, and an equal part of each batch; the gradients are
added up. A batch that cannot be divided into equal parts, as the last of an epoch, goes to every
replica whole. Either way the mean of the replicas' losses and statistics is that of the batch.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras
import tensorflow as tf

from involbench.errors import UsageError
from involbench.training.prefetch import Batches
from involbench.training.strategy.single import OneDevice
from involbench.training.tensorflow_dataset import as_tensorflow_dataset


class Replica(keras.Model):
    """A functional model that a strategy trains.

    A step's data are images, labels, and the share that a replica has in each of them: 1, or one
    part of as many as there are replicas, where all of them have it.
    """

    def train_step(self, data: Any) -> Any:
        images, labels, shares = data
        with tf.GradientTape() as tape:
            logits = self(images, training=True)
            loss = self.compute_loss(images, labels, logits)
            scaled = self.optimizer.scale_loss(loss)
        weights = self.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(scaled, weights), weights, strict=True))
        return self._measured(loss, labels, logits, shares)

    def test_step(self, data: Any) -> Any:
        images, labels, shares = data
        logits = self(images, training=False)
        loss = self.compute_loss(images, labels, logits, training=False)
        return self._measured(loss, labels, logits, shares)

    def _measured(self, loss: Any, labels: Any, logits: Any, shares: Any) -> Any:
        # Keras has divided the loss by the number of replicas, so that their sum is the mean.
        mean = loss * tf.distribute.get_strategy().num_replicas_in_sync
        self.metrics[0].update_state(mean, sample_weight=tf.reduce_sum(shares))
        return self.compute_metrics(None, labels, logits, shares)


class Mirrored(OneDevice):
    """Every step is done by all devices, each with its part of the batch.

    Args:
        devices: Their names for TensorFlow.
    """

    model_class = Replica

    def __init__(self, devices: Sequence[str]) -> None:
        self.count = len(devices)
        self._strategy = tf.distribute.MirroredStrategy(list(devices))

    def scope(self) -> AbstractContextManager[Any]:
        scope: AbstractContextManager[Any] = self._strategy.scope()
        return scope

    def prepare(self, model: keras.Model) -> None:
        """Have batch normalization take the statistics of all replicas' images together."""
        for layer in model.layers:
            if layer.activity_regularizer is not None:
                # Where replicas wait for each other's statistics, Keras reports the sum of such
                # losses of those that went on before, too.
                raise UsageError(
                    "training.distribution: TensorFlow reports a wrong loss for several devices "
                    f"where a layer, here {layer.name}, has an activity_regularizer; use none, or "
                    "KERAS_BACKEND=jax"
                )
            own = getattr(layer, "normalization", None)
            for found in (layer, own):
                if isinstance(found, keras.layers.BatchNormalization):
                    found.synchronized = True

    def feed(self, batches: Batches) -> Any:
        return as_tensorflow_dataset(batches, self.count)

    def make_variables(self, model: keras.Model) -> None:
        # Those of the metrics Keras makes of itself before the first step of a strategy.
        model.optimizer.build(model.trainable_variables)

    def sums(self, model: keras.Model) -> list[Any]:
        variables = model.metrics_variables
        parts = [self._strategy.experimental_local_results(each.value) for each in variables]
        return [part for replica in zip(*parts, strict=True) for part in replica]
