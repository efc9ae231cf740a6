"""Running an experiment: its trials, given to workers side by side."""

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
    """What there is to do."""

    todo: tuple[Trial, ...]
    finished: int


@dataclass(frozen=True)
class TrialStarted:
    """A worker began with a trial."""

    trial: Trial
    index: int
    """Counted from 1, among the trials to run."""
    total: int


@dataclass(frozen=True)
class EpochEnded:
    """A running trial ended an epoch."""

    started: TrialStarted
    report: EpochReport
    run_id: str


@dataclass(frozen=True)
class TrialEnded:
    """A trial has its record, whatever its status."""

    started: TrialStarted
    record: RunRecord
    run_dir: ResultsPath
    elsewhere: bool = False
    """Another runner, which works on the same experiment, made it."""


@dataclass(frozen=True)
class SeedEnded:
    """All trials of a seed are done; the records of those that finished, in the spec's order."""

    seed: int
    records: tuple[RunRecord, ...]


Event = Report | Planned | TrialStarted | EpochEnded | TrialEnded | SeedEnded

_PAUSE = 1.0
"""Seconds until a trial that another process runs is looked at again."""

Item = TypeVar("Item")


class TrialQueue(Generic[Item]):
    """What is to be done, to which what cannot be had now goes back.

    Args:
        items: All of it.
        order: What an item comes before others by, the least first; asked anew each time. Of
            equals it is the one that was there first.
    """

    def __init__(self, items: Iterable[Item], order: Callable[[Item], Any]) -> None:
        self._items = [(item, 0.0) for item in items]
        self._order = order
        self._changed = threading.Condition()

    def take(self) -> Item | None:
        """The next item; waits where all that is left was put off; None when nothing is left."""
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
        """Give an item back, to be taken again after a while."""
        with self._changed:
            self._items.append((item, time.monotonic() + _PAUSE))
            self._changed.notify()

    def close(self) -> None:
        """Give out nothing more."""
        with self._changed:
            self._items.clear()
            self._changed.notify_all()


_LOSSES = 5
"""Machines that one trial may lose."""


@dataclass(frozen=True)
class _Entry:
    """A trial to run, as the agenda has it."""

    item: PlannedTrial
    started: TrialStarted
    seed: int
    """Its seed's place among all."""
    waited_for: bool = False
    """Whether another runner was at it when its turn came."""

    def turn(self) -> tuple[int, bool]:
        """Seed by seed, and first what another runner may have ended meanwhile."""
        return self.seed, not self.waited_for


def _entries(todo: Sequence[PlannedTrial]) -> Iterator[_Entry]:
    places: dict[int, int] = {}
    for index, item in enumerate(todo, start=1):
        trial = item.trial
        place = places.setdefault(trial.seed, len(places))
        started = TrialStarted(trial, index, len(todo))
        yield _Entry(item, started, place)


@dataclass(frozen=True)
class _Left:
    """A worker has nothing more to do; with the bug that ended it, if one did."""

    bug: BaseException | None = None


