"""The involution with its kernels' generation: no tensor of kernels is ever built."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras

from involbench.ops.geometry import DTYPES, Geometry, check_choice, check_groups, make_geometry
from involbench.ops.involution import apply, backend_module, plain_operations_chosen

KERNEL_ACTIVATIONS = (None, "softmax")
TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
"""Orders of axes, for `transpose`."""
# Fewer channels a group leave most of a vector empty; groups of one or two are joined.
_FEWEST_MEMBERS, _FEWEST_CHANNELS = 8, 16
_JOINED_MEMBERS = 2

_enabled: bool | None = None


def enable_fused_involution() -> None:
    """Make every `Involution2D` whose `fused` is None fused; where it cannot be, it raises."""
    _set_enabled(True)


def disable_fused_involution() -> None:
    """Make every `Involution2D` whose `fused` is None store its kernels."""
    _set_enabled(False)


def is_fused_involution_enabled() -> bool | None:
    """What was chosen for all layers; None, the default: fused where possible and faster."""
    return _enabled


def _set_enabled(enabled: bool | None) -> None:
    global _enabled
    _enabled = enabled


def fused_involution(
    inputs: Any,
    reduced: Any,
    span_kernel: Any,
    span_bias: Any,
    kernel_size: int | Sequence[int],
    strides: int | Sequence[int] = 1,
    dilation_rate: int | Sequence[int] = 1,
    groups: int = 1,
    group_layout: str = "contiguous",
    padding: str = "same",
    data_format: str | None = None,
    kernel_activation: str | None = None,
) -> Any:
    """Generate a kernel for each pixel by a 1x1 convolution, and apply it as `involution` does.

    It equals `involution(inputs, kernels, ...)` to rounding, where `kernels` are the filters of
    `conv(reduced, span_kernel) + span_bias`, ordered group by group where groups are contiguous,
    tap by tap where they are interleaved. Differentiable by the first four arguments. On CPUs,
    float32 and float64 are computed in strips of a few pixels: their kernels are made, used and
    forgotten, and the gradients make them again. Elsewhere the kernels are stored.

    Args:
        inputs: Images, floating point, (B, H, W, C), or (B, C, H, W) if `channels_first`.
        reduced: Features that the kernels are made from, (B, H', W', R), or (B, R, H', W') if
            `channels_first`; H' = ceil(H / strides).
        span_kernel: Weights of the 1x1 convolution, (1, 1, R, groups * Kh * Kw).
        span_bias: Its bias, (groups * Kh * Kw,), or None.
        kernel_size: Height and width of the kernels: an odd integer, or two.
        strides: Distance between output pixels, in input pixels: an integer, or two.
        dilation_rate: Distance between taps, in input pixels: an integer, or two.
        groups: Number of channel groups that each have a kernel; divides C.
        group_layout: `"contiguous"` or `"interleaved"`; see `involution`.
        padding: `"same"` or `"keras_io"`; see `involution`.
        data_format: `"channels_last"` or `"channels_first"`; default: Keras's own setting.
        kernel_activation: None, or `"softmax"` over the taps of each kernel.

    Returns:
        Images of the type of `inputs`, (B, H', W', C), or (B, C, H', W') if `channels_first`.

    Raises:
        ValueError: An argument is out of range, or a tensor has a wrong shape or type. The message
            names it.
        NotImplementedError: The Keras backend is not TensorFlow, JAX or PyTorch.

    Example:

    >>> images, reduced = keras.random.normal((2, 8, 8, 4)), keras.random.normal((2, 8, 8, 3))
    >>> span_kernel = keras.random.normal((1, 1, 3, 18))
    >>> fused_involution(images, reduced, span_kernel, None, kernel_size=3, groups=2).shape
    (2, 8, 8, 4)
    """
    geometry = make_geometry(
        kernel_size, strides, dilation_rate, groups, group_layout, padding, data_format
    )
    check_choice("kernel_activation", kernel_activation, KERNEL_ACTIVATIONS)
    softmax = kernel_activation == "softmax"
    tensors = [inputs, reduced, span_kernel, *([] if span_bias is None else [span_bias])]
    if any(isinstance(tensor, keras.KerasTensor) for tensor in tensors):
        return FusedInvolutionOperation(geometry, softmax)(*tensors)
    return apply_fused(
        *map(keras.ops.convert_to_tensor, tensors), geometry=geometry, softmax=softmax
    )


def apply_fused(
    inputs: Any,
    reduced: Any,
    span_kernel: Any,
    span_bias: Any = None,
    *,
    geometry: Geometry,
    softmax: bool,
) -> Any:
    """`fused_involution` of tensors, with arguments that were checked before.

    Raises:
        ValueError: A tensor has a wrong shape or type.
    """
    check_fused_shapes(inputs, reduced, span_kernel, span_bias, geometry)
    span = keras.ops.cast(span_kernel[0, 0], inputs.dtype)
    bias = keras.ops.zeros_like(span[0]) if span_bias is None else span_bias
    bias, reduced = keras.ops.cast(bias, inputs.dtype), keras.ops.cast(reduced, inputs.dtype)
    last = replace(geometry, data_format="channels_last")
    if not geometry.channels_last:
        inputs, reduced = (keras.ops.transpose(each, TO_LAST) for each in (inputs, reduced))
    if leaves_process() or obstacle(inputs):
        result = stored(inputs, reduced, span, bias, last, softmax)
    else:
        result = backend_module().fused_involution(inputs, reduced, span, bias, last, softmax)
    return result if geometry.channels_last else keras.ops.transpose(result, TO_FIRST)


def stored(
    inputs: Any, reduced: Any, span: Any, bias: Any, geometry: Geometry, softmax: bool
) -> Any:
    """The same with a tensor of kernels, channels last; the span is (R, filters)."""
    kernels = split_taps(keras.ops.matmul(reduced, span) + bias, geometry)
    return apply(inputs, keras.ops.softmax(kernels) if softmax else kernels, geometry)


def leaves_process() -> bool:
    """Whether this is traced for another process, in which the compiled loops do not exist."""
    return plain_operations_chosen() or backend_module().exporting()


def obstacle(inputs: Any) -> str | None:
    """Why a fused involution of these tensors would store its kernels; None if it would not."""
    dtype = keras.backend.standardize_dtype(inputs.dtype)
    if dtype not in ("float32", "float64"):
        return f"it computes float32 and float64, not {dtype}"
    return backend_module().fused_obstacle(inputs)


def is_faster(channels: int, groups: int) -> bool:
    """Whether a fused involution is known to take less time than stored kernels."""
    members = channels // groups
    joined = members <= _JOINED_MEMBERS and channels >= _FEWEST_CHANNELS
    return joined or members >= _FEWEST_MEMBERS


def split_taps(flat: Any, geometry: Geometry) -> Any:
    """The filters of the second convolution as kernels, (B, H', W', groups, Kh * Kw).

    The filters are ordered group by group where groups are contiguous, tap by tap where they are
    interleaved. With `channels_first`, both axes come before the spatial ones.
    """
    batch, *rest = keras.ops.shape(flat)
    contiguous = geometry.group_layout == "contiguous"
    pair = (geometry.groups, len(geometry.taps))
    pair = pair if contiguous else pair[::-1]
    if geometry.channels_last:
        kernels, axes = keras.ops.reshape(flat, (batch, rest[0], rest[1], *pair)), (3, 4)
    else:
        kernels, axes = keras.ops.reshape(flat, (batch, *pair, rest[1], rest[2])), (1, 2)
    return kernels if contiguous else keras.ops.swapaxes(kernels, *axes)


def check_fused_shapes(
    inputs: Any, reduced: Any, span_kernel: Any, span_bias: Any, geometry: Geometry
) -> None:
    """Check the shapes and types of the tensors, as far as they are known.

    Raises:
        ValueError: They do not fit each other or the geometry.
    """
    ranks = {"inputs": (inputs, 4), "reduced": (reduced, 4), "span_kernel": (span_kernel, 4)}
    if span_bias is not None:
        ranks["span_bias"] = (span_bias, 1)
    for name, (tensor, rank) in ranks.items():
        if len(tensor.shape) != rank:
            raise ValueError(
                f"`{name}` must have {rank} axes. Received: {name}.shape={tuple(tensor.shape)}"
            )
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        if dtype not in DTYPES:
            raise ValueError(f"`{name}` must be floating point. Received: {name}.dtype={dtype}")
    axis = 3 if geometry.channels_last else 1
    check_groups(inputs.shape[axis], geometry.groups)
    filters = geometry.groups * len(geometry.taps)
    batch, features = inputs.shape[0], reduced.shape[axis]
    sizes = geometry.out_sizes(inputs.shape)
    of_reduced = (batch, *sizes, features) if axis == 3 else (batch, features, *sizes)
    expected: dict[str, tuple[Any, ...]] = {
        "reduced": of_reduced,
        "span_kernel": (1, 1, features, filters),
    }
    if span_bias is not None:
        expected["span_bias"] = (filters,)
    for name, shape in expected.items():
        received = tuple(ranks[name][0].shape)
        pairs = zip(shape, received, strict=True)
        if any(None not in pair and pair[0] != pair[1] for pair in pairs):
            raise ValueError(
                f"`{name}` must have shape {shape} for inputs of shape {tuple(inputs.shape)}. "
                f"Received: {name}.shape={received}"
            )


class FusedInvolutionOperation(keras.Operation):
    """`fused_involution` as a node of a functional model."""

    def __init__(self, geometry: Geometry, softmax: bool) -> None:
        super().__init__()
        self.geometry, self.softmax = geometry, softmax

    def call(self, *tensors: Any) -> Any:
        return apply_fused(*tensors, geometry=self.geometry, softmax=self.softmax)

    def compute_output_spec(
        self, inputs: Any, reduced: Any, span_kernel: Any, span_bias: Any = None
    ) -> keras.KerasTensor:
        check_fused_shapes(inputs, reduced, span_kernel, span_bias, self.geometry)
        return keras.KerasTensor(self.geometry.output_shape(inputs.shape), dtype=inputs.dtype)
