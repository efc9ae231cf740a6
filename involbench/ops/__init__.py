"""The involution operator as a function."""

from involbench.ops.involution import involution

__all__ = ["involution"]
