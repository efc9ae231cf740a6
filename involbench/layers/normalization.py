"""The choice of normalization between the kernel generator's two convolutions."""

import math
from typing import Any

from keras import layers

KINDS = ("batch", "layer", "group", None)


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
