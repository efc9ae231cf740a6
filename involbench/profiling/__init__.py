"""One model -> what it costs."""

from involbench.profiling.parameters import count_parameters

__all__ = ["count_parameters"]