@dataclass
class Runner:
    """Runs planned trials, seed by seed, as many at once as the crew has workers.

    Other runners may do the same in the same folder: a trial that one of them runs is waited for.

    Args:
        crew: The processes that train.
        store: The experiment's folder.
        argv: The command line, for the records.
        show: Takes every event, in order, in the thread that calls `run`.
        since: When this run began, in seconds since 1970.
        force: Repeat what is finished.
        fail_fast: Stop everything when a trial has failed.
    """

    crew: WorkerPool
    store: Store
    argv: tuple[str, ...]
    show: Callable[[Event], None]
    since: float
    force: bool = False
    fail_fast: bool = False
    _events: "SimpleQueue[Event | _Left]" = field(default_factory=SimpleQueue)
    _took: dict[str, float] = field(default_factory=dict)
    """Seconds of the last trial of each kind."""

    def run(self, planned: list[PlannedTrial]) -> int:
        """Run what is not finished, or everything if `force`; return how many trials failed."""
        todo = [item for item in planned if self.force or not item.finished]
        for item in planned:
            if item.finished and not self.force:
                self.store.drop_stale_checkpoints(item.run_id)
        self.show(Planned(tuple(item.trial for item in todo), len(planned) - len(todo)))
        workers = self.crew.workers[: len(todo)]
        agenda = TrialQueue(_entries(todo), self._turn if len(workers) > 1 else _Entry.turn)
        for worker in workers:
            threading.Thread(target=self._work, args=(worker, agenda), daemon=True).start()
        left = Counter(item.trial.seed for item in todo)
        failures = 0
        for event in self._until_left(len(workers)):
            self.show(event)
            if isinstance(event, TrialEnded):
                failures += event.record.status == "failed"
                self._count(event.started.trial.seed, left, planned)
        return failures

    def _turn(self, entry: _Entry) -> tuple[tuple[int, bool], float]:
        """As ever, but of a seed first what took longest at the last one.

        So that workers are done at about the same time.
        """
        return entry.turn(), -self._took.get(entry.item.trial.kind, inf)

    def _until_left(self, workers: int) -> Iterator[Event]:
        """What happens until all workers have left."""
        while workers:
            event = self._events.get()
            if not isinstance(event, _Left):
                yield event
                continue
            workers -= 1
            if event.bug is not None:
                raise event.bug

    def _count(self, seed: int, left: Counter[int], planned: list[PlannedTrial]) -> None:
        """After the last trial of a seed, tell how it stands."""
        left[seed] -= 1
        if not left[seed]:
            items = (item for item in planned if item.trial.seed == seed)
            records = (ended(self.store.run_dir(item.run_id), item.trial) for item in items)
            finished = (record for record in records if record and record.status == "finished")
            self.show(SeedEnded(seed, tuple(finished)))

    def _work(self, worker: WorkerProtocol, agenda: TrialQueue[_Entry]) -> None:
        """What one thread does: trial after trial with its worker."""
        left = _Left()
        try:
            while (entry := agenda.take()) is not None:
                try:
                    record = self._do(worker, entry)
                except NoRoom:
                    agenda.requeue(entry)
                    continue
                if record is None:
                    agenda.requeue(replace(entry, waited_for=True))
                elif record.status == "failed" and self.fail_fast:
                    agenda.close()  # Here, before this thread or another takes the next one.
                    self.crew.stop()
                worker.recycle()
            worker.shutdown()
        except WorkerStopped:
            pass
        except BaseException as error:
            left = _Left(error)
        self._events.put(left)

    def _do(self, worker: WorkerProtocol, entry: _Entry) -> RunRecord | None:
        """The trial's record; None while another runner runs it."""
        began: list[TrialClaimed] = []

        def pass_on(report: Report) -> None:
            match report:
                case TrialClaimed():
                    if not began:
                        self._events.put(entry.started)
                    began.append(report)
                case EpochReport():
                    self._events.put(EpochEnded(entry.started, report, entry.item.run_id))
                case _:
                    self._events.put(report)

        run_dir = self.store.run_dir(entry.item.run_id)
        request = TrialRequest(entry.item.trial, run_dir, self.argv, self.since, self.force)
        record = self._record(worker, request, pass_on)
        if record is not None:
            self._took[entry.item.trial.kind] = record.seconds
            self._events.put(TrialEnded(entry.started, record, run_dir, elsewhere=not began))
        elif not entry.waited_for:
            self._tell(f"{run_dir.name} is being run by another process: waiting for it")
        return record

    def _record(
        self, worker: WorkerProtocol, request: TrialRequest, pass_on: Callable[[Report], None]
    ) -> RunRecord | None:
        """Have the worker do it; where the worker dies, have another go on, once.

        Losing the machine below it is not held against a trial, within reason.
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
                    again = "going on from the last checkpoint in a new one"
                    self._tell(f"{request.run_dir.name}: {error}; {again}")
        except InvolbenchError as error:
            pass_on(
                TrialClaimed()
            )  # Its worker may not have come so far, but the try was this runner's.
            exit_signal = error.exit_signal if isinstance(error, WorkerDied) else None
            record = failure_record(request, str(error), started, exit_signal)
            try:
                self.store.write_record(record)
            except InvolbenchError as second:
                self._tell(str(second))
            return record

    def _tell(self, text: str) -> None:
        self._events.put(Notice(text))
