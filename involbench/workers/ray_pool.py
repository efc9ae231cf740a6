"""Workers on a Ray cluster: its nodes, and the side of each worker that the runner sees."""

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
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from involbench import __version__
from involbench.errors import InvolbenchError, UsageError
from involbench.plugins import Plugins, imported
from involbench.results.files import make_folder
from involbench.results.store import lock_run, reusable_record
from involbench.spec.schema import ResourcesSpec
from involbench.workers.environment import USUAL, chosen_backend, recorded
from involbench.workers.handlers import run_trial
from involbench.workers.local import (
    NoRoom,
    WorkerDied,
    WorkerLost,
    WorkerPool,
    WorkerProtocol,
    WorkerStopped,
    working_folder,
)
from involbench.workers.protocol import Done, Failure, Notice, Request, Show, TrialRequest
from involbench.workers.ray_node import FileSync, News, WorkerActor, pack

_NODE_TIMEOUT = 60
"""Seconds for a node to answer, which includes starting a process there."""


@dataclass(frozen=True)
class _Node:
    """A node that is alive."""

    id: str
    name: str
    cpus: float
    gpus: float

    def capacity(self, needs: ResourcesSpec) -> int:
        """How many trials it can run at once."""
        by_cpu = int(self.cpus / needs.cpus)
        return min(by_cpu, int(self.gpus / needs.gpus)) if needs.gpus else by_cpu


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to the cluster as a driver for the length of a `with`.

    Without the address of a head node, that in RAY_ADDRESS is used or, if it is not set, a new
    cluster on this machine, which ends with the `with`.

    Raises:
        UsageError: No cluster at the address, or it runs another version of Python or Ray.
    """
    # Otherwise Ray contacts a server of its developers about usage statistics.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    if address != "local":
        _require_answer(address)
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray replaced it.
    except Exception as error:  # Ray raises plain exceptions, too.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(f"--address {address}: cannot connect: {reason}") from error
    # Ray prints node events to stdout, which is reserved for results.
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        try:
            yield
        finally:
            ray.shutdown()


def _require_answer(address: str) -> None:
    """Fail fast: Ray itself retries a missing head node for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"--address {address}: expected HOST:PORT, as `ray start --head` prints")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"--address {address}: cannot connect: {error}; check the head with `ray status`"
        ) from error


def capacity(needs: ResourcesSpec) -> int:
    """How many trials an idle cluster could run at once.

    Raises:
        UsageError: No node is large enough for a trial.
    """
    nodes = _alive_nodes()
    places = sum(node.capacity(needs) for node in nodes)
    if not places:
        largest = ", ".join(f"{n.name} has {n.cpus:g} CPUs and {n.gpus:g} GPUs" for n in nodes)
        raise UsageError(
            f"resources: no node has {needs.cpus:g} CPUs and {needs.gpus:g} GPUs: {largest}"
        )
    return places


def require_shared(results: Path, needs: ResourcesSpec, send_back: bool) -> None:
    """Check that every usable node has this version of involbench and sees the results folder.

    With `send_back`, the nodes do not need to see the folder. Test files are removed.

    Raises:
        UsageError: A node, which is named, fails a check.
    """
    new = not results.exists()
    make_folder(results)
    token = results.absolute() / f".involbench-{secrets.token_hex(8)}"
    try:
        token.write_text("")
        for node in _alive_nodes():
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
    """What is wrong with a node, and how to fix it; None if nothing is."""
    here = NodeAffinitySchedulingStrategy(node.id, soft=False)
    view = ray.remote(_view).options(num_cpus=0, scheduling_strategy=here, max_retries=1)
    try:
        version, sees = ray.get(view.remote(str(token)), timeout=_NODE_TIMEOUT)
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
    """On a node: its involbench version, and whether it sees the file and can write next to it."""
    path, node = Path(token), ray.get_runtime_context().get_node_id()
    with suppress(OSError):
        if path.exists():
            path.with_name(f"{path.name}.{node}").write_text("")
            return __version__, True
    return __version__, False


def _alive_nodes() -> list[_Node]:
    def of(node: dict[str, Any]) -> _Node:
        has = node["Resources"]
        name = node["NodeManagerHostname"]
        return _Node(node["NodeID"], name, has.get("CPU", 0.0), has.get("GPU", 0.0))

    return [of(node) for node in ray.nodes() if node["Alive"]]


_PATIENCE = 20.0
"""Seconds that a worker waits for a free node before another worker may take its trial."""
_PAUSE = 0.5


@dataclass(frozen=True)
class WorkerConfig:
    """Settings shared by all workers of a run.

    `needs` are the resources of each, `folder` is where the runner was started, `plugins` is what
    the runner has imported. With `send_back`, nodes do not see the results folder; they send files
    to the runner.
    """

    needs: ResourcesSpec
    device: str
    environment: dict[str, str]
    folder: Path
    send_back: bool
    plugins: Plugins


