"""The choice of normalization between the kernel generator's two convolutions."""

import math
from typing import Any

from keras import layers

KINDS = ("batch", "layer", "group", None)


def normalization_layer(
    kind: str | None, filters: int, axis: int, momentum: float, epsilon: float, dtype: Any
) -> layers.Layer | None:
    """The layer between the generator's two convolutions; `axis` is that of the channels."""
    shared = {"epsilon": epsilon, "dtype": dtype, "name": "normalization"}
    if kind == "batch":
        return layers.BatchNormalization(axis, momentum=momentum, **shared)
    if kind == "layer":
        return layers.LayerNormalization(axis, **shared)
    if kind == "group":
        return layers.GroupNormalization(math.gcd(32, filters), axis, **shared)
    return None
