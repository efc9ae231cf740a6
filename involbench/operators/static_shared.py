"""A fixed kernel that a group of channels shares: an involution whose kernel is not generated."""

from functools import partial
from typing import Any

from involbench.operators._arguments import Switch, Whole, check_odd, divisor_faults
from involbench.registry import operator


@operator(keeps_channels=True, check=partial(divisor_faults, {"group_channels": 16}))
def static_shared(
    channels: int,
    kernel_size: int,
    strides: int,
    *,
    group_channels: Whole = 16,
    dilation_rate: Whole = 1,
    use_bias: Switch = True,
    _kernel_initializer: Any = None,
) -> Any:
    """`SharedDepthwiseConv2D`: one kernel for all pixels, shared by the channels of a group.

    Beside `depthwise`, `involution` with one channel a group and `involution` with 16, it tells
    what the sharing does from what the kernel of each pixel does.

    Args:
        group_channels: Channels that share a kernel; divides the channels.
        dilation_rate: Distance between the taps of the kernel, in pixels.
        use_bias: Whether each channel has a bias.
    """
    from involbench.layers.symmetric_padding import SharedDepthwiseConv2D

    check_odd(kernel_size)
    return SharedDepthwiseConv2D(
        kernel_size,
        group_channels,
        _kernel_initializer,
        strides=strides,
        dilation_rate=dilation_rate,
        use_bias=use_bias,
    )
