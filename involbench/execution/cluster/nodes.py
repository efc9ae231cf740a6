"""The nodes of a Ray cluster: connecting to them, and what each can do and see."""

import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from involbench import __version__
from involbench.errors import UsageError
from involbench.results.files import make_folder
from involbench.spec.schema import ResourcesSpec

_ANSWER_WITHIN = 60
"""Seconds for a node to say what it sees; starting a process there takes some of them."""


@dataclass(frozen=True)
class _Node:
    """A node that is alive."""

    id: str
    name: str
    cpus: float
    gpus: float

    def room(self, needs: ResourcesSpec) -> int:
        """How many trials it can take at once."""
        by_cpu = int(self.cpus / needs.cpus)
        return min(by_cpu, int(self.gpus / needs.gpus)) if needs.gpus else by_cpu


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Be a driver of the cluster for the length of a `with`.

    Args:
        address: Of the cluster's head; None for that of RAY_ADDRESS, or else a cluster of this
            machine alone, which ends with the `with`.

    Raises:
        UsageError: There is no cluster at the address, or it is of another Python or Ray.
    """
    # Ray would ask its makers' server for what it may send them.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    if address != "local":
        _require_answer(address)
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray has put its own in its place.
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UsageError(f"--address {address}: cannot connect: {reason}") from error
    # Ray prints what happens to nodes to stdout, which is for results.
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        try:
            yield
        finally:
            ray.shutdown()


def _require_answer(address: str) -> None:
    """Ray itself tries for minutes to reach a head that is not there."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"--address {address}: expected HOST:PORT, as `ray start --head` prints")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"--address {address}: cannot connect: {error}; is the head up (`ray status` there)?"
        ) from error


def room(needs: ResourcesSpec) -> int:
    """How many trials the cluster has room for at once, whether it is taken now or not.

    Raises:
        UsageError: No node is large enough for one.
    """
    nodes = _nodes()
    places = sum(node.room(needs) for node in nodes)
    if not places:
        largest = ", ".join(f"{n.name} has {n.cpus:g} CPUs and {n.gpus:g} GPUs" for n in nodes)
        raise UsageError(
            f"resources: no node has {needs.cpus:g} CPUs and {needs.gpus:g} GPUs: {largest}"
        )
    return places


def require_shared(results: Path, needs: ResourcesSpec, send_back: bool) -> None:
    """Check that every node that may be given a trial has this involbench, and sees the results.

    Args:
        results: The results folder.
        needs: What a trial takes.
        send_back: The folder need not be seen.

    Raises:
        UsageError: One has not, or does not, and which; nothing is left in the folder.
    """
    new = not results.exists()
    make_folder(results)
    token = results.absolute() / f".involbench-{secrets.token_hex(8)}"
    try:
        token.write_text("")
        for node in _nodes():
            if node.room(needs):
                fault = _fault(node, token, send_back)
                if fault:
                    raise UsageError(f"the node {node.name} ({node.id[:8]}) {fault}")
    except OSError as error:
        raise UsageError(
            f"cannot write {results}: {error.strerror}; choose another folder with --results DIR"
        ) from error
    finally:
        for path in results.glob(f"{token.name}*"):
            path.unlink(missing_ok=True)
        if new:
            with suppress(OSError):
                results.rmdir()


def _fault(node: _Node, token: Path, send_back: bool) -> str | None:
    """What is wrong with a node; a remedy with it."""
    here = NodeAffinitySchedulingStrategy(node.id, soft=False)
    view = ray.remote(_view).options(num_cpus=0, scheduling_strategy=here, max_retries=1)
    try:
        version, sees = ray.get(view.remote(str(token)), timeout=_ANSWER_WITHIN)
    except RayError as error:
        text = str(error)
        if "No module named 'involbench'" in text:
            return f"has no involbench; install {__version__} there, for {sys.executable}"
        return f"does not answer: {text.strip().splitlines()[-1]}"
    if version != __version__:
        return f"has involbench {version}, and this is {__version__}; install the same"
    reply = token.with_name(f"{token.name}.{node.id}")
    if not send_back and not (sees and reply.exists()):
        return (
            f"cannot write {token.parent}; name a folder that all nodes see with --results, or let "
            "the nodes send what they make to this process with --send-back"
        )
    return None


def _view(token: str) -> tuple[str, bool]:
    """On a node: its involbench, and whether it sees the file and can write beside it."""
    path, node = Path(token), ray.get_runtime_context().get_node_id()
    with suppress(OSError):
        if path.exists():
            path.with_name(f"{path.name}.{node}").write_text("")
            return __version__, True
    return __version__, False


def _nodes() -> list[_Node]:
    def of(node: dict[str, Any]) -> _Node:
        has = node["Resources"]
        name = node["NodeManagerHostname"]
        return _Node(node["NodeID"], name, has.get("CPU", 0.0), has.get("GPU", 0.0))

    return [of(node) for node in ray.nodes() if node["Alive"]]
