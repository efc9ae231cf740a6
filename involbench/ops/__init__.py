"""The involution operator as a function."""

from involbench.ops.involution import involution
from involbench.ops.plain import plain_operations

__all__ = ["involution", "plain_operations"]
