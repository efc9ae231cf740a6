"""The operator `outlook_attention`."""

from functools import partial
from typing import Any

from involbench.operators._arguments import Whole, divisor_faults
from involbench.registry import operator


@operator(check=partial(divisor_faults, {"heads": 8}))
def outlook_attention(channels: int, kernel_size: int, strides: int, *, heads: Whole = 8) -> Any:
    """Each pixel gives the weights that mix its window (Yuan et al., 2021)."""
    from involbench.layers.attention import OutlookAttention2D

    return OutlookAttention2D(channels, kernel_size, strides, heads=heads)
