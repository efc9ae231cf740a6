"""Workers on a Ray cluster: its nodes, and the runner's side of each worker."""

import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import ray
from ray.exceptions import RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from involbench import __version__
from involbench.errors import InvolbenchError, UsageError
from involbench.results.files import make_folder
from involbench.results.store import lock_run, reusable_record
from involbench.spec.schema import ResourcesSpec
from involbench.workers.backend import chosen_backend
from involbench.workers.environment import USUAL, recorded
from involbench.workers.handlers import run_trial
from involbench.workers.local import (
    Arguments,
    Handler,
    NoRoom,
    Result,
    Show,
    WorkerDied,
    WorkerLost,
    WorkerPool,
    WorkerProtocol,
    WorkerStopped,
    working_folder,
)
from involbench.workers.protocol import Done, Failure, Notice, Request, TrialRequest
from involbench.workers.ray.actor import Died, News, Stopped, WorkerActor
from involbench.workers.ray.file_sync import FileSync, pack_checkpoints

_ANSWER_WITHIN = 60
"""Seconds for a node to say what it sees; starting a process there takes some of them."""


@dataclass(frozen=True)
class _Node:
    """A node that is alive."""

    id: str
    name: str
    cpus: float
    gpus: float

    def capacity(self, needs: ResourcesSpec) -> int:
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


def capacity(needs: ResourcesSpec) -> int:
    """How many trials the cluster has room for at once, whether it is taken now or not.

    Raises:
        UsageError: No node is large enough for one.
    """
    nodes = _nodes()
    places = sum(node.capacity(needs) for node in nodes)
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
            if node.capacity(needs):
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


_PATIENCE = 20.0
"""Seconds that a worker waits for room before what it was to do may go to another."""
_PAUSE = 0.5


@dataclass(frozen=True)
class WorkerConfig:
    """What all workers of a run have in common.

    Args:
        needs: What each takes of a node.
        device: What it trains on, of that.
        environment: Variables that its process has.
        folder: Where the runner was started.
        send_back: Nodes do not see the results folder: what they make is sent to the runner.
    """

    needs: ResourcesSpec
    device: str
    environment: dict[str, str]
    folder: Path
    send_back: bool


class RemoteWorker(WorkerProtocol):
    """A worker as `involbench.workers.local.Worker`, on whichever node has room for it.

    Args:
        terms: What it has in common with the others.
        waits: Whether it waits for room as long as it takes.
    """

    def __init__(self, terms: WorkerConfig, waits: bool) -> None:
        self._terms = terms
        self._waits = waits
        self._asking = threading.Lock()
        self._station: Any = None
        self._node = ""
        self._stopped = False

    def call(
        self,
        handler: Handler[Arguments, Result],
        show: Show,
        *arguments: Arguments.args,
        **options: Arguments.kwargs,
    ) -> Result:
        """See `WorkerProtocol`.

        Raises:
            NoRoom: No node had room for it for a while.
            WorkerLost: Its node, or the process of the actor, is gone.
        """
        with self._asking:
            station = self._station or self._hire(show)
            first = arguments[0] if arguments else None
            if isinstance(first, TrialRequest):
                return cast(Result, self._run_trial(station, first, show))
            return cast(Result, self._done(station, Request(handler, arguments, options), show))

    def _run_trial(self, station: Any, trial: TrialRequest, show: Show) -> Any:
        trial = replace(trial, run_dir=trial.run_dir.absolute())
        request = Request(run_trial, (trial,), {})
        if not self._terms.send_back:
            return self._done(station, request, show)
        with lock_run(trial.run_dir) as owned:
            if not owned:
                return None
            known = reusable_record(trial.run_dir, trial.trial, trial.since, trial.force)
            if known is not None:
                return known
            return self._done(station, request, show, pack_checkpoints(trial.run_dir, {}))

    def recycle(self) -> None:
        """Nothing: the node does that after each training."""

    def stop(self) -> None:
        """Ask it to end; in a training it saves its state first."""
        self._stopped = True
        if self._station is not None:
            self._station.stop.remote()

    def shutdown(self) -> None:
        """Give its place on the cluster back."""
        station, self._station = self._station, None
        if station is not None:
            ray.kill(station)

    def join(self) -> None:
        """Wait until its request has ended, and release its place."""
        try:
            with self._asking:
                pass
        finally:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self.shutdown()

    def _hire(self, show: Show) -> Any:
        needs, told, began = self._terms.needs, False, time.monotonic()
        station = (
            ray.remote(WorkerActor)
            .options(num_cpus=needs.cpus, num_gpus=needs.gpus, max_concurrency=4)
            .remote(self._terms.device, self._terms.environment, str(self._terms.folder))
        )
        here = station.node.remote()
        try:
            while not ray.wait([here], timeout=_PAUSE)[0]:
                waited = time.monotonic() - began
                if self._stopped:
                    raise WorkerStopped
                if waited > _PATIENCE and not self._waits:
                    raise NoRoom
                if waited > _PATIENCE / 2 and self._waits and not told:
                    show(Notice(f"waiting for a node with room for {_said(needs)}"))
                    told = True
            self._node = ray.get(here)
        except RayActorError as error:
            raise InvolbenchError(f"a worker cannot be started on the cluster: {error}") from error
        except BaseException:
            ray.kill(station)
            raise
        self._station = station
        return station

    def _done(
        self,
        station: Any,
        request: Request,
        show: Show,
        parcel: FileSync | None = None,
    ) -> Any:
        try:
            ray.get(station.begin.remote(request, parcel))
            while True:
                for news in ray.get(station.news.remote()):
                    if isinstance(news, Done):
                        return news.result
                    self._take(news, request, show)
        except RayActorError as error:
            self._station = None
            if self._stopped:
                raise WorkerStopped from error
            raise WorkerLost(
                f"its node, {self._node}, or the Ray process there is gone", None
            ) from error

    def _take(self, news: News, request: Request, show: Show) -> None:
        match news:
            case FileSync():
                try:
                    news.unpack(request.arguments[0].run_dir.parent.parent)
                except InvolbenchError:
                    self.shutdown()  # It is still at it, and could take no other request.
                    raise
            case Failure():
                raise news.error()
            case Died(message, exit_signal):
                raise WorkerDied(message, exit_signal)
            case Stopped():
                raise WorkerStopped
            case Done():
                pass
            case report:
                show(report)


def _said(needs: ResourcesSpec) -> str:
    gpus = f" and {needs.gpus:g} GPUs" if needs.gpus else ""
    return f"{needs.cpus:g} CPUs{gpus}"


@contextmanager
def on_cluster(
    address: str | None,
    needs: ResourcesSpec,
    device: str,
    jobs: int,
    results: Path,
    send_back: bool,
) -> Iterator[WorkerPool]:
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
    terms = WorkerConfig(needs, device, _passed_on(), working_folder(), send_back)
    with connected(address):
        count = min(jobs, capacity(needs))
        require_shared(results, needs, send_back)
        with WorkerPool([RemoteWorker(terms, waits=not index) for index in range(count)]) as pool:
            yield pool


def _passed_on() -> dict[str, str]:
    """Variables that decide what a worker computes: those of this process hold on every node."""
    platforms = os.environ.get("JAX_PLATFORMS")
    return {
        **{name: os.environ.get(name, usual) for name, usual in USUAL.items()},
        **recorded(os.environ),
        "KERAS_BACKEND": chosen_backend().name,
        **({"JAX_PLATFORMS": platforms} if platforms else {}),
    }
