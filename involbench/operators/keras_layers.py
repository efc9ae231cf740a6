"""The operators that are layers of Keras: `convolution`, `depthwise`, and the control `none`."""

from functools import partial
from typing import Any

from involbench.operators._arguments import Switch, Whole, check_odd, divisor_faults
from involbench.registry import operator


@operator(check=partial(divisor_faults, {"groups": 1}))
def convolution(
    channels: int,
    kernel_size: int,
    strides: int,
    *,
    dilation_rate: Whole = 1,
    groups: Whole = 1,
    use_bias: Switch = True,
    _kernel_initializer: Any = "glorot_uniform",
) -> Any:
    """`keras.layers.Conv2D`; padded symmetrically where it has strides.

    Args:
        dilation_rate: Distance between the taps of the kernel, in pixels.
        groups: Number of channel groups, each convolved on its own; divides the channels.
        use_bias: Whether each output channel has a bias.
    """
    from keras import layers

    from involbench.layers.symmetric_padding import SymmetricConv2D

    check_odd(kernel_size)
    own: dict[str, Any] = {
        "dilation_rate": dilation_rate, "groups": groups, "use_bias": use_bias,
        "kernel_initializer": _kernel_initializer,
    }  # fmt: skip
    if strides > 1:
        return SymmetricConv2D(channels, kernel_size, strides=strides, **own)
    return layers.Conv2D(channels, kernel_size, padding="same", **own)


@operator(keeps_channels=True)
def depthwise(
    channels: int,
    kernel_size: int,
    strides: int,
    *,
    dilation_rate: Whole = 1,
    use_bias: Switch = True,
    _kernel_initializer: Any = None,
) -> Any:
    """`keras.layers.DepthwiseConv2D`; padded symmetrically where it has strides.

    Keras counts all channels as inputs of each when it draws the initial weights, which makes them
    too small by the square root of their number. Here the inputs of a channel are its own taps.

    Args:
        dilation_rate: Distance between the taps of the kernel, in pixels.
        use_bias: Whether each channel has a bias.
    """
    import keras

    from involbench.layers.symmetric_padding import SymmetricDepthwiseConv2D

    check_odd(kernel_size)
    initializer = keras.initializers.VarianceScaling(1.0, "fan_out", "uniform")
    own: dict[str, Any] = {
        "depthwise_initializer": _kernel_initializer or initializer,
        "dilation_rate": dilation_rate, "use_bias": use_bias,
    }  # fmt: skip
    if strides > 1:
        return SymmetricDepthwiseConv2D(kernel_size, strides=strides, **own)
    return keras.layers.DepthwiseConv2D(kernel_size, padding="same", **own)


@operator(role="other", keeps_channels=True)
def none(channels: int, kernel_size: int, strides: int) -> Any:
    """No operator, the control that sees no neighbour: `y[b,h,w,c] = x[b, s*h, s*w, c]`."""
    from keras import layers

    return layers.MaxPooling2D(1, strides, padding="same") if strides > 1 else layers.Identity()
