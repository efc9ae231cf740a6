"""The checked arguments of an involution, and the places of its taps that follow from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

GROUP_LAYOUTS = ("contiguous", "interleaved")
PADDINGS = ("same", "keras_io")
DATA_FORMATS = ("channels_last", "channels_first")
DTYPES = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True)
class Axis:
    """One spatial axis: the kernel's size, the strides and the dilation along it."""

    kernel_size: int
    strides: int
    dilation: int
    padding: str

    def out_size(self, size: Any) -> Any:
        """ceil(size / strides); `size` is an integer or a backend's scalar, as in all methods."""
        return -(-size // self.strides)

    def before(self, size: Any) -> Any:
        """Zeros before the image.

        `"same"` is symmetric, as in the official code; `"keras_io"` is TensorFlow's SAME, which
        puts the smaller half first when strides leave an odd number of zeros.
        """
        reach = self.dilation * (self.kernel_size - 1)
        if self.padding == "same" or self.strides == 1:
            return reach // 2
        return maximum(self.extent(size) - size, 0) // 2

    def after(self, size: Any) -> Any:
        """Zeros after the image that some tap reaches."""
        return maximum(self.extent(size) - size - self.before(size), 0)

    def extent(self, size: Any) -> Any:
        """Pixels from the first tap of the first output to the last tap of the last."""
        reach = self.dilation * (self.kernel_size - 1)
        return (self.out_size(size) - 1) * self.strides + reach + 1

    def offset(self, tap: int) -> int:
        """Distance of a tap from the first one."""
        return self.dilation * tap


@dataclass(frozen=True)
class Geometry:
    """The arguments of `involution` that are not tensors, checked."""

    rows: Axis
    columns: Axis
    groups: int
    group_layout: str
    data_format: str

    @property
    def taps(self) -> list[tuple[int, int]]:
        """(row, column) of each tap, in the order of the kernels' axis."""
        return [
            (row, column)
            for row in range(self.rows.kernel_size)
            for column in range(self.columns.kernel_size)
        ]

    @property
    def channels_last(self) -> bool:
        return self.data_format == "channels_last"

    def spatial(self, shape: Sequence[Any]) -> tuple[Any, Any]:
        """Height and width of a 4D shape."""
        return tuple(shape[1:3]) if self.channels_last else tuple(shape[2:4])

    def kernels_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        """The shape of the kernels that fit inputs of `shape`; None where unknown."""
        height, width = self.out_sizes(shape)
        last = (self.groups, self.rows.kernel_size * self.columns.kernel_size)
        if self.channels_last:
            return (shape[0], height, width, *last)
        return (shape[0], *last, height, width)

    def output_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        """The shape of the result for inputs of `shape`; None where unknown."""
        height, width = self.out_sizes(shape)
        if self.channels_last:
            return (shape[0], height, width, shape[3])
        return (shape[0], shape[1], height, width)

    def out_sizes(self, shape: Sequence[Any]) -> tuple[Any, Any]:
        height, width = self.spatial(shape)
        return (
            None if height is None else self.rows.out_size(height),
            None if width is None else self.columns.out_size(width),
        )


def make_geometry(
    kernel_size: int | Sequence[int],
    strides: int | Sequence[int] = 1,
    dilation_rate: int | Sequence[int] = 1,
    groups: int = 1,
    group_layout: str = "contiguous",
    padding: str = "same",
    data_format: str | None = None,
) -> Geometry:
    """Check the arguments of an involution.

    Raises:
        ValueError: An argument is out of range; the message names it and what was received.
    """
    sizes = pair("kernel_size", kernel_size)
    for size in sizes:
        if size % 2 == 0:
            raise ValueError(
                "`kernel_size` must be odd, so that the kernel has a centre; use "
                f"{size - 1} or {size + 1}. Received: kernel_size={kernel_size}"
            )
    steps, dilations = pair("strides", strides), pair("dilation_rate", dilation_rate)
    check_positive("groups", groups)
    data_format = keras.config.image_data_format() if data_format is None else data_format
    check_choice("group_layout", group_layout, GROUP_LAYOUTS)
    check_choice("padding", padding, PADDINGS)
    check_choice("data_format", data_format, DATA_FORMATS)
    rows, columns = (
        Axis(size, step, dilation, padding)
        for size, step, dilation in zip(sizes, steps, dilations, strict=True)
    )
    return Geometry(rows, columns, groups, group_layout, data_format)


def check_shapes(inputs: Any, kernels: Any, geometry: Geometry) -> None:
    """Check the shapes and types of the tensors, as far as they are known.

    Raises:
        ValueError: They do not fit each other or the geometry.
    """
    shape, received = tuple(inputs.shape), tuple(kernels.shape)
    for name, tensor, rank in (("inputs", inputs, 4), ("kernels", kernels, 5)):
        if len(tensor.shape) != rank:
            raise ValueError(
                f"`{name}` must have {rank} axes. Received: {name}.shape={tuple(tensor.shape)}"
            )
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        if dtype not in DTYPES:
            raise ValueError(f"`{name}` must be floating point. Received: {name}.dtype={dtype}")
    channels = shape[3] if geometry.channels_last else shape[1]
    check_groups(channels, geometry.groups)
    expected = geometry.kernels_shape(shape)
    pairs = zip(expected, received, strict=True)
    if any(None not in pair and pair[0] != pair[1] for pair in pairs):
        raise ValueError(
            f"`kernels` must have shape {expected} for inputs of shape {shape}. "
            f"Received: kernels.shape={received}"
        )


def check_groups(channels: int | None, groups: int) -> None:
    """Check that the channels are known, and that `groups` divides them."""
    if channels is None:
        raise ValueError("The channels of `inputs` must be known. Received: channels=None")
    if channels % groups:
        raise ValueError(
            f"`groups` must divide the {channels} channels of `inputs`. Received: groups={groups}"
        )


def pair(name: str, value: int | Sequence[int]) -> tuple[int, int]:
    """Make two integers of one or two."""
    values = (value, value) if isinstance(value, int) else value
    if (
        not isinstance(values, (tuple, list))
        or len(values) != 2
        or any(not isinstance(item, int) or isinstance(item, bool) or item < 1 for item in values)
    ):
        raise ValueError(
            f"`{name}` must be a positive integer or two of them. Received: {name}={value!r}"
        )
    return values[0], values[1]


def check_positive(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")


def check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    if value not in choices:
        raise ValueError(f"`{name}` must be one of {tuple(choices)}. Received: {name}={value!r}")


def maximum(value: Any, least: int) -> Any:
    """The larger one; `value` is an integer or a backend's scalar."""
    return max(value, least) if isinstance(value, int) else keras.ops.maximum(value, least)
