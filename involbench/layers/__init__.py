"""Keras layers: involution, and what it is compared with."""

from involbench.layers.involution2d import Involution2D

__all__ = ["Involution2D"]
