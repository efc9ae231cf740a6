"""One experiment: its trials, those of them that are left to do, and doing them."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from involbench import __version__
from involbench.errors import InvolbenchError
from involbench.execution.client import Worker, WorkerDied
from involbench.execution.messages import (
    CheckTrials,
    Event,
    LoadData,
    Notice,
    Planned,
    Report,
    RunTrial,
    SeedEnded,
    TrialEnded,
    TrialStarted,
)
from involbench.results.record import RunRecord
from involbench.results.store import Store
from involbench.spec.schema import DataSpec
from involbench.spec.trial import Trial, one_seed_each

_LOG_LINES = 20


@dataclass(frozen=True)
class PlannedTrial:
    """A trial with its name on disk."""

    trial: Trial
    run_id: str
    finished: bool


def plan(
    trials: list[Trial], worker: Worker, store: Store, show: Callable[[Report], None]
) -> list[PlannedTrial]:
    """Load each dataset for its fingerprint, name the trials, and see which are finished.

    Raises:
        DataError: A dataset is missing or damaged.
    """
    fingerprints: dict[DataSpec, str] = {}
    for trial in trials:
        if trial.data not in fingerprints:
            fingerprints[trial.data] = worker.ask(LoadData(trial.data), show)
    ids = [trial.run_id(fingerprints[trial.data]) for trial in trials]
    return [
        PlannedTrial(trial, run_id, store.ended(trial, run_id) is not None)
        for trial, run_id in zip(trials, ids, strict=True)
    ]


def check(
    planned: list[PlannedTrial], worker: Worker, device: str, show: Callable[[Report], None]
) -> None:
    """Find what would fail for every seed, before anything is written.

    Raises:
        UsageError: A model, an optimizer, a subset or the device cannot be had.
    """
    show(Notice("starting Keras and building each model once"))
    trials = one_seed_each([item.trial for item in planned])
    worker.ask(CheckTrials(trials, device), show)


@dataclass
class Runner:
    """Runs planned trials, seed by seed.

    Args:
        worker: The process that trains.
        store: The experiment's folder.
        argv: The command line, for the records.
        show: Takes every event, in order.
    """

    worker: Worker
    store: Store
    argv: tuple[str, ...]
    show: Callable[[Event], None]

    def run(self, planned: list[PlannedTrial], force: bool = False) -> int:
        """Run what is not finished, or everything if `force`; return how many trials failed."""
        todo = [item for item in planned if force or not item.finished]
        self.show(Planned(tuple(item.trial for item in todo), len(planned) - len(todo)))
        position = {item.run_id: index for index, item in enumerate(todo, start=1)}
        failed = 0
        for seed, group in groupby(planned, key=lambda item: item.trial.seed):
            items = list(group)
            for item in items:
                if item.run_id in position:
                    started = TrialStarted(item.trial, position[item.run_id], len(todo))
                    failed += not self._run_one(item, started, force)
            if any(item.run_id in position for item in items):
                self.show(SeedEnded(seed, tuple(self._finished(items))))
        return failed

    def _run_one(self, item: PlannedTrial, started: TrialStarted, force: bool) -> bool:
        """Whether it did not fail."""
        self.show(started)
        record = self._train(item, force)
        if record is None:
            self.show(Notice(f"{item.run_id} is being run by another process: left to it"))
            return True
        self.show(TrialEnded(item.trial, record, self.store.run_dir(item.run_id)))
        return record.status != "failed"

    def _train(self, item: PlannedTrial, force: bool) -> RunRecord | None:
        started, clock = datetime.now(UTC), time.monotonic()
        try:
            return self._ask(item, force)
        except InvolbenchError as error:
            record = _failed(item, error, self.store.run_dir(item.run_id), self.argv, started)
            record = record.model_copy(update={"seconds": time.monotonic() - clock})
            self.store.write_record(record)
            return record

    def _ask(self, item: PlannedTrial, force: bool) -> RunRecord | None:
        """Have the worker do it; where the worker dies, have another go on, once."""
        request = RunTrial(item.trial, self.store.run_dir(item.run_id), self.argv, force)
        try:
            record: RunRecord | None = self.worker.ask(request, self.show)
        except WorkerDied as error:
            again = "going on from the last checkpoint in a new one"
            self.show(Notice(f"{item.run_id}: {error}; {again}"))
            record = self.worker.ask(replace(request, force=False), self.show)
        return record

    def _finished(self, items: list[PlannedTrial]) -> Iterator[RunRecord]:
        for item in items:
            record = self.store.ended(item.trial, item.run_id)
            if record is not None and record.status == "finished":
                yield record


def _failed(
    item: PlannedTrial,
    error: InvolbenchError,
    run_dir: Path,
    argv: tuple[str, ...],
    started: datetime,
) -> RunRecord:
    """The record of a trial whose worker could not write one."""
    return RunRecord(
        run_id=item.run_id,
        status="failed",
        error=str(error),
        exit_signal=error.exit_signal if isinstance(error, WorkerDied) else None,
        log_tail=_last_lines(run_dir / "log.txt"),
        trial=item.trial,
        argv=argv,
        versions={"involbench": __version__},
        hardware=None,
        git=None,
        data=None,
        started=started.isoformat(timespec="seconds"),
        ended=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=0.0,
    )


def _last_lines(log: Path) -> tuple[str, ...]:
    try:
        return tuple(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:])
    except OSError:
        return ()
