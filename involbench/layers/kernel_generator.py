"""The part of an involution layer that makes a kernel for each pixel."""

import math
from typing import Any

import keras
from keras import layers


def normalization_layer(
    kind: str | None, filters: int, axis: int, momentum: float, epsilon: float, dtype: Any
) -> layers.Layer | None:
    """The layer between the generator's two convolutions; `axis` is that of the channels."""
    if kind == "batch":
        return layers.BatchNormalization(axis, momentum=momentum, epsilon=epsilon, dtype=dtype)
    if kind == "layer":
        return layers.LayerNormalization(axis, epsilon=epsilon, dtype=dtype)
    if kind == "group":
        groups = math.gcd(32, filters)
        return layers.GroupNormalization(groups, axis, epsilon=epsilon, dtype=dtype)
    return None


def split_taps(flat: Any, groups: int, taps: int, group_layout: str, channels_last: bool) -> Any:
    """The second convolution's filters as kernels.

    Args:
        flat: (B, H', W', groups * taps), or channels first.
        groups: Number of groups.
        taps: Number of taps of a kernel.
        group_layout: `"contiguous"`, filters ordered group by group, or `"interleaved"`, tap by
            tap.
        channels_last: Whether the filters are the last axis, not the second.

    Returns:
        Kernels, (B, H', W', groups, taps), or (B, groups, taps, H', W').
    """
    batch, *rest = keras.ops.shape(flat)
    pair = (groups, taps) if group_layout == "contiguous" else (taps, groups)
    if channels_last:
        kernels = keras.ops.reshape(flat, (batch, rest[0], rest[1], *pair))
        axes = (3, 4)
    else:
        kernels = keras.ops.reshape(flat, (batch, *pair, rest[1], rest[2]))
        axes = (1, 2)
    if group_layout == "contiguous":
        return kernels
    return keras.ops.swapaxes(kernels, *axes)
