"""involbench: find out whether involution helps, from a YAML file and one command.

In Python, `involbench.run(spec)` trains the networks of a spec, `involbench.load(name)` reads what
was run before, and `involbench.compare(...)` compares. Each is imported when it is first used.
"""

from importlib import import_module

TYPE_CHECKING = False  # Of `typing`, whose import takes as long as all the rest.

if TYPE_CHECKING:
    from involbench.api.compare import Comparison as Comparison
    from involbench.api.compare import compare as compare
    from involbench.api.experiment import Experiment as Experiment
    from involbench.api.experiment import load as load
    from involbench.api.run import run as run
    from involbench.api.run_result import Run as Run
    from involbench.registry import architecture as architecture
    from involbench.registry import dataset as dataset
    from involbench.registry import metric as metric
    from involbench.registry import operator as operator

__version__ = "0.2.0"

_MODULES = {
    "Comparison": "api.compare",
    "Experiment": "api.experiment",
    "Run": "api.run_result",
    "architecture": "registry",
    "compare": "api.compare",
    "dataset": "registry",
    "load": "api.experiment",
    "metric": "registry",
    "operator": "registry",
    "run": "api.run",
}
"""The module that each public name is in."""

__all__ = [*_MODULES]


if not TYPE_CHECKING:  # To which any name would be right.

    def __getattr__(name):
        if name not in _MODULES:
            raise AttributeError(f"module 'involbench' has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"involbench.{_MODULES[name]}"), name)
        return found


def __dir__() -> list[str]:
    return sorted([*_MODULES, "__version__"])
