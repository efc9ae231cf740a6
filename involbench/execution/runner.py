"""Doing an experiment: its trials, given to workers side by side."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import inf
from queue import SimpleQueue

from involbench.errors import InvolbenchError
from involbench.execution.agenda import Agenda
from involbench.execution.client import NoRoom, WorkerDied, WorkerLost, WorkerStopped
from involbench.execution.crew import Crew, Works
from involbench.execution.events import (
    EpochEnded,
    Event,
    Planned,
    SeedEnded,
    TrialEnded,
    TrialStarted,
)
from involbench.execution.failure import failed
from involbench.execution.messages import Began, Notice, Report
from involbench.execution.plan import PlannedTrial
from involbench.execution.requests import RunTrial
from involbench.results.progress import EpochReport
from involbench.results.record import RunRecord
from involbench.results.store import Store, ended

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

    crew: Crew
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
                self.store.tidy(item.run_id)
        self.show(Planned(tuple(item.trial for item in todo), len(planned) - len(todo)))
        workers = self.crew.workers[: len(todo)]
        agenda = Agenda(_entries(todo), self._turn if len(workers) > 1 else _Entry.turn)
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

    def _work(self, worker: Works, agenda: Agenda[_Entry]) -> None:
        """What one thread does: trial after trial with its worker."""
        left = _Left()
        try:
            while (entry := agenda.take()) is not None:
                try:
                    record = self._do(worker, entry)
                except NoRoom:
                    agenda.put_off(entry)
                    continue
                if record is None:
                    agenda.put_off(replace(entry, waited_for=True))
                elif record.status == "failed" and self.fail_fast:
                    agenda.close()  # Here, before this thread or another takes the next one.
                    self.crew.stop()
                worker.renew()
            worker.leave()
        except WorkerStopped:
            pass
        except BaseException as error:
            left = _Left(error)
        self._events.put(left)

    def _do(self, worker: Works, entry: _Entry) -> RunRecord | None:
        """The trial's record; None while another runner runs it."""
        began: list[Began] = []

        def pass_on(report: Report) -> None:
            match report:
                case Began():
                    if not began:
                        self._events.put(entry.started)
                    began.append(report)
                case EpochReport():
                    self._events.put(EpochEnded(entry.started, report, entry.item.run_id))
                case _:
                    self._events.put(report)

        run_dir = self.store.run_dir(entry.item.run_id)
        request = RunTrial(entry.item.trial, run_dir, self.argv, self.since, self.force)
        record = self._record(worker, request, pass_on)
        if record is not None:
            self._took[entry.item.trial.kind] = record.seconds
            self._events.put(TrialEnded(entry.started, record, run_dir, elsewhere=not began))
        elif not entry.waited_for:
            self._tell(f"{run_dir.name} is being run by another process: waiting for it")
        return record

    def _record(
        self, worker: Works, request: RunTrial, pass_on: Callable[[Report], None]
    ) -> RunRecord | None:
        """Have the worker do it; where the worker dies, have another go on, once.

        Losing the machine below it is not held against a trial, within reason.
        """
        started, deaths, losses = datetime.now(UTC), 0, 0
        try:
            while True:
                try:
                    record: RunRecord | None = worker.ask(request, pass_on)
                    return record
                except WorkerDied as error:
                    lost = isinstance(error, WorkerLost)
                    losses, deaths = losses + lost, deaths + (not lost)
                    if deaths > 1 or losses > _LOSSES:
                        raise
                    again = "going on from the last checkpoint in a new one"
                    self._tell(f"{request.run_dir.name}: {error}; {again}")
        except InvolbenchError as error:
            pass_on(Began())  # Its worker may not have come so far, but the try was this runner's.
            exit_signal = error.exit_signal if isinstance(error, WorkerDied) else None
            record = failed(request, str(error), started, exit_signal)
            try:
                self.store.write_record(record)
            except InvolbenchError as second:
                self._tell(str(second))
            return record

    def _tell(self, text: str) -> None:
        self._events.put(Notice(text))
