"""Involution on TensorFlow: compiled regions for the result and for each gradient.

The result and the two gradients are compiled by XLA one by one, each into a few loops that read
every shifted view where it lies. (Fused into one region they are far slower: XLA's compiler for
CPUs then rebuilds the same sums at every use.) Where nothing can be compiled for itself, inside
another compiled function, in an exported model, or for images of unknown size, the same sums run
as plain operations.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Any

import keras
import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops
from tensorflow.python.ops import control_flow_util

from involbench.ops import taps
from involbench.ops.geometry import Geometry
from involbench.ops.tensorflow_batches import over_batch
from involbench.ops.tensorflow_windows import kernels_gradient

_compiled: dict[Any, Callable[..., tf.Tensor]] = {}


def involution(inputs: tf.Tensor, kernels: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    """See `involbench.ops.involution`."""
    if _scattered(inputs, geometry) and compiles(tuple(inputs.shape[1:])):
        # Loops over the channels of a group are long only where these lie side by side.
        inputs = _swap_channels(inputs, geometry.groups)
        result = _involution(inputs, kernels, replace(geometry, group_layout="contiguous"))
        return _swap_channels(result, inputs.shape[3] // geometry.groups)
    return _involution(inputs, kernels, geometry)


def _scattered(inputs: tf.Tensor, geometry: Geometry) -> bool:
    members = (inputs.shape[-1] or 0) // geometry.groups
    interleaved = geometry.group_layout == "interleaved" and geometry.channels_last
    return interleaved and geometry.groups > 1 and members > 1


def _swap_channels(x: tf.Tensor, inner: int) -> tf.Tensor:
    """Channels (C / inner, inner) as (inner, C / inner)."""
    shape = tf.shape(x)
    pairs = tf.reshape(x, (*tf.unstack(shape[:3]), x.shape[3] // inner, inner))
    return tf.reshape(tf.transpose(pairs, (0, 1, 2, 4, 3)), shape)


def _involution(inputs: tf.Tensor, kernels: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    image = tuple(inputs.shape[1:])

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def with_gradient(inputs: tf.Tensor, kernels: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            if not compiles(image):
                return (
                    taps.inputs_gradient(keras.ops.shape(inputs), kernels, upstream, geometry),
                    taps.kernels_gradient(inputs, upstream, geometry),
                )
            dx = _callable("inputs_gradient", image, geometry)(kernels, upstream)
            return dx, _callable("kernels_gradient", image, geometry)(inputs, upstream)

        if compiles(image):
            result = _callable("forward", image, geometry)(inputs, kernels)
        else:
            result = taps.forward(inputs, kernels, geometry)
        result = tf.ensure_shape(result, geometry.output_shape(inputs.shape))
        return result, gradient

    return with_gradient(inputs, kernels)


def compiles(image: tuple[int | None, ...]) -> bool:
    """Whether regions for images of this shape are to be compiled for themselves."""
    if None in image or control_flow_util.GraphOrParentsInXlaContext(_graph()):
        return False
    return not _exporting()


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

    def settled(kernels: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        # Each padded array is read once a tap; padding it anew at every read costs more.
        def settle(x: tf.Tensor) -> tf.Tensor:
            return gen_xla_ops.xla_optimization_barrier([x])[0]

        return taps.inputs_gradient((None, *image), kernels, upstream, geometry, settle)

    return plain, tf.function(settled, jit_compile=True, autograph=False)


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


def _graph() -> Any:
    return tf.compat.v1.get_default_graph()


def _exporting() -> bool:
    """Whether Keras is tracing a model for export; it has no other way to tell a layer."""
    if tf.executing_eagerly():
        return False
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("keras.src.export"):
            return True
        frame = frame.f_back
    return False
