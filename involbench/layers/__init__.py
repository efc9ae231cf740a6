"""Keras layers: involution, and what it is compared with."""

from involbench.layers.attention import LocalSelfAttention2D, OutlookAttention2D
from involbench.layers.involution2d import Involution2D
from involbench.layers.official_weights import load_official_weights

__all__ = [
    "Involution2D",
    "LocalSelfAttention2D",
    "OutlookAttention2D",
    "load_official_weights",
]
