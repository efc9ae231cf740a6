"""The slot: any operator by its name, as one layer."""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from involbench.layers.attention import LocalSelfAttention2D, OutlookAttention2D
from involbench.layers.involution2d import Involution2D
from involbench.layers.symmetric import SymmetricConv2D, SymmetricDepthwiseConv2D
from involbench.ops.geometry import check_choice

KEEPS_CHANNELS = ("involution", "depthwise", "none")
"""The operators whose result has as many channels as their input, whatever `filters` says."""


def make_operator(
    operator: str, filters: int, kernel_size: int, strides: int, name: str, **arguments: Any
) -> layers.Layer:
    """A layer that looks at the neighbourhood of each pixel, or, for comparison, at nothing.

    Args:
        operator: One of `OPERATORS`.
        filters: Channels of the output, and of the input where it is one of `KEEPS_CHANNELS`.
        kernel_size: Height and width of the neighbourhood; odd.
        strides: Distance between output pixels.
        name: Of the layer.
        **arguments: The operator's own: the further arguments of `keras.layers.Conv2D`,
            `keras.layers.DepthwiseConv2D`, `Involution2D`, `LocalSelfAttention2D` or
            `OutlookAttention2D`; `none` has none.

    Returns:
        A layer from images (B, H, W, channels) to
        (B, ceil(H / strides), ceil(W / strides), filters).

    Raises:
        ValueError: The operator is unknown, or an argument is out of range.
    """
    check_choice("operator", operator, tuple(OPERATORS))
    return OPERATORS[operator](filters, kernel_size, strides, name=name, **arguments)


def _convolution(filters: int, kernel_size: int, strides: int, **kwargs: Any) -> layers.Layer:
    """One kernel for all pixels, and another for each channel; as of `SymmetricConv2D`."""
    _check_odd(kernel_size)
    if strides > 1:
        return SymmetricConv2D(filters, kernel_size, strides=strides, **kwargs)
    return layers.Conv2D(filters, kernel_size, padding="same", **kwargs)


def _depthwise(filters: int, kernel_size: int, strides: int, **kwargs: Any) -> layers.Layer:
    """Of each channel by itself; as of `SymmetricDepthwiseConv2D`.

    Keras takes all channels for the inputs of each when it draws the initial weights, which are too
    small by the square root of their number. Here a channel has its own taps for inputs.
    """
    _check_odd(kernel_size)
    initializer = keras.initializers.VarianceScaling(1.0, "fan_out", "uniform")
    kwargs = {"depthwise_initializer": initializer, **kwargs}
    if strides > 1:
        return SymmetricDepthwiseConv2D(kernel_size, strides=strides, **kwargs)
    return layers.DepthwiseConv2D(kernel_size, padding="same", **kwargs)


def _involution(filters: int, kernel_size: int, strides: int, **kwargs: Any) -> layers.Layer:
    grouped = {"group_channels": None} if kwargs.get("groups") is not None else {}
    return Involution2D.official(kernel_size, strides, **(grouped | kwargs))


def _none(filters: int, kernel_size: int, strides: int, name: str) -> layers.Layer:
    """The pixels themselves, `y[b,h,w,c] = x[b, s*h, s*w, c]`: nothing is seen of a neighbour."""
    if strides > 1:
        return layers.MaxPooling2D(1, strides, padding="same", name=name)
    return layers.Identity(name=name)


def _check_odd(kernel_size: int) -> None:
    if kernel_size % 2 == 0:
        raise ValueError(f"`kernel_size` must be odd. Received: kernel_size={kernel_size}")


OPERATORS: dict[str, Callable[..., keras.layers.Layer]] = {
    "convolution": _convolution,
    "involution": _involution,
    "depthwise": _depthwise,
    "local_self_attention": LocalSelfAttention2D,
    "outlook_attention": OutlookAttention2D,
    "none": _none,
}
