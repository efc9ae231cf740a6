"""The convolution: one kernel for all pixels, and another for each channel."""

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
    """`keras.layers.Conv2D`; padded symmetrically where it has strides."""
    from keras import layers

    from involbench.layers.symmetric import SymmetricConv2D

    check_odd(kernel_size)
    own: dict[str, Any] = {
        "dilation_rate": dilation_rate, "groups": groups, "use_bias": use_bias,
        "kernel_initializer": _kernel_initializer,
    }  # fmt: skip
    if strides > 1:
        return SymmetricConv2D(channels, kernel_size, strides=strides, **own)
    return layers.Conv2D(channels, kernel_size, padding="same", **own)
