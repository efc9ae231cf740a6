"""Architecture name -> keras.Model."""

from involbench.models.registry import build_model

__all__ = ["build_model"]
