"""No operator: the control that sees no neighbour."""

from typing import Any

from involbench.registry import operator


@operator(role="other", keeps_channels=True)
def none(channels: int, kernel_size: int, strides: int) -> Any:
    """The pixels themselves: `y[b,h,w,c] = x[b, s*h, s*w, c]`."""
    from keras import layers

    return layers.MaxPooling2D(1, strides, padding="same") if strides > 1 else layers.Identity()
