"""The crew of a run on a Ray cluster."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from involbench.errors import UsageError
from involbench.execution.ambient import USUAL, recorded
from involbench.execution.backend_choice import chosen_backend
from involbench.execution.client import working_folder
from involbench.execution.cluster.nodes import connected, require_shared, room
from involbench.execution.cluster.remote import RemoteWorker, Terms
from involbench.execution.crew import Crew
from involbench.spec.schema import ResourcesSpec


@contextmanager
def on_cluster(
    address: str | None,
    needs: ResourcesSpec,
    device: str,
    jobs: int,
    results: Path,
    send_back: bool,
) -> Iterator[Crew]:
    """As many workers as the cluster has room for, at most `jobs`.

    Args:
        address: See `connected`.
        needs: What each takes of a node.
        device: `auto`, `cpu` or `gpu`.
        jobs: The most workers.
        results: The results folder.
        send_back: Nodes do not see it.

    Raises:
        UsageError: There is no such cluster, it has no room for any, or a node cannot take part.
    """
    if device.startswith("gpu:"):
        raise UsageError(f"--device {device}: Ray gives out GPUs; set resources.gpus in the spec")
    if device == "gpu" and not needs.gpus:
        raise UsageError("--device gpu: say how many with -S resources.gpus=1")
    device = device if needs.gpus else "cpu"  # Else a worker would take what it was not given.
    terms = Terms(needs, device, _passed_on(), working_folder(), send_back)
    with connected(address):
        count = min(jobs, room(needs))
        require_shared(results, needs, send_back)
        with Crew([RemoteWorker(terms, waits=not index) for index in range(count)]) as crew:
            yield crew


def _passed_on() -> dict[str, str]:
    """Variables that decide what a worker computes: those of this process hold on every node."""
    platforms = os.environ.get("JAX_PLATFORMS")
    return {
        **{name: os.environ.get(name, usual) for name, usual in USUAL.items()},
        **recorded(os.environ),
        "KERAS_BACKEND": chosen_backend().name,
        **({"JAX_PLATFORMS": platforms} if platforms else {}),
    }
