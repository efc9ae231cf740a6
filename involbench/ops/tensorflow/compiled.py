"""Involution on TensorFlow as regions that XLA compiles for one batch size.

XLA compiles a function again for every concrete shape. So that a smaller last batch compiles
nothing, a batch of unknown size is divided into chunks whose size depends only on the image; zeros
fill up the last chunk. A batch far smaller than a chunk, such as one image for a served model, is
not worth filling up and runs as plain operations.

The result and the two gradients are compiled one by one, each into a few loops that read every
shifted view where it lies. (Fused into one region they are far slower: XLA's compiler for CPUs then
rebuilds the same sums at every use.)
"""

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla
from tensorflow.compiler.xla import xla_data_pb2

from involbench.ops import shifted_views
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
    """A function of the same tensors as `plain` and `compiled`, for every batch size."""
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
        # Only the size of the batch may differ from call to call.
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
# Up to this many channels a group, one loop in the images' layout is faster than transposing them.
_FEWEST = 4

_compiled: dict[Any, Callable[..., tf.Tensor]] = {}


def few_channels(image: tuple[int, ...], geometry: Geometry) -> bool:
    """Whether groups have so few that vectors over an image's columns, XLA's, beat other loops."""
    channels = image[2] if geometry.channels_last else image[0]
    return channels // geometry.groups <= _FEW


def region(image: tuple[int, ...], geometry: Geometry, part: str, *tensors: tf.Tensor) -> tf.Tensor:
    """A `Part` of `involbench.ops.tensorflow`, for images of one shape."""
    # The shape of the inputs is known: it is that of the images.
    tensors = tensors[1:] if part == "inputs_gradient" else tensors
    result = _callable(part, image, geometry)(*tensors)
    if part == "inputs_gradient":
        result.set_shape((None, *image))
    else:
        shape = geometry.output_shape if part == "forward" else geometry.kernels_shape
        result.set_shape(shape(tensors[0].shape))
    return result


def _callable(part: str, image: tuple[int, ...], geometry: Geometry) -> Callable[..., tf.Tensor]:
    """One part for batches of any size; made once for each shape of image."""
    key = (part, image, geometry)
    if key not in _compiled:
        plain, compiled = _PARTS[part](image, geometry)
        _compiled[key] = over_batch(plain, compiled, image, geometry)
    return _compiled[key]


def _forward(image: tuple[int, ...], geometry: Geometry) -> tuple[Any, Any]:
    def plain(inputs: tf.Tensor, kernels: tf.Tensor) -> tf.Tensor:
        return shifted_views.forward(inputs, kernels, geometry)

    return plain, _compile(plain)


def _inputs_gradient(image: tuple[int, ...], geometry: Geometry) -> tuple[Any, Any]:
    def plain(kernels: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        return shifted_views.inputs_gradient((None, *image), kernels, upstream, geometry)

    # With many channels a group, padding what all of them share again and again costs more.
    tap_by_tap = few_channels(image, geometry)

    def compiled(kernels: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        return shifted_views.inputs_gradient(
            (None, *image), kernels, upstream, geometry, tap_by_tap=tap_by_tap
        )

    return plain, _compile(compiled)


def _kernels_gradient(image: tuple[int, ...], geometry: Geometry) -> tuple[Any, Any]:
    def plain(inputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        return shifted_views.kernels_gradient(inputs, upstream, geometry)

    if geometry.rows.strides > 1 or geometry.columns.strides > 1:
        return plain, _compile(plain)
    windows = _Windows(geometry)
    if not geometry.channels_last:
        return plain, _compile(windows.channels_first)
    if image[2] // geometry.groups <= _FEWEST:
        return plain, _compile(windows.channels_last)
    return plain, windows.by_rows()


def _compile(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    return tf.function(function, jit_compile=True, autograph=False)


class _Windows:
    """The gradient by the kernels, for strides 1, as a gather of all shifted windows.

    Each tap of it is a sum over the channels of a group. Written tap by tap, XLA makes a loop for
    each, and each loop reads both images from memory again. A gather is one loop, in which the taps
    of a row share what is in the cache; the windows are never built. The loop runs over the columns
    of the image where they are the last axis. So with many channels, the images are transposed row
    by row before, and the result is transposed back.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        rows, columns = geometry.rows, geometry.columns
        self.starts = [(rows.offset(i), columns.offset(j)) for i, j in geometry.taps]

    def channels_first(self, inputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        """(B, G, M, H, W) images; taps before the spatial axes."""
        x, dy = self._padded(inputs), self._split(upstream)
        axis = shifted_views.member_axis(self.geometry)
        windows = self._gather(x, dy.shape, (3, 4), 3)
        summed = tf.reduce_sum(windows * dy[:, :, :, None], axis)
        return tf.cast(summed, upstream.dtype)

    def channels_last(self, inputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        """(B, H, W, G, M) images, summed channel by channel."""
        x, dy = self._padded(inputs), self._split(upstream)
        axis = shifted_views.member_axis(self.geometry)
        total = None
        for x_m, dy_m in zip(tf.unstack(x, axis=axis), tf.unstack(dy, axis=axis), strict=True):
            term = self._gather(x_m, dy_m.shape, (1, 2), 4) * dy_m[..., None]
            total = term if total is None else total + term
        return tf.cast(total, upstream.dtype)

    def by_rows(self) -> Callable[..., tf.Tensor]:
        """(B, H, G, M, W) images, whose columns come last."""
        last = (0, 1, 3, 4, 2) if self.geometry.group_layout == "contiguous" else (0, 1, 4, 3, 2)

        def windows(x: tf.Tensor, dy: tf.Tensor) -> tf.Tensor:
            return tf.reduce_sum(self._gather(x, dy.shape, (1, 4), 4) * dy[:, :, :, :, None], 3)

        padded = _compile(lambda x: tf.transpose(self._padded(x), last))
        split = _compile(lambda x: tf.transpose(self._split(x), last))
        summed = _compile(windows)

        def gradient(inputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
            by_rows = summed(padded(inputs), split(upstream))
            # TensorFlow transposes the taps, of which there are many, faster than XLA does.
            return tf.cast(tf.transpose(by_rows, (0, 1, 4, 2, 3)), upstream.dtype)

        return gradient

    def _split(self, x: tf.Tensor) -> tf.Tensor:
        return shifted_views.split_groups(shifted_views.wide(x), self.geometry)

    def _padded(self, x: tf.Tensor) -> tf.Tensor:
        height, width = self.geometry.spatial(x.shape)
        return shifted_views.pad_image(self._split(x), height, width, self.geometry)

    def _gather(
        self, x: tf.Tensor, size: tf.TensorShape, axes: tuple[int, int], taps_axis: int
    ) -> tf.Tensor:
        """Windows of `size` from the start of each tap, along a new axis `taps_axis`."""
        rank = len(size)
        numbers = xla_data_pb2.GatherDimensionNumbers(
            offset_dims=[axis + (axis >= taps_axis) for axis in range(rank)],
            collapsed_slice_dims=[],
            start_index_map=list(axes),
            index_vector_dim=1,
        )
        starts = tf.constant(self.starts, tf.int32)
        return xla.gather(x, starts, numbers, list(size), indices_are_sorted=False)


_PARTS = {
    "forward": _forward,
    "inputs_gradient": _inputs_gradient,
    "kernels_gradient": _kernels_gradient,
}
