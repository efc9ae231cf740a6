"""Where a benchmark was run."""

from involbench.results.benchmark import Machine
from involbench.training.provenance import hardware, versions


def this_machine() -> Machine:
    """What the times depend on."""
    return Machine(versions=versions(), hardware=hardware())