class RemoteWorker(WorkerProtocol):
    """A worker like `involbench.workers.local.Worker`, on any node with free resources.

    The node recycles its process after each training. A worker that `waits` has no limit in time
    for a node that is free.
    """

    def __init__(self, config: WorkerConfig, waits: bool) -> None:
        self._config = config
        self._waits = waits
        self._busy = threading.Lock()
        self._actor: Any = None
        self._node = ""
        self._stopped = False

    def request(self, request: Request, show: Show) -> Any:
        """See `WorkerProtocol`.

        Raises:
            NoRoom: No node became free in time.
            WorkerLost: Its node or its process is gone.
        """
        with self._busy:
            actor = self._actor or self._start_actor(show)
            first = request.arguments[0] if request.arguments else None
            if isinstance(first, TrialRequest):
                return self._run_trial(actor, first, show)
            return self._done(actor, request, show)

    def _run_trial(self, actor: Any, trial: TrialRequest, show: Show) -> Any:
        trial = replace(trial, run_dir=trial.run_dir.absolute())
        request = Request(run_trial, (trial,), {})
        if not self._config.send_back:
            return self._done(actor, request, show)
        with lock_run(trial.run_dir) as owned:
            if not owned:
                return None
            known = reusable_record(trial.run_dir, trial.trial, trial.since, trial.force)
            if known is not None:
                return known
            return self._done(actor, request, show, pack(trial.run_dir, {}))

    def stop(self) -> None:
        """Ask it to exit; a training saves a checkpoint first."""
        self._stopped = True
        if self._actor is not None:
            self._actor.stop.remote()

    def shutdown(self) -> None:
        """Release its resources on the cluster."""
        actor, self._actor = self._actor, None
        if actor is not None:
            ray.kill(actor)

    kill = shutdown

    def join(self) -> None:
        """Wait until its request has ended, and release its resources."""
        try:
            with self._busy:
                pass
        finally:
            self.shutdown()

    def _start_actor(self, show: Show) -> Any:
        needs, notified, began = self._config.needs, False, time.monotonic()
        actor = (
            ray.remote(WorkerActor)
            .options(num_cpus=needs.cpus, num_gpus=needs.gpus, max_concurrency=4)
            .remote(
                self._config.device,
                self._config.environment,
                str(self._config.folder),
                self._config.plugins,
            )
        )
        here = actor.node.remote()
        try:
            while not ray.wait([here], timeout=_PAUSE)[0]:
                waited = time.monotonic() - began
                if self._stopped:
                    raise WorkerStopped
                if waited > _PATIENCE and not self._waits:
                    raise NoRoom
                if waited > _PATIENCE / 2 and self._waits and not notified:
                    gpus = f" and {needs.gpus:g} GPUs" if needs.gpus else ""
                    show(Notice(f"waiting for a node with room for {needs.cpus:g} CPUs{gpus}"))
                    notified = True
            self._node = ray.get(here)
        except RayActorError as error:
            raise InvolbenchError(f"a worker cannot be started on the cluster: {error}") from error
        except BaseException:
            ray.kill(actor)
            raise
        self._actor = actor
        return actor

    def _done(self, actor: Any, request: Request, show: Show, files: FileSync | None = None) -> Any:
        try:
            ray.get(actor.begin.remote(request, files))
            while True:
                for news in ray.get(actor.news.remote()):
                    if isinstance(news, Done):
                        return news.result
                    self._take(news, request, show)
        except RayActorError as error:
            self._actor = None
            if self._stopped:
                raise WorkerStopped from error
            text = f"its node, {self._node}, or the Ray process there is gone"
            raise WorkerLost(text, None) from error

    def _take(self, news: News, request: Request, show: Show) -> None:
        match news:
            case FileSync():
                try:
                    news.unpack(request.arguments[0].run_dir.parent.parent)
                except InvolbenchError:
                    self.shutdown()  # It is still busy and could not take another request.
                    raise
            case Failure():
                news.raised()
            case WorkerDied() | WorkerStopped():
                raise news
            case Done():
                pass
            case report:
                show(report)


@contextmanager
def on_cluster(
    address: str | None,
    needs: ResourcesSpec,
    device: str,
    jobs: int,
    results: Path,
    send_back: bool,
) -> Iterator[WorkerPool]:
    """Start as many workers as the cluster has room for, at most `jobs`.

    For `address` see `connected`, for the others `WorkerConfig`.

    Raises:
        UsageError: No such cluster, no node is large enough, or a node fails a check.
    """
    if device.startswith("gpu:"):
        raise UsageError(f"--device {device}: Ray assigns GPUs; set resources.gpus in the spec")
    if device == "gpu" and not needs.gpus:
        raise UsageError("--device gpu: set how many with -S resources.gpus=1")
    # Otherwise a worker would use a GPU that Ray did not assign.
    device = device if needs.gpus else "cpu"
    platforms = os.environ.get("JAX_PLATFORMS")
    environment = {  # What affects results is the same on every node.
        **{name: os.environ.get(name, usual) for name, usual in USUAL.items()},
        **recorded(os.environ),
        "KERAS_BACKEND": chosen_backend().name,
        **({"JAX_PLATFORMS": platforms} if platforms else {}),
    }
    config = WorkerConfig(needs, device, environment, working_folder(), send_back, imported())
    with connected(address):
        count = min(jobs, capacity(needs))
        require_shared(results, needs, send_back)
        with WorkerPool([RemoteWorker(config, waits=not index) for index in range(count)]) as pool:
            yield pool
