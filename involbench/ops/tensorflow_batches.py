"""Batches of any size through functions that XLA compiles for one size.

XLA compiles a function anew for every concrete shape. So that a smaller last batch compiles
nothing, a batch whose size is not known goes through in chunks of a size that depends only on the
image; the last chunk is filled up with zeros. A batch far smaller than a chunk, as when a served
model answers for one image, is not worth filling up and runs as plain operations.
"""

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from involbench.ops.geometry import Geometry

# Numbers in a chunk's largest array: enough work for every core, and small against memory.
_CHUNK_NUMBERS = 2**22
_LARGEST_CHUNK = 64
_SMALLEST_SHARE = 8


def over_batch(
    plain: Callable[..., tf.Tensor],
    compiled: Callable[..., tf.Tensor],
    image: tuple[int, ...],
    geometry: Geometry,
) -> Callable[..., tf.Tensor]:
    """A function of the same tensors as both, for every batch size."""
    chunk = chunk_size(image, geometry)
    worth = max(chunk // _SMALLEST_SHARE, 1)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def in_chunks(*tensors: tf.Tensor) -> tf.Tensor:
        size = tf.shape(tensors[0])[0]
        return tf.cond(
            size < worth,
            lambda: plain(*tensors),
            lambda: _in_chunks(compiled, tensors, size, chunk),
        )

    def call(*tensors: tf.Tensor) -> tf.Tensor:
        known = tensors[0].shape[0]
        if known is not None and tf.executing_eagerly() and known < worth:
            return plain(*tensors)
        if known and not tf.executing_eagerly():
            return compiled(*tensors)
        # Only the batch differs from call to call, also where tensors of known shapes are given.
        specs = [tf.TensorSpec((None, *t.shape[1:]), t.dtype) for t in tensors]
        return in_chunks.get_concrete_function(*specs)(*tensors)

    return call


def chunk_size(image: tuple[int, ...], geometry: Geometry) -> int:
    """Images in a chunk: a power of two."""
    numbers = max(math.prod(image), math.prod(geometry.kernels_shape((1, *image))))
    return min(_LARGEST_CHUNK, 2 ** int(math.log2(max(_CHUNK_NUMBERS / numbers, 1))))


def _in_chunks(
    compiled: Callable[..., tf.Tensor], tensors: tuple[Any, ...], size: tf.Tensor, chunk: int
) -> tf.Tensor:
    count = -(-size // chunk)

    def body(index: tf.Tensor, done: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
        parts = [tensor[index * chunk : (index + 1) * chunk] for tensor in tensors]
        missing = tf.maximum((index + 1) * chunk - size, 0)
        filled = tf.cond(missing > 0, lambda: _fill(parts, missing), lambda: parts)
        for part in filled:
            part.set_shape((chunk, *part.shape[1:]))
        return index + 1, done.write(index, compiled(*filled))

    done = tf.TensorArray(tensors[0].dtype, count, infer_shape=False)
    _, done = tf.while_loop(lambda index, _: index < count, body, (0, done), parallel_iterations=1)
    return done.concat()[:size]


def _fill(parts: list[tf.Tensor], missing: tf.Tensor) -> list[tf.Tensor]:
    return [tf.pad(part, [[0, missing], *[[0, 0]] * (len(part.shape) - 1)]) for part in parts]
