"""Involution on TensorFlow: compiled loops on the CPU, XLA elsewhere and for few channels.

On the CPU the result and both gradients are computed by `involbench.ops.cpu`, which TensorFlow
calls as functions of NumPy arrays; no size of a batch or image compiles anything anew. Where groups
have few channels, what XLA makes of the sums is faster. Neither can be part of what XLA compiles or
of a graph that leaves this process: there the sums over shifted views run as plain operations.
Who traces such a graph says so (`plain_operations`), or is known by its module (`_EXPORTERS`).
"""

import sys
import warnings
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.ops import control_flow_util

from involbench.ops import cpu
from involbench.ops import shifted_views as taps
from involbench.ops.geometry import Geometry
from involbench.ops.plain import plain_operations_chosen
from involbench.ops.tensorflow import compiled as tensorflow_compiled
from involbench.ops.tensorflow.gradients import differentiable

# Who saves a model traces it on the way, and has no other way to tell a layer.
_EXPORTERS = ("keras.src.export", "tensorflow.python.saved_model", "tf2onnx")

_SAVED_LOOPS = (
    "a saved tf.function calls involbench's compiled loops, which only exist in this process: the "
    "saved model will not run in another one. Trace a new tf.function inside `with "
    "involbench.ops.plain_operations():` and save that"
)


def involution(inputs: tf.Tensor, kernels: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    """See `involbench.ops.involution`."""
    known = None not in inputs.shape[1:]
    if plain_operations_chosen() or _in_xla() or _exporting():
        result = _as_operations(inputs, kernels, geometry)
    elif _by_loops(inputs, geometry, known):
        result = cpu.adapted(_with_loops, inputs, kernels, geometry)
    elif known:
        result = tensorflow_compiled.involution(inputs, kernels, geometry)
    else:
        result = _as_operations(inputs, kernels, geometry)
    return tf.ensure_shape(result, geometry.output_shape(inputs.shape))


def _by_loops(inputs: tf.Tensor, geometry: Geometry, known: bool) -> bool:
    few = known and tensorflow_compiled.few_channels(tuple(inputs.shape[1:]), geometry)
    return not few and cpu.available() and _only_cpus()


def _with_loops(inputs: tf.Tensor, kernels: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    return differentiable(inputs, kernels, _Loops(geometry))


class _Loops:
    """The three parts as functions of NumPy arrays, channels last."""

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
            # The saver traces the gradients of every operation that it saves. So these loops are
            # in a graph that was traced before.
            warnings.warn(_SAVED_LOOPS, stacklevel=2)
        # Not stateful: a gradient that nobody asks for is not computed.
        call = partial(function, geometry=self._geometry)
        return tf.numpy_function(call, tensors, tensors[-1].dtype, stateful=False)


def _as_operations(inputs: tf.Tensor, kernels: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def call(inputs: tf.Tensor, kernels: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            shape = keras.ops.shape(inputs)
            dx = taps.inputs_gradient(shape, kernels, upstream, geometry)
            return dx, taps.kernels_gradient(inputs, upstream, geometry)

        return taps.forward(inputs, kernels, geometry), gradient

    return call(inputs, kernels)


def _only_cpus() -> bool:
    return all(device.device_type == "CPU" for device in tf.config.get_visible_devices())


def _in_xla() -> bool:
    graph = tf.compat.v1.get_default_graph()
    return bool(control_flow_util.GraphOrParentsInXlaContext(graph))


def _exporting() -> bool:
    """Whether this is traced to be saved."""
    if tf.executing_eagerly():
        return False
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(_EXPORTERS):
            return True
        frame = frame.f_back
    return False
