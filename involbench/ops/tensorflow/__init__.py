"""Involution on TensorFlow: compiled loops on the CPU, XLA elsewhere and for few channels.

On the CPU, TensorFlow calls `involbench.ops.cpu` as functions of NumPy arrays; no size of a batch
or image compiles anything again. Where groups have few channels, XLA is faster. Neither can be part
of a graph that XLA compiles or that leaves this process: there, the sums over shifted views run as
plain operations. The code that traces such a graph chooses them by `plain_operations`, or is
recognized by its module (`_EXPORTERS`).
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import keras
import tensorflow as tf
from tensorflow.python.ops import control_flow_util

from involbench.ops import cpu, shifted_views
from involbench.ops.geometry import Geometry
from involbench.ops.involution import plain_operations_chosen, traced_by
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
    match _fastest(inputs, geometry):
        case "loops":
            result = cpu.adapted(_with_loops, inputs, kernels, geometry)
        case "regions":
            result = _with_regions(inputs, kernels, geometry)
        case "operations":
            result = _as_operations(inputs, kernels, geometry)
    return tf.ensure_shape(result, geometry.output_shape(inputs.shape))


def window_products(inputs: tf.Tensor, others: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    """See `involbench.ops.involution.window_products`."""
    match _fastest(inputs, geometry):
        case "loops":
            return _kernels_gradient(inputs, others, partial(_on_arrays, geometry))
        case "regions":
            region = partial(compiled.region, tuple(inputs.shape[1:]), geometry)
            return _kernels_gradient(inputs, others, region)
        case "operations":
            return shifted_views.kernels_gradient(inputs, others, geometry)


def _fastest(inputs: tf.Tensor, geometry: Geometry) -> Literal["loops", "regions", "operations"]:
    """What computes fastest of what can run where this is traced."""
    image = tuple(inputs.shape[1:])
    known = None not in image
    if plain_operations_chosen() or in_xla() or exporting():
        return "operations"
    if not (known and compiled.few_channels(image, geometry)) and loops_run():
        return "loops"
    return "regions" if known else "operations"


def fused_involution(
    inputs: tf.Tensor,
    reduced: tf.Tensor,
    span: tf.Tensor,
    bias: tf.Tensor,
    geometry: Geometry,
    softmax: bool,
) -> tf.Tensor:
    """See `involbench.ops.fused_involution`; channels last, the span (reduced, filters)."""
    from involbench.ops.tensorflow import fused

    return fused.call((inputs, reduced, span, bias), geometry, softmax)


def fused_obstacle(inputs: tf.Tensor) -> str | None:
    """Why fused involutions cannot be computed here."""
    if in_xla():
        return "XLA compiles this graph, which cannot call the compiled loops"
    if not cpu.available():
        return "numba is not installed or is turned off"
    if not loops_run():
        return "it computes on CPUs, and TensorFlow uses a GPU"
    return None


def _with_loops(inputs: tf.Tensor, kernels: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    return differentiable(inputs, kernels, partial(_on_arrays, geometry))


def _on_arrays(geometry: Geometry, part: str, *tensors: tf.Tensor) -> tf.Tensor:
    """A `Part` by functions of NumPy arrays, channels last."""
    call = partial(getattr(cpu, part), geometry=geometry)
    result = call_loops(call, tensors, tensors[-1].dtype)
    if part == "inputs_gradient":
        result.set_shape((None, None, None, tensors[-1].shape[-1]))
    else:
        shape = geometry.output_shape if part == "forward" else geometry.kernels_shape
        result.set_shape(shape(tensors[0].shape))
    return result


def call_loops(function: Callable[..., Any], tensors: Sequence[tf.Tensor], dtypes: Any) -> Any:
    """Call a function of NumPy arrays."""
    if exporting():
        # Saving traces the gradients of all operations in the graph. So these loops are in a
        # graph that was traced before.
        warnings.warn(_SAVED_LOOPS, stacklevel=2)
    # Not stateful, so that a gradient that nobody uses is not computed.
    return tf.numpy_function(function, tensors, dtypes, stateful=False)


def _with_regions(inputs: tf.Tensor, kernels: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    image = tuple(inputs.shape[1:])
    if not _scattered(inputs, geometry):
        return differentiable(inputs, kernels, partial(compiled.region, image, geometry))
    # Loops over the channels of a group are only long where these are side by side.
    contiguous = replace(geometry, group_layout="contiguous")
    inputs = _swap_channels(inputs, geometry.groups)
    result = differentiable(inputs, kernels, partial(compiled.region, image, contiguous))
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


Part = Callable[..., tf.Tensor]
"""Computes the result or a gradient: ("forward", inputs, kernels), ("inputs_gradient", shape of the
inputs, kernels, upstream) or ("kernels_gradient", inputs, upstream).

Each is linear in both of its tensors, so that the gradients of each are the other two.
"""


def differentiable(inputs: tf.Tensor, kernels: tf.Tensor, compute: Part) -> tf.Tensor:
    """The result that `compute` gives, with gradients of any order."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def call(inputs: tf.Tensor, kernels: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            dx = _inputs_gradient(tf.shape(inputs), kernels, upstream, compute)
            dx.set_shape(inputs.shape)
            return dx, _kernels_gradient(inputs, upstream, compute)

        return compute("forward", inputs, kernels), gradient

    return call(inputs, kernels)


def _inputs_gradient(
    shape: tf.Tensor, kernels: tf.Tensor, upstream: tf.Tensor, compute: Part
) -> tf.Tensor:
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def call(kernels: tf.Tensor, upstream: tf.Tensor) -> Any:
        def gradient(inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            dkernels = _kernels_gradient(inputs, upstream, compute)
            return dkernels, differentiable(inputs, kernels, compute)

        return compute("inputs_gradient", shape, kernels, upstream), gradient

    return call(kernels, upstream)


def _kernels_gradient(inputs: tf.Tensor, upstream: tf.Tensor, compute: Part) -> tf.Tensor:
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def call(inputs: tf.Tensor, upstream: tf.Tensor) -> Any:
        def gradient(kernels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            dx = _inputs_gradient(tf.shape(inputs), kernels, upstream, compute)
            return dx, differentiable(inputs, kernels, compute)

        return compute("kernels_gradient", inputs, upstream), gradient

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


def loops_run() -> bool:
    only_cpus = all(device.device_type == "CPU" for device in tf.config.get_visible_devices())
    return cpu.available() and only_cpus


def in_xla() -> bool:
    graph = tf.compat.v1.get_default_graph()
    return bool(control_flow_util.GraphOrParentsInXlaContext(graph))


def exporting() -> bool:
    """Whether this is part of a trace that will be saved."""
    return not tf.executing_eagerly() and traced_by(_EXPORTERS)
