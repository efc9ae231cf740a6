"""Keras layers: involution, and what it is compared with."""

from involbench.layers.attention import LocalSelfAttention2D, OutlookAttention2D
from involbench.layers.involution2d import Involution2D
from involbench.layers.official_weights import load_official_weights
from involbench.layers.symmetric_padding import SharedDepthwiseConv2D

__all__ = [
    "Involution2D",
    "LocalSelfAttention2D",
    "OutlookAttention2D",
    "SharedDepthwiseConv2D",
    "load_official_weights",
]
