"""involbench: find out whether involution helps, from a YAML file and one command."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from involbench.registry import architecture, dataset, metric, operator

__version__ = "0.1.0"
__all__ = ["architecture", "dataset", "metric", "operator"]

_LAZY = dict.fromkeys(("architecture", "dataset", "metric", "operator"), "involbench.registry")
"""Name -> the module that it is imported from when it is first used."""


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
