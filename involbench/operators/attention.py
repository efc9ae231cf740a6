"""The operators that are attention: `local_self_attention` and `outlook_attention`."""

from functools import partial
from typing import Any

from involbench.operators._arguments import Whole, divisor_faults
from involbench.registry import operator


def _faults(given: Any, channels: Any) -> dict[str, str]:
    found, fewest = divisor_faults({"heads": 8}, given, channels), min(channels)
    if fewest < 2 * given.get("heads", 8):
        found["heads"] = f"expected at most {fewest // 2}, half of the {fewest} channels"
    return found


@operator(check=_faults)
def local_self_attention(channels: int, kernel_size: int, strides: int, *, heads: Whole = 8) -> Any:
    """Each pixel attends to its neighbours (Ramachandran et al., 2019).

    Args:
        heads: Number of attention heads; divides the channels.
    """
    from involbench.layers.attention import LocalSelfAttention2D

    return LocalSelfAttention2D(channels, kernel_size, strides, heads=heads)


@operator(check=partial(divisor_faults, {"heads": 8}))
def outlook_attention(channels: int, kernel_size: int, strides: int, *, heads: Whole = 8) -> Any:
    """Each pixel gives the weights that mix its window (Yuan et al., 2021).

    Args:
        heads: Number of attention heads; divides the channels.
    """
    from involbench.layers.attention import OutlookAttention2D

    return OutlookAttention2D(channels, kernel_size, strides, heads=heads)
