"""The involution operator, computed by the Keras backend in use."""

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType, ModuleType
from typing import Any

import keras

from involbench.ops import shifted_views
from involbench.ops.geometry import Geometry, check_shapes, make_geometry

_BACKENDS = ("tensorflow", "jax", "torch")
_PLAIN = ContextVar("involbench_plain_operations", default=False)


def involution(
    inputs: Any,
    kernels: Any,
    kernel_size: int | Sequence[int],
    strides: int | Sequence[int] = 1,
    dilation_rate: int | Sequence[int] = 1,
    groups: int = 1,
    group_layout: str = "contiguous",
    padding: str = "same",
    data_format: str | None = None,
) -> Any:
    """Multiply each pixel's neighbourhood with that pixel's own kernel, and sum over the taps.

    `y[b,h,w,c] = sum_k kernels[b,h,w,g(c),k] * x[b, s*h + d*(ki - Kh//2), s*w + d*(kj - Kw//2), c]`

    with zeros outside the image (equation 4 of Li et al., "Involution: Inverting the Inherence of
    Convolution for Visual Recognition", CVPR 2021, arXiv 2103.06255). Differentiable by `inputs`
    and `kernels`, with gradients written by hand. Neither the result nor the gradients build
    patches. 16-bit types are accumulated in float32.

    Args:
        inputs: Images, floating point, (B, H, W, C), or (B, C, H, W) if `channels_first`.
        kernels: One kernel for each output pixel and group, (B, H', W', groups, Kh*Kw), or
            (B, groups, Kh*Kw, H', W') if `channels_first`; taps in row-major order;
            H' = ceil(H / strides).
        kernel_size: Height and width of the kernels: an odd integer, or two.
        strides: Distance between output pixels, in input pixels: an integer, or two.
        dilation_rate: Distance between taps, in input pixels: an integer, or two.
        groups: Number of channel groups that each have a kernel; divides C.
        group_layout: Which group channel c is in: `"contiguous"`, c // (C / groups), as in the
            official code, or `"interleaved"`, c mod groups, as in the keras.io example.
        padding: `"same"`, symmetric zeros as in the official code (the formula above), or
            `"keras_io"`, TensorFlow's SAME, which differs when `strides > 1`.
        data_format: `"channels_last"` or `"channels_first"`; default: Keras's own setting.

    Returns:
        Images of the type of `inputs`, (B, H', W', C), or (B, C, H', W') if `channels_first`.

    Raises:
        ValueError: An argument is out of range, or a tensor has a wrong shape or type. The message
            names it.
        NotImplementedError: The Keras backend is not TensorFlow, JAX or PyTorch.

    Example:

    >>> images = keras.random.normal((2, 8, 8, 4))
    >>> kernels = keras.random.normal((2, 8, 8, 2, 9))
    >>> involution(images, kernels, kernel_size=3, groups=2).shape
    (2, 8, 8, 4)
    """
    geometry = make_geometry(
        kernel_size, strides, dilation_rate, groups, group_layout, padding, data_format
    )
    if any(isinstance(tensor, keras.KerasTensor) for tensor in (inputs, kernels)):
        return InvolutionOperation(geometry)(inputs, kernels)
    inputs, kernels = keras.ops.convert_to_tensor(inputs), keras.ops.convert_to_tensor(kernels)
    return apply(inputs, kernels, geometry)


def apply(inputs: Any, kernels: Any, geometry: Geometry) -> Any:
    """`involution` of tensors, with arguments that were checked before.

    Raises:
        ValueError: A tensor has a wrong shape or type.
    """
    check_shapes(inputs, kernels, geometry)
    kernels = keras.ops.cast(kernels, inputs.dtype)
    return backend_module().involution(inputs, kernels, geometry)


def window_products(inputs: Any, others: Any, geometry: Geometry) -> Any:
    """Sum the products of each pixel's channels with those of every pixel in its window.

    `p[b,h,w,g,k] = sum of others[b,h,w,c] * inputs[b, pixel k of (h,w), c] over the c of group g`

    This is the gradient of involution by its kernels, and differentiable itself. Attention scores
    its neighbours so.

    Args:
        inputs, others: Channels-last images of float32 or float64, (B, H, W, C).
        geometry: Of the windows, with strides of 1.

    Returns:
        (B, H, W, groups, Kh*Kw), zero where a window leaves the image.
    """
    module = backend_module()
    if hasattr(module, "window_products"):
        return module.window_products(inputs, others, geometry)
    return shifted_views.kernels_gradient(inputs, others, geometry)


def backend_module() -> ModuleType:
    """The module that computes involutions on the Keras backend in use.

    Raises:
        NotImplementedError: There is none.
    """
    backend = keras.backend.backend()
    if backend not in _BACKENDS:
        raise NotImplementedError(f"Involution runs on {_BACKENDS}. Received: backend={backend}")
    return importlib.import_module(f"involbench.ops.{backend}")


class InvolutionOperation(keras.Operation):
    """`involution` as a node of a functional model."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.geometry = geometry

    def call(self, inputs: Any, kernels: Any) -> Any:
        return apply(inputs, kernels, self.geometry)

    def compute_output_spec(self, inputs: Any, kernels: Any) -> keras.KerasTensor:
        check_shapes(inputs, kernels, self.geometry)
        return keras.KerasTensor(self.geometry.output_shape(inputs.shape), dtype=inputs.dtype)


@contextmanager
def plain_operations() -> Iterator[None]:
    """Compute involutions by plain operations of the backend inside a `with`.

    On CPUs, TensorFlow and PyTorch otherwise call compiled loops, which only work in this process.
    Trace a `tf.function` inside the `with` before you give it to a converter, freeze it or save it
    as a signature. A `tf.function` that was traced before keeps its calls of the loops, so make a
    new one. Results are equal to rounding; the operations take longer. Keras's own
    `model.export` and `tf2onnx` need no `with`. The choice is for the current thread.

    Example:

    >>> with plain_operations():
    ...     function = tf.function(model).get_concrete_function(tf.TensorSpec((1, 32, 32, 3)))
    >>> tf.lite.TFLiteConverter.from_concrete_functions([function]).convert()
    """
    token = _PLAIN.set(True)
    try:
        yield
    finally:
        _PLAIN.reset(token)


def plain_operations_chosen() -> bool:
    """Whether this is inside `plain_operations`."""
    return _PLAIN.get()


def traced_by(modules: tuple[str, ...]) -> bool:
    """Whether a function of one of these modules or packages has led to this call."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(modules):
            return True
        frame = frame.f_back
    return False
