"""Involution on TensorFlow: compiled loops on the CPU, XLA elsewhere and for few channels.

On the CPU, TensorFlow calls `involbench.ops.cpu` as functions of NumPy arrays; no size of a batch
or image compiles anything again. Where groups have few channels, XLA is faster. Neither can be part
of a graph that XLA compiles or that leaves this process: there, the sums over shifted views run as
plain operations. The code that traces such a graph chooses them by `plain_operations`, or is
recognized by its module (`_EXPORTERS`).
"""

import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Any, Protocol

import keras
import tensorflow as tf
from tensorflow.python.ops import control_flow_util

from involbench.ops import cpu, shifted_views
from involbench.ops.geometry import Geometry
from involbench.ops.involution import plain_operations_chosen
from involbench.ops.tensorflow import compiled

# They trace a model to save it, and have no other way to tell its layers.
_EXPORTERS = ("keras.src.export", "tensorflow.python.saved_model", "tf2onnx")

_SAVED_LOOPS = (
    "a saved tf.function calls involbench's compiled loops, which only exist in this process: the "
    "saved model will not run in another one. Trace a new tf.function inside `with "
    "involbench.ops.plain_operations():` and save that"
)


def involution(inputs: tf.Tensor, kernels: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    """See `involbench.ops.involution`."""
    image = tuple(inputs.shape[1:])
    known = None not in image
    if plain_operations_chosen() or _in_xla() or _exporting():
        result = _as_operations(inputs, kernels, geometry)
    elif not (known and compiled.few_channels(image, geometry)) and _loops_run():
        result = cpu.adapted(_with_loops, inputs, kernels, geometry)
    elif known:
        result = _with_regions(inputs, kernels, geometry)
    else:
        result = _as_operations(inputs, kernels, geometry)
    return tf.ensure_shape(result, geometry.output_shape(inputs.shape))


def _with_loops(inputs: tf.Tensor, kernels: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    return differentiable(inputs, kernels, _Loops(geometry))


class _Loops:
    """The result and the two gradients by functions of NumPy arrays, channels last."""

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = geometry

    def forward(self, inputs: tf.Tensor, kernels: tf.Tensor) -> tf.Tensor:
        result = self._on_arrays(cpu.forward, inputs, kernels)
        result.set_shape(self._geometry.output_shape(inputs.shape))
        return result

    def inputs_gradient(
        self, shape: tf.Tensor, kernels: tf.Tensor, upstream: tf.Tensor
    ) -> tf.Tensor:
        result = self._on_arrays(cpu.inputs_gradient, shape, kernels, upstream)
        result.set_shape((None, None, None, upstream.shape[-1]))
        return result

    def kernels_gradient(self, inputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        result = self._on_arrays(cpu.kernels_gradient, inputs, upstream)
        result.set_shape(self._geometry.kernels_shape(inputs.shape))
        return result

    def _on_arrays(self, function: Callable[..., Any], *tensors: tf.Tensor) -> tf.Tensor:
        if _exporting():
            # Saving traces the gradients of all operations in the graph. So these loops are in a
            # graph that was traced before.
            warnings.warn(_SAVED_LOOPS, stacklevel=2)
        # Not stateful, so that a gradient that nobody uses is not computed.
        call = partial(function, geometry=self._geometry)
        return tf.numpy_function(call, tensors, tensors[-1].dtype, stateful=False)


def _with_regions(inputs: tf.Tensor, kernels: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    image = tuple(inputs.shape[1:])
    if not _scattered(inputs, geometry):
        return differentiable(inputs, kernels, compiled.Regions(image, geometry))
    # Loops over the channels of a group are only long where these are side by side.
    regions = compiled.Regions(image, replace(geometry, group_layout="contiguous"))
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


class Parts(Protocol):
    """A way to compute the result and its gradients.

    Each is linear in both of its tensors, so that the gradients of each are the other two.
    """

    def forward(self, inputs: tf.Tensor, kernels: tf.Tensor) -> tf.Tensor: ...

    def inputs_gradient(
        self, shape: tf.Tensor, kernels: tf.Tensor, upstream: tf.Tensor
    ) -> tf.Tensor: ...

    def kernels_gradient(self, inputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor: ...


def differentiable(inputs: tf.Tensor, kernels: tf.Tensor, parts: Parts) -> tf.Tensor:
    """The result that `parts` computes, with gradients of any order."""

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


def _as_operations(inputs: tf.Tensor, kernels: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def call(inputs: tf.Tensor, kernels: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            shape = keras.ops.shape(inputs)
            dx = shifted_views.inputs_gradient(shape, kernels, upstream, geometry)
            return dx, shifted_views.kernels_gradient(inputs, upstream, geometry)

        return shifted_views.forward(inputs, kernels, geometry), gradient

    return call(inputs, kernels)


def _loops_run() -> bool:
    only_cpus = all(device.device_type == "CPU" for device in tf.config.get_visible_devices())
    return cpu.available() and only_cpus


def _in_xla() -> bool:
    graph = tf.compat.v1.get_default_graph()
    return bool(control_flow_util.GraphOrParentsInXlaContext(graph))


def _exporting() -> bool:
    """Whether this is part of a trace that will be saved."""
    if tf.executing_eagerly():
        return False
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(_EXPORTERS):
            return True
        frame = frame.f_back
    return False
