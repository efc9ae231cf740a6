"""Benchmarks on TensorFlow: the keras.io arithmetic, compiled calls, waiting, device memory."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from involbench.benchmark.timing import BenchmarkCase, Forward

DATA_FORMAT = "channels_last"
PATCHES = "tf.image.extract_patches, multiply, sum, as the keras.io example does"


def patches(inputs: tf.Tensor, kernels: tf.Tensor, size: int, groups: int) -> tf.Tensor:
    """The keras.io layer's arithmetic, for contiguous groups.

    Args:
        inputs: (B, H, W, C).
        kernels: (B, H, W, groups, size**2).
        size: Height and width of the kernels.
        groups: Divides C.

    Returns:
        (B, H, W, C).
    """
    batch, (height, width, channels) = tf.shape(inputs)[0], inputs.shape[1:]
    window, ones = [1, size, size, 1], [1, 1, 1, 1]
    patches = tf.image.extract_patches(inputs, window, ones, ones, "SAME")
    each = (batch, height, width, size * size, groups, channels // groups)
    kernels = tf.expand_dims(tf.transpose(kernels, (0, 1, 2, 4, 3)), -1)
    summed = tf.reduce_sum(kernels * tf.reshape(patches, each), axis=3)
    return tf.reshape(summed, (batch, height, width, channels))


def to_numpy(tensor: tf.Tensor) -> np.ndarray:
    """The numbers, in main memory."""
    return np.asarray(tensor)


def forward(function: Forward, arguments: tuple[Any, Any]) -> BenchmarkCase:
    """A traced call of `function`, which computes the result."""
    return _traced(lambda *tensors: [function(*tensors)], arguments)


def with_gradients(function: Forward, arguments: tuple[Any, Any], upstream: Any) -> BenchmarkCase:
    """A traced call that computes the result and its gradients by both arguments."""

    def run(first: tf.Tensor, second: tf.Tensor, upstream: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch([first, second])
            result = function(first, second)
        return [result, *tape.gradient(result, [first, second], output_gradients=upstream)]

    return _traced(run, (*arguments, upstream))


def _traced(function: Callable[..., list[tf.Tensor]], arguments: tuple[Any, ...]) -> BenchmarkCase:
    signature = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in arguments]
    return BenchmarkCase(tf.function(function, signature, autograph=False), arguments)


def wait(results: list[Any]) -> None:
    """Return when the results are there."""
    tf.test.experimental.sync_devices()


def device_peak_bytes(call: BenchmarkCase) -> int:
    """The most memory of the first GPU that a call holds beyond what is held before."""
    call()
    before = tf.config.experimental.get_memory_info("GPU:0")["current"]
    tf.config.experimental.reset_memory_stats("GPU:0")
    call()
    return tf.config.experimental.get_memory_info("GPU:0")["peak"] - before
