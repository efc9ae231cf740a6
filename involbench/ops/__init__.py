"""The involution operator as a function."""

from involbench.ops.fused import (
    disable_fused_involution,
    enable_fused_involution,
    fused_involution,
    is_fused_involution_enabled,
)
from involbench.ops.involution import involution, plain_operations

__all__ = [
    "disable_fused_involution",
    "enable_fused_involution",
    "fused_involution",
    "involution",
    "is_fused_involution_enabled",
    "plain_operations",
]
