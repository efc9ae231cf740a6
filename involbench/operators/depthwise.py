"""The depthwise convolution: each channel by itself."""

from typing import Any

from involbench.operators._arguments import Switch, Whole, check_odd
from involbench.registry import operator


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
    """
    import keras

    from involbench.layers.symmetric import SymmetricDepthwiseConv2D

    check_odd(kernel_size)
    initializer = keras.initializers.VarianceScaling(1.0, "fan_out", "uniform")
    own: dict[str, Any] = {
        "depthwise_initializer": _kernel_initializer or initializer,
        "dilation_rate": dilation_rate,
        "use_bias": use_bias,
    }
    if strides > 1:
        return SymmetricDepthwiseConv2D(kernel_size, strides=strides, **own)
    return keras.layers.DepthwiseConv2D(kernel_size, padding="same", **own)
