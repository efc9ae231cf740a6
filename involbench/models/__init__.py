"""Architecture name -> keras.Model."""

from involbench.models.official_weights import load_official_weights
from involbench.models.registry import build_model

__all__ = ["build_model", "load_official_weights"]
