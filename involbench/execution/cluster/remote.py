"""The runner's side of a worker on a node of the cluster."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError

from involbench.errors import InvolbenchError
from involbench.execution.client import NoRoom, WorkerDied, WorkerLost, WorkerStopped
from involbench.execution.cluster.parcel import Parcel, pack_checkpoints
from involbench.execution.cluster.station import Died, News, Station, Stopped
from involbench.execution.messages import Done, Failure, Notice, Report, Request
from involbench.execution.requests import RunTrial
from involbench.results.store import own, result_at_hand
from involbench.spec.schema import ResourcesSpec

_PATIENCE = 20.0
"""Seconds that a worker waits for room before what it was to do may go to another."""
_PAUSE = 0.5


@dataclass(frozen=True)
class Terms:
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


class RemoteWorker:
    """A worker as `involbench.execution.client.Worker`, on whichever node has room for it.

    Args:
        terms: What it has in common with the others.
        waits: Whether it waits for room as long as it takes.
    """

    def __init__(self, terms: Terms, waits: bool) -> None:
        self._terms = terms
        self._waits = waits
        self._asking = threading.Lock()
        self._station: Any = None
        self._node = ""
        self._stopped = False

    def ask(self, request: Request, on_report: Callable[[Report], None]) -> Any:
        """Send a request, pass on what is reported, and return the result.

        Raises:
            NoRoom: No node had room for it for a while.
            WorkerLost: Its node, or the actor's process, is gone.
            UsageError, InvolbenchError, WorkerDied, WorkerStopped: As an ordinary worker.
        """
        with self._asking:
            return self._ask(request, on_report)

    def _ask(self, request: Request, on_report: Callable[[Report], None]) -> Any:
        station = self._station or self._hire(on_report)
        if not isinstance(request, RunTrial):
            return self._done(station, request, None, on_report)
        request = replace(request, run_dir=request.run_dir.absolute())
        if not self._terms.send_back:
            return self._done(station, request, None, on_report)
        with own(request.run_dir) as owned:
            if not owned:
                return None
            known = result_at_hand(request.run_dir, request.trial, request.since, request.force)
            if known is not None:
                return known
            parcel = pack_checkpoints(request.run_dir, {})
            return self._done(station, request, parcel, on_report)

    def renew(self) -> None:
        """Nothing: the node does that after each training."""

    def stop(self) -> None:
        """Ask it to end; in a training it saves its state first."""
        self._stopped = True
        if self._station is not None:
            self._station.stop.remote()

    def leave(self) -> None:
        """Give its place on the cluster back."""
        station, self._station = self._station, None
        if station is not None:
            ray.kill(station)

    def join(self) -> None:
        """Wait until what it was asked has ended, and give its place back."""
        try:
            with self._asking:
                pass
        finally:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self.leave()

    def _hire(self, on_report: Callable[[Report], None]) -> Any:
        needs, told, began = self._terms.needs, False, time.monotonic()
        station = (
            ray.remote(Station)
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
                    on_report(Notice(f"waiting for a node with room for {_said(needs)}"))
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
        parcel: Parcel | None,
        on_report: Callable[[Report], None],
    ) -> Any:
        try:
            ray.get(station.begin.remote(request, parcel))
            while True:
                for news in ray.get(station.news.remote()):
                    if isinstance(news, Done):
                        return news.result
                    self._take(news, request, on_report)
        except RayActorError as error:
            self._station = None
            if self._stopped:
                raise WorkerStopped from error
            raise WorkerLost(
                f"its node, {self._node}, or the Ray process there is gone", None
            ) from error

    def _take(self, news: News, request: Request, on_report: Callable[[Report], None]) -> None:
        match news:
            case Parcel():
                assert isinstance(request, RunTrial)
                try:
                    news.unpack(request.run_dir.parent.parent)
                except InvolbenchError:
                    self.leave()  # It is still at it, and could take no other request.
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
                on_report(report)


def _said(needs: ResourcesSpec) -> str:
    gpus = f" and {needs.gpus:g} GPUs" if needs.gpus else ""
    return f"{needs.cpus:g} CPUs{gpus}"
