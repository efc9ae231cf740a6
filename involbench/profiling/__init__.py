"""One model -> what it costs."""

from involbench.profiling.outline import only_outlines
from involbench.profiling.parameters import count_parameters

__all__ = ["count_parameters", "only_outlines"]
