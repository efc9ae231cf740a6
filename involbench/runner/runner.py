"""Run the trials of an experiment on several workers; the events that this reports."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import inf
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from involbench.errors import InvolbenchError
from involbench.results.paths import ResultsPath
from involbench.results.record import EpochReport, RunRecord
from involbench.results.store import Store, ended
from involbench.runner.plan import PlannedTrial
from involbench.spec.trial import Trial
from involbench.workers.handlers import failure_record, run_trial
from involbench.workers.local import (
    NoRoom,
    WorkerDied,
    WorkerLost,
    WorkerPool,
    WorkerProtocol,
    WorkerStopped,
)
from involbench.workers.protocol import Notice, Report, TrialClaimed, TrialRequest


@dataclass(frozen=True)
class Planned:
    """The trials to run are known."""

    todo: tuple[Trial, ...]
    finished: int


@dataclass(frozen=True)
class TrialStarted:
    """A worker started a trial."""

    trial: Trial
    index: int
    """From 1, among the trials to run."""
    total: int


@dataclass(frozen=True)
class EpochEnded:
    """A trial ended an epoch."""

    started: TrialStarted
    report: EpochReport
    run_id: str


@dataclass(frozen=True)
class TrialEnded:
    """A trial has its record, finished or failed."""

    started: TrialStarted
    record: RunRecord
    run_dir: ResultsPath
    elsewhere: bool = False
    """Another process that runs the same experiment made the record."""


@dataclass(frozen=True)
class SeedEnded:
    """All trials of a seed ended; with the records of the finished ones, in order."""

    seed: int
    records: tuple[RunRecord, ...]


Event = Report | Planned | TrialStarted | EpochEnded | TrialEnded | SeedEnded

_PAUSE = 1.0
"""Seconds until a requeued trial is tried again."""

Item = TypeVar("Item")


class TrialQueue(Generic[Item]):
    """The trials that are left, shared by the threads of all workers.

    `order` is the sort key, evaluated on every `take`. Of equal items, the earlier one is taken.
    """

    def __init__(self, items: Iterable[Item], order: Callable[[Item], Any]) -> None:
        self._items = [(item, 0.0) for item in items]
        self._order = order
        self._changed = threading.Condition()

    def take(self) -> Item | None:
        """The next item; None when nothing is left. Waits while all items are requeued."""
        with self._changed:
            while self._items:
                now = time.monotonic()
                due = [place for place, (_, then) in enumerate(self._items) if then <= now]
                if due:
                    place = min(due, key=lambda place: self._order(self._items[place][0]))
                    return self._items.pop(place)[0]
                self._changed.wait(min(then for _, then in self._items) - now)
            return None

    def requeue(self, item: Item) -> None:
        """Put an item back, to be taken again after a pause."""
        with self._changed:
            self._items.append((item, time.monotonic() + _PAUSE))
            self._changed.notify()

    def close(self) -> None:
        """Drop all items."""
        with self._changed:
            self._items.clear()
            self._changed.notify_all()


_LOSSES = 5
"""Lost machines after which a trial fails."""


@dataclass(frozen=True)
class _Entry:
    """A trial in the queue."""

    item: PlannedTrial
    started: TrialStarted
    seed: int
    """The place of its seed among all seeds."""
    waited_for: bool = False
    """Whether another process was running it when its turn came."""

    def turn(self) -> tuple[int, bool]:
        """Sort key: seed by seed, trials of other processes first."""
        return self.seed, not self.waited_for


def _entries(todo: Sequence[PlannedTrial]) -> Iterator[_Entry]:
    places: dict[int, int] = {}
    for index, item in enumerate(todo, start=1):
        started = TrialStarted(item.trial, index, len(todo))
        yield _Entry(item, started, places.setdefault(item.trial.seed, len(places)))


@dataclass
class Runner:
    """Runs planned trials, seed by seed, one on each worker at a time.

    Other processes may run the same experiment; this one waits for their trials.

    Args:
        pool, store: The workers, and the folder of the experiment.
        argv: The command line, for the records.
        show: Receives all events, in order, in the thread that calls `run`.
        since: When this run began, in seconds since 1970.
        force: Repeat finished trials.
        fail_fast: Stop all workers when a trial fails.
        reuse: Folders of more experiments; a network that one of them, or this one, has trained is
            tested only.
    """

    pool: WorkerPool
    store: Store
    argv: tuple[str, ...]
    show: Callable[[Event], None]
    since: float
    force: bool = False
    fail_fast: bool = False
    reuse: tuple[ResultsPath, ...] = ()
    _events: "SimpleQueue[Event | BaseException | None]" = field(default_factory=SimpleQueue)
    """The events of all workers; at the end of each, the exception that ended it, or None."""
    _took: dict[str, float] = field(default_factory=dict)
    """Seconds of the last trial of each kind."""

    def run(self, planned: list[PlannedTrial], more_follow: bool = False) -> int:
        """Run the unfinished trials, or all with `force`; return the number of failures.

        Where more trials follow, the workers stay ready for them, and no seed is reported.
        """
        todo = [item for item in planned if self.force or not item.finished]
        for item in planned:
            if item.finished and not self.force:
                self.store.drop_stale_checkpoints(item.run_id)
        self.show(Planned(tuple(item.trial for item in todo), len(planned) - len(todo)))
        workers = self.pool.workers[: len(todo)]
        queue = TrialQueue(_entries(todo), self._turn if len(workers) > 1 else _Entry.turn)
        for worker in workers:
            threading.Thread(
                target=self._work, args=(worker, queue, more_follow), daemon=True
            ).start()
        left = Counter(item.trial.seed for item in todo)
        failures = 0
        for event in self._until_done(len(workers)):
            self.show(event)
            if isinstance(event, TrialEnded):
                failures += event.record.status == "failed"
                if not more_follow:
                    self._count(event.started.trial.seed, left, planned)
        return failures

    def _turn(self, entry: _Entry) -> tuple[tuple[int, bool], float]:
        """Sort key for several workers: of a seed, the trials that took longest before come first.

        So all workers are done at about the same time.
        """
        return entry.turn(), -self._took.get(entry.item.trial.kind, inf)

    def _until_done(self, workers: int) -> Iterator[Event]:
        """The events until all workers are done."""
        while workers:
            event = self._events.get()
            if isinstance(event, BaseException):
                raise event
            if event is None:
                workers -= 1
            else:
                yield event

    def _count(self, seed: int, left: Counter[int], planned: list[PlannedTrial]) -> None:
        """After the last trial of a seed, report the seed."""
        left[seed] -= 1
        if not left[seed]:
            items = (item for item in planned if item.trial.seed == seed)
            records = (ended(self.store.run_dir(item.run_id), item.trial) for item in items)
            finished = (record for record in records if record and record.status == "finished")
            self.show(SeedEnded(seed, tuple(finished)))

    def _work(self, worker: WorkerProtocol, queue: TrialQueue[_Entry], more_follow: bool) -> None:
        """The thread of one worker: trial after trial."""
        done: BaseException | None = None
        try:
            while (entry := queue.take()) is not None:
                try:
                    record = self._run_trial(worker, entry)
                except NoRoom:
                    queue.requeue(entry)
                    continue
                if record is None:
                    queue.requeue(replace(entry, waited_for=True))
                elif record.status == "failed" and self.fail_fast:
                    queue.close()  # Before any thread takes the next trial.
                    self.pool.stop()
                worker.recycle()
            if not more_follow:
                worker.shutdown()
        except WorkerStopped:
            pass
        except BaseException as error:
            done = error
        self._events.put(done)

    def _run_trial(self, worker: WorkerProtocol, entry: _Entry) -> RunRecord | None:
        """The record of a trial; None while another process runs it."""
        claimed: list[TrialClaimed] = []

        def pass_on(report: Report) -> None:
            match report:
                case TrialClaimed():
                    if not claimed:
                        self._events.put(entry.started)
                    claimed.append(report)
                case EpochReport():
                    self._events.put(EpochEnded(entry.started, report, entry.item.run_id))
                case _:
                    self._events.put(report)

        run_dir = self.store.run_dir(entry.item.run_id)
        request = TrialRequest(
            entry.item.trial,
            run_dir,
            self.argv,
            self.since,
            self.force,
            (self.store.folder, *self.reuse),
        )
        record = self._record(worker, request, pass_on)
        if record is not None:
            self._took[entry.item.trial.kind] = record.seconds
            self._events.put(TrialEnded(entry.started, record, run_dir, elsewhere=not claimed))
        elif not entry.waited_for:
            self._notify(f"{run_dir.name}: waiting for another process that is running it")
        return record

    def _record(
        self, worker: WorkerProtocol, request: TrialRequest, pass_on: Callable[[Report], None]
    ) -> RunRecord | None:
        """The record from a worker; if the worker dies, a new one resumes the trial once.

        A lost machine is no fault of the trial, which may lose up to five.
        """
        started, deaths, losses = datetime.now(UTC), 0, 0
        try:
            while True:
                try:
                    return worker.call(run_trial, pass_on, request)
                except WorkerDied as error:
                    lost = isinstance(error, WorkerLost)
                    losses, deaths = losses + lost, deaths + (not lost)
                    if deaths > 1 or losses > _LOSSES:
                        raise
                    again = "a new worker resumes from the last checkpoint"
                    self._notify(f"{request.run_dir.name}: {error}; {again}")
        except InvolbenchError as error:
            pass_on(TrialClaimed())  # The worker may have died before it could report this.
            exit_signal = error.exit_signal if isinstance(error, WorkerDied) else None
            record = failure_record(request, str(error), started, exit_signal)
            try:
                self.store.write_record(record)
            except InvolbenchError as unwritten:
                self._notify(str(unwritten))
            return record

    def _notify(self, text: str) -> None:
        self._events.put(Notice(text))
