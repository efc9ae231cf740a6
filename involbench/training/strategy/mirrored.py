"""Training on several devices with TensorFlow: `tf.distribute.MirroredStrategy`.

Each device has a replica of the model and an equal part of each batch; the gradients are added. A
batch that does not divide into equal parts, such as the last of an epoch, goes to every replica as
a whole. Either way, the mean of losses and statistics over the replicas is that of the batch.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras
import tensorflow as tf

from involbench.errors import UsageError
from involbench.training.prefetch import Batches, as_tensorflow_dataset
from involbench.training.strategy import SingleDevice


class Replica(keras.Model):
    """A functional model that a strategy trains.

    The data of a step are images, labels, and the share that the replica has in each image: 1, or
    1 / replicas where all replicas have the image.
    """

    def train_step(self, data: Any) -> Any:
        images, labels, shares = data
        with tf.GradientTape() as tape:
            logits = self(images, training=True)
            loss = self.compute_loss(images, labels, logits)
            scaled = self.optimizer.scale_loss(loss)
        weights = self.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(scaled, weights), weights, strict=True))
        return self._loss_and_accuracy(loss, labels, logits, shares)

    def test_step(self, data: Any) -> Any:
        images, labels, shares = data
        logits = self(images, training=False)
        loss = self.compute_loss(images, labels, logits, training=False)
        return self._loss_and_accuracy(loss, labels, logits, shares)

    def _loss_and_accuracy(self, loss: Any, labels: Any, logits: Any, shares: Any) -> Any:
        # Keras has divided the loss by the number of replicas, so that the sum is the mean.
        mean = loss * tf.distribute.get_strategy().num_replicas_in_sync
        self.metrics[0].update_state(mean, sample_weight=tf.reduce_sum(shares))
        return self.compute_metrics(None, labels, logits, shares)


class Mirrored(SingleDevice):
    """All devices compute every step, each with its part of the batch.

    Args:
        devices: Their names in TensorFlow.
    """

    model_class = Replica

    def __init__(self, devices: Sequence[str]) -> None:
        self.count = len(devices)
        self._strategy = tf.distribute.MirroredStrategy(list(devices))

    def scope(self) -> AbstractContextManager[Any]:
        scope: AbstractContextManager[Any] = self._strategy.scope()
        return scope

    def prepare(self, model: keras.Model) -> None:
        """Make batch normalization use the statistics of the images of all replicas.

        Raises:
            UsageError: A layer has an activity_regularizer.
        """
        for layer in model.layers:
            if layer.activity_regularizer is not None:
                # Where replicas exchange statistics, Keras also counts such losses of replicas
                # that finished earlier.
                raise UsageError(
                    "training.distribution: TensorFlow reports a wrong loss for several devices "
                    f"where a layer, here {layer.name}, has an activity_regularizer; use none, or "
                    "KERAS_BACKEND=jax"
                )
            for each in (layer, getattr(layer, "normalization", None)):
                if isinstance(each, keras.layers.BatchNormalization):
                    each.synchronized = True

    def inputs(self, batches: Batches) -> Any:
        return as_tensorflow_dataset(batches, self.count)

    def make_variables(self, model: keras.Model) -> None:
        # With a strategy, Keras creates those of the metrics before the first step.
        model.optimizer.build(model.trainable_variables)

    def metric_variables(self, model: keras.Model) -> list[Any]:
        variables = model.metrics_variables
        parts = [self._strategy.experimental_local_results(each.value) for each in variables]
        return [part for replica in zip(*parts, strict=True) for part in replica]
