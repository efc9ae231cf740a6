"""The batches of `involbench.training.prefetch`, handed over by TensorFlow's own pipeline.

Per batch it costs a part of what a Python generator does, which shows where a training step takes
only some milliseconds.
"""

from functools import partial

import tensorflow as tf

from involbench.training.prefetch import Batches, PreparedBatches


def as_tensorflow_dataset(batches: Batches, replicas: int = 1) -> tf.data.Dataset:
    """The batches of a split, or of the epoch that they are in when an iteration starts.

    Args:
        batches: In which order, and how augmented.
        replicas: Among how many a `tf.distribute` strategy will divide each batch. Where there are
            several, each element is images, labels and shares, for
            `involbench.training.strategy.mirrored`.
    """
    take = batches.take if isinstance(batches, PreparedBatches) else batches.__getitem__
    size = batches.batch_size
    # Where no batch is smaller, its size is part of the shape, which compilers can use.
    count = None if len(batches.split.labels) % size else size

    def load(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # As one with a state, it would not run ahead of the training under
        # `enable_op_determinism`; what makes the batches keeps their order.
        images, labels = tf.numpy_function(take, [index], (tf.uint8, tf.int64), stateful=False)
        images.set_shape((count, *batches.image_shape))
        labels.set_shape((count,))
        return images, labels

    plain = tf.data.Options()
    plain.experimental_optimization.map_parallelization = False
    # There is nothing to tune, and what tunes can miss that the iteration is over: each epoch then
    # ends with waiting for its next look, half a second on one core.
    plain.autotune.enabled = False
    pipeline = tf.data.Dataset.range(len(batches)).map(load)
    if replicas > 1:
        pipeline = pipeline.map(partial(_divisible, replicas))
    return pipeline.prefetch(2).with_options(plain)


def _divisible(
    replicas: int, images: tf.Tensor, labels: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """A batch that divides into equal parts as it is, or else as many copies as replicas.

    With the share that a copy is of each image, and its batch size unknown: TensorFlow divides
    batches of a known size by that size.
    """
    whole = tf.shape(labels)[0] % replicas > 0
    copies = tf.where(whole, replicas, 1)
    some_images = tf.tile(images, (copies, 1, 1, 1))
    some_labels = tf.tile(labels, (copies,))
    return (
        some_images,
        some_labels,
        tf.ones_like(some_labels, tf.float32) / tf.cast(copies, "float32"),
    )
