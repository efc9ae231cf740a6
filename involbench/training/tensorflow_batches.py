"""The training batches of `involbench.training.feed`, handed over by TensorFlow's own pipeline.

Per batch it costs a part of what a Python generator does, which shows where a training step takes
only some milliseconds.
"""

import tensorflow as tf

from involbench.training.feed import PreparedBatches


def as_tensorflow_dataset(prepared: PreparedBatches) -> tf.data.Dataset:
    """The batches of the epoch that `prepared` is in when an iteration starts."""
    split, size = prepared.batches.split, prepared.batches.batch_size
    # Where no batch is smaller, its size is part of the shape, which compilers can use.
    count = None if len(split.labels) % size else size

    def load(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # As one with a state, it would not run ahead of the training under
        # `enable_op_determinism`; what makes the batches keeps their order.
        images, labels = tf.numpy_function(
            prepared.take, [index], (tf.uint8, tf.int64), stateful=False
        )
        images.set_shape((count, *split.images.shape[1:]))
        labels.set_shape((count,))
        return images, labels

    one_at_a_time = tf.data.Options()
    one_at_a_time.experimental_optimization.map_parallelization = False
    pipeline = tf.data.Dataset.range(len(prepared)).map(load).prefetch(2)
    return pipeline.with_options(one_at_a_time)
