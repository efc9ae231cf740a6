"""The gradients of the involution on TensorFlow, of any order.

Every tap of the gradient is a sum over the channels of a group. Written tap by tap, XLA makes a
loop for each, and each reads both images again from memory. Written as a gather of all the shifted
windows it is one loop, in which the taps of a row share what is in the cache; the windows are
never built. The loop runs over the columns of the image where they are the last axis, so with many
channels the images are transposed row by row first, and the result back.

The result and its two gradients are each linear in both of their tensors, so that each one's
gradients are the other two.
"""

from collections.abc import Callable
from typing import Any, Protocol

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla
from tensorflow.compiler.xla import xla_data_pb2

from involbench.ops import shifted_views as taps
from involbench.ops.geometry import Geometry

# Up to this many channels a group, one loop in the images' own order beats transposing them.
_FEW = 4


def kernels_gradient(image: tuple[int, ...], geometry: Geometry) -> Callable[..., tf.Tensor]:
    """The gradient as a function of (inputs, upstream), for strides 1."""
    channels = image[2] if geometry.channels_last else image[0]
    if not geometry.channels_last:
        return tf.function(_Windows(geometry).channels_first, jit_compile=True, autograph=False)
    if channels // geometry.groups <= _FEW:
        return tf.function(_Windows(geometry).channels_last, jit_compile=True, autograph=False)
    return _Windows(geometry).by_rows()


class _Windows:
    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        rows, columns = geometry.rows, geometry.columns
        self.starts = [(rows.offset(i), columns.offset(j)) for i, j in geometry.taps]

    def channels_first(self, inputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        """(B, G, M, H, W) images; taps before the spatial axes."""
        x, dy = self._padded(inputs), self._split(upstream)
        axis = taps.member_axis(self.geometry)
        windows = self._gather(x, dy.shape, (3, 4), 3)
        summed = tf.reduce_sum(windows * dy[:, :, :, None], axis)
        # The taps' axis follows both channel axes, of which one is gone.
        return tf.cast(summed, upstream.dtype)

    def channels_last(self, inputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        """(B, H, W, G, M) images, summed channel by channel."""
        x, dy = self._padded(inputs), self._split(upstream)
        axis = taps.member_axis(self.geometry)
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
        return taps.split_groups(taps.wide(x), self.geometry)

    def _padded(self, x: tf.Tensor) -> tf.Tensor:
        height, width = self.geometry.spatial(x.shape)
        rows, columns = self.geometry.rows, self.geometry.columns
        return taps.pad(
            self._split(x),
            (rows.before(height), rows.after(height)),
            (columns.before(width), columns.after(width)),
            self.geometry,
        )

    def _gather(
        self, x: tf.Tensor, size: tf.TensorShape, axes: tuple[int, int], taps_axis: int
    ) -> tf.Tensor:
        """Windows of `size` from each tap's start, along a new axis `taps_axis`."""
        rank = len(size)
        numbers = xla_data_pb2.GatherDimensionNumbers(
            offset_dims=[axis + (axis >= taps_axis) for axis in range(rank)],
            collapsed_slice_dims=[],
            start_index_map=list(axes),
            index_vector_dim=1,
        )
        starts = tf.constant(self.starts, tf.int32)
        return xla.gather(x, starts, numbers, list(size), indices_are_sorted=False)


def _compile(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    return tf.function(function, jit_compile=True, autograph=False)


class Parts(Protocol):
    """A way to compute the three."""

    def forward(self, inputs: tf.Tensor, kernels: tf.Tensor) -> tf.Tensor: ...

    def inputs_gradient(
        self, shape: tf.Tensor, kernels: tf.Tensor, upstream: tf.Tensor
    ) -> tf.Tensor: ...

    def kernels_gradient(self, inputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor: ...


def differentiable(inputs: tf.Tensor, kernels: tf.Tensor, parts: Parts) -> tf.Tensor:
    """The result of `parts`, with its gradients."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def call(inputs: tf.Tensor, kernels: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            dx = _inputs_gradient(tf.shape(inputs), kernels, upstream, parts)
            dx.set_shape(inputs.shape)
            return dx, _kernels_gradient(inputs, upstream, parts)

        return parts.forward(inputs, kernels), gradient

    return call(inputs, kernels)


def _inputs_gradient(
    shape: tf.Tensor, kernels: tf.Tensor, upstream: tf.Tensor, parts: Parts
) -> tf.Tensor:
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def call(kernels: tf.Tensor, upstream: tf.Tensor) -> Any:
        def gradient(inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            dkernels = _kernels_gradient(inputs, upstream, parts)
            return dkernels, differentiable(inputs, kernels, parts)

        return parts.inputs_gradient(shape, kernels, upstream), gradient

    return call(kernels, upstream)


def _kernels_gradient(inputs: tf.Tensor, upstream: tf.Tensor, parts: Parts) -> tf.Tensor:
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def call(inputs: tf.Tensor, upstream: tf.Tensor) -> Any:
        def gradient(kernels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            dx = _inputs_gradient(tf.shape(inputs), kernels, upstream, parts)
            return dx, differentiable(inputs, kernels, parts)

        return parts.kernels_gradient(inputs, upstream), gradient

    return call(inputs, upstream)
