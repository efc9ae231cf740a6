"""Involution on TensorFlow: compiled loops on the CPU, plain operations elsewhere.

On the CPU the result and both gradients are computed by `involbench.ops.cpu`, which TensorFlow
calls as functions of NumPy arrays; no size of a batch or image compiles anything anew. Such a call
can be no part of what XLA compiles or of a graph that leaves this process: there the sums over
shifted views run as plain operations. On other devices XLA compiles those, one by one. (Fused into
one region they can be far slower: XLA then rebuilds the same sums at every use.)
"""

import functools
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.ops import control_flow_util

from involbench.ops import cpu, taps
from involbench.ops.geometry import Geometry

# Who saves a model traces it on the way, and has no other way to tell a layer.
_EXPORTERS = ("keras.src.export", "tensorflow.python.saved_model")


def involution(inputs: tf.Tensor, kernels: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    """See `involbench.ops.involution`."""
    leaves = _in_xla() or _exporting()
    if not leaves and cpu.available() and _only_cpus():
        result = cpu.adapted(_forward, inputs, kernels, geometry)
    else:
        compiled = not leaves and None not in inputs.shape[1:]
        result = _as_operations(inputs, kernels, geometry, compiled)
    return tf.ensure_shape(result, geometry.output_shape(inputs.shape))


# The three are each other's gradients: each is linear in both of its tensors.


def _forward(inputs: tf.Tensor, kernels: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def call(inputs: tf.Tensor, kernels: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            dx = _inputs_gradient(tf.shape(inputs), kernels, upstream, geometry)
            dx.set_shape(inputs.shape)
            return dx, _kernels_gradient(inputs, upstream, geometry)

        result = _on_arrays(cpu.forward, geometry, inputs, kernels)
        result.set_shape(geometry.output_shape(inputs.shape))
        return result, gradient

    return call(inputs, kernels)


def _inputs_gradient(
    shape: tf.Tensor, kernels: tf.Tensor, upstream: tf.Tensor, geometry: Geometry
) -> tf.Tensor:
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def call(kernels: tf.Tensor, upstream: tf.Tensor) -> Any:
        def gradient(inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            dkernels = _kernels_gradient(inputs, upstream, geometry)
            return dkernels, _forward(inputs, kernels, geometry)

        dx = _on_arrays(cpu.inputs_gradient, geometry, shape, kernels, upstream)
        dx.set_shape((None, None, None, upstream.shape[-1]))
        return dx, gradient

    return call(kernels, upstream)


def _kernels_gradient(inputs: tf.Tensor, upstream: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def call(inputs: tf.Tensor, upstream: tf.Tensor) -> Any:
        def gradient(kernels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            dx = _inputs_gradient(tf.shape(inputs), kernels, upstream, geometry)
            return dx, _forward(inputs, kernels, geometry)

        dkernels = _on_arrays(cpu.kernels_gradient, geometry, inputs, upstream)
        dkernels.set_shape(geometry.kernels_shape(inputs.shape))
        return dkernels, gradient

    return call(inputs, upstream)


def _on_arrays(function: Callable[..., Any], geometry: Geometry, *tensors: tf.Tensor) -> tf.Tensor:
    # Not stateful: a gradient that nobody asks for is not computed.
    call = partial(function, geometry=geometry)
    return tf.numpy_function(call, tensors, tensors[-1].dtype, stateful=False)


def _as_operations(
    inputs: tf.Tensor, kernels: tf.Tensor, geometry: Geometry, compiled: bool
) -> tf.Tensor:
    def run(part: Callable[..., tf.Tensor], *tensors: tf.Tensor) -> tf.Tensor:
        return _compiled(part, geometry)(*tensors) if compiled else part(*tensors, geometry)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def call(inputs: tf.Tensor, kernels: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            dx = run(_plain_inputs_gradient, inputs, kernels, upstream)
            return dx, run(taps.kernels_gradient, inputs, upstream)

        return run(taps.forward, inputs, kernels), gradient

    return call(inputs, kernels)


def _plain_inputs_gradient(
    inputs: tf.Tensor, kernels: tf.Tensor, upstream: tf.Tensor, geometry: Geometry
) -> tf.Tensor:
    return taps.inputs_gradient(keras.ops.shape(inputs), kernels, upstream, geometry)


@functools.cache
def _compiled(part: Callable[..., tf.Tensor], geometry: Geometry) -> Callable[..., tf.Tensor]:
    return tf.function(partial(part, geometry=geometry), jit_compile=True, autograph=False)


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
