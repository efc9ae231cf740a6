"""The involution operator as a function."""

from involbench.ops.involution import involution, plain_operations

__all__ = ["involution", "plain_operations"]
