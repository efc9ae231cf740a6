"""Involution on TensorFlow as regions that XLA compiles: the result and each gradient.

They are compiled one by one, each into a few loops that read every shifted view where it lies.
(Fused into one region they are far slower: XLA's compiler for CPUs then rebuilds the same sums at
every use.)
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import tensorflow as tf

from involbench.ops import taps
from involbench.ops.geometry import Geometry
from involbench.ops.tensorflow_batches import over_batch
from involbench.ops.tensorflow_gradients import differentiable
from involbench.ops.tensorflow_windows import kernels_gradient

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
