"""Involution on TensorFlow as regions that XLA compiles for one batch size.

XLA compiles a function anew for every concrete shape. So that a smaller last batch compiles
nothing, a batch whose size is not known goes through in chunks of a size that depends only on the
image; the last chunk is filled up with zeros. A batch far smaller than a chunk, as when a served
model answers for one image, is not worth filling up and runs as plain operations.

They are compiled one by one, each into a few loops that read every shifted view where it lies.
(Fused into one region they are far slower: XLA's compiler for CPUs then rebuilds the same sums at
every use.)
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import tensorflow as tf

from involbench.ops import shifted_views as taps
from involbench.ops.geometry import Geometry
from involbench.ops.tensorflow.gradients import differentiable, kernels_gradient

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


_FEW = 7

_compiled: dict[Any, Callable[..., tf.Tensor]] = {}


def few_channels(image: tuple[int, ...], geometry: Geometry) -> bool:
    """Whether groups have so few that XLA's vectors over an image's columns beat other loops."""
    channels = image[2] if geometry.channels_last else image[0]
    return channels // geometry.groups <= _FEW


def involution(inputs: tf.Tensor, kernels: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    """See `involbench.ops.involution`; for images of known size, outside XLA."""
    image = tuple(inputs.shape[1:])
    if not _scattered(inputs, geometry):
        return differentiable(inputs, kernels, _Regions(image, geometry))
    # Loops over the channels of a group are long only where these lie side by side.
    regions = _Regions(image, replace(geometry, group_layout="contiguous"))
    inputs = _swap_channels(inputs, geometry.groups)
    result = differentiable(inputs, kernels, regions)
    return _swap_channels(result, inputs.shape[3] // geometry.groups)


def _scattered(inputs: tf.Tensor, geometry: Geometry) -> bool:
    members = (inputs.shape[-1] or 0) // geometry.groups
    interleaved = geometry.group_layout == "interleaved" and geometry.channels_last
    return interleaved and geometry.groups > 1 and members > 1


def _swap_channels(x: tf.Tensor, inner: int) -> tf.Tensor:
    """Channels (C / inner, inner) as (inner, C / inner)."""
    shape = tf.shape(x)
    pairs = tf.reshape(x, (*tf.unstack(shape[:3]), x.shape[3] // inner, inner))
    return tf.reshape(tf.transpose(pairs, (0, 1, 2, 4, 3)), shape)


class _Regions:
    """The three parts for images of one shape."""

    def __init__(self, image: tuple[int, ...], geometry: Geometry) -> None:
        self._image, self._geometry = image, geometry

    def forward(self, inputs: tf.Tensor, kernels: tf.Tensor) -> tf.Tensor:
        result = self._part("forward", inputs, kernels)
        result.set_shape(self._geometry.output_shape(inputs.shape))
        return result

    def inputs_gradient(
        self, shape: tf.Tensor, kernels: tf.Tensor, upstream: tf.Tensor
    ) -> tf.Tensor:
        return self._part("inputs_gradient", kernels, upstream)

    def kernels_gradient(self, inputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        return self._part("kernels_gradient", inputs, upstream)

    def _part(self, name: str, *tensors: tf.Tensor) -> tf.Tensor:
        return _callable(name, self._image, self._geometry)(*tensors)


def _callable(part: str, image: tuple[int, ...], geometry: Geometry) -> Callable[..., tf.Tensor]:
    """One of the three parts, over batches of any size; made once for each shape of image."""
    key = (part, image, geometry)
    if key not in _compiled:
        plain, compiled = _PARTS[part](image, geometry)
        _compiled[key] = over_batch(plain, compiled, image, geometry)
    return _compiled[key]


def _forward(image: tuple[int, ...], geometry: Geometry) -> tuple[Any, Any]:
    def plain(inputs: tf.Tensor, kernels: tf.Tensor) -> tf.Tensor:
        return taps.forward(inputs, kernels, geometry)

    return plain, tf.function(plain, jit_compile=True, autograph=False)


def _inputs_gradient(image: tuple[int, ...], geometry: Geometry) -> tuple[Any, Any]:
    def plain(kernels: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        return taps.inputs_gradient((None, *image), kernels, upstream, geometry)

    # With many channels a group, padding what all of them share again and again costs more.
    tap_by_tap = few_channels(image, geometry)

    def compiled(kernels: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        shape = (None, *image)
        return taps.inputs_gradient(shape, kernels, upstream, geometry, tap_by_tap=tap_by_tap)

    return plain, tf.function(compiled, jit_compile=True, autograph=False)


def _kernels_gradient(image: tuple[int, ...], geometry: Geometry) -> tuple[Any, Any]:
    def plain(inputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        return taps.kernels_gradient(inputs, upstream, geometry)

    if geometry.rows.strides > 1 or geometry.columns.strides > 1:
        return plain, tf.function(plain, jit_compile=True, autograph=False)
    return plain, kernels_gradient(image, geometry)


_PARTS = {
    "forward": _forward,
    "inputs_gradient": _inputs_gradient,
    "kernels_gradient": _kernels_gradient,
}
