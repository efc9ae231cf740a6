"""Every run of an experiment, in any state, for `list` and `show`."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from involbench.errors import ResultsError
from involbench.results.artifacts import Item, items_below_opened, total_size
from involbench.results.parallel import gc_paused, map_many
from involbench.results.paths import ResultsPath
from involbench.results.record import RUN_ID, RunRecord
from involbench.results.store import is_locked, read_trial
from involbench.results.tree import ResultsTree, read_history, read_run

_CHECKPOINT = re.compile(r"checkpoint/(?P<epoch>\d+)-(?P<step>\d+)(\.npz)?")


@dataclass(frozen=True)
class RunState:
    """The state of one run folder on disk."""

    experiment: str
    path: ResultsPath
    status: str
    """From the record; or `running` if a process locks the run, or `unfinished`."""
    collapsed: bool
    epochs_done: int
    epochs: int | None
    """From the trial; None if unknown."""
    updated: datetime
    """When the run ended, or when its files last changed."""
    size: int
    """Bytes on disk."""

    @property
    def run_id(self) -> str:
        return self.path.name


@dataclass(frozen=True)
class RunEntry(RunState):
    """A run folder with its record and its files."""

    record: RunRecord | None
    """None for a running or interrupted run."""
    items: tuple[Item, ...]


_Read = TypeVar("_Read", bound=RunState)
_Known = Mapping[ResultsPath, RunRecord]
_NONE_KNOWN: _Known = {}


def read_states(tree: ResultsTree, experiment: str) -> tuple[list[RunState], list[str]]:
    """The states of the runs by model and seed, and a warning for each run that is left out.

    Raises:
        ResultsError: The folder of the experiment cannot be listed.
    """
    return _read_all(tree, experiment, _state, _NONE_KNOWN)


def read_entries(
    tree: ResultsTree, experiment: str, known: _Known = _NONE_KNOWN
) -> tuple[list[RunEntry], list[str]]:
    """The same, with the record and the files of each run.

    Args:
        tree: The results tree.
        experiment: The name of the experiment.
        known: Records that have been read before, which are not read again.

    Raises:
        ResultsError: The folder of the experiment cannot be listed.
    """
    return _read_all(tree, experiment, _same, known)


@gc_paused()
def _read_all(
    tree: ResultsTree, experiment: str, wanted: Callable[[RunEntry], _Read], known: _Known
) -> tuple[list[_Read], list[str]]:
    def read(path: ResultsPath) -> _Read | str:
        try:
            return wanted(read_entry(experiment, path, known=known.get(path)))
        except ResultsError as error:
            return f"{error} (skipped)"

    with tree.kept_open(experiment):
        folders, warnings = tree.run_folders(experiment)
        # Another process would send back copies of the records that are known here.
        results = [*map(read, folders)] if known else map_many(read, folders)
    warnings += [result for result in results if isinstance(result, str)]
    return sorted((r for r in results if not isinstance(r, str)), key=_order), warnings


def _same(entry: RunEntry) -> RunEntry:
    return entry


def _state(entry: RunEntry) -> RunState:
    """The state alone, which another process sends much faster."""
    return RunState(
        entry.experiment,
        entry.path,
        entry.status,
        entry.collapsed,
        entry.epochs_done,
        entry.epochs,
        entry.updated,
        entry.size,
    )


def read_entry(
    experiment: str,
    path: ResultsPath,
    held: bool | None = None,
    known: RunRecord | None = None,
) -> RunEntry:
    """One run folder.

    Args:
        experiment: The name of its experiment.
        path: The folder.
        held: Whether a process trains it; default: whether its lock is held.
        known: Its record, if it has been read before.

    Raises:
        ResultsError: It is not a run folder, or its record cannot be used.
    """
    record, items = known, tuple[Item, ...]()
    with suppress(OSError), path.opened(to_list=True) as descriptor:
        items = tuple(items_below_opened(path, descriptor))
        has_record = any(item.name == "run.json" for item in items) or (path / "run.json").exists()
        if has_record and record is None:
            record = read_run(path, descriptor).record
    if record is None and not RUN_ID.fullmatch(path.name):
        raise ResultsError(f"{path}: not a run folder: it has no run.json")
    status = _status(path, record, held)
    trial = record.trial if record else read_trial(path)
    return RunEntry(
        experiment,
        path,
        status,
        collapsed=record is not None and record.collapsed,
        epochs_done=_epochs_done(path, record, items),
        epochs=trial.training.epochs if trial else None,
        updated=_updated(path, record if status != "running" else None, items),
        size=total_size(items),
        record=record,
        items=items,
    )


def _status(path: ResultsPath, record: RunRecord | None, held: bool | None) -> str:
    """A run that is finished is not done again while its record is there."""
    if record is not None and record.status == "finished":
        return record.status
    if is_locked(path) if held is None else held:
        return "running"
    return record.status if record else "unfinished"


def _epochs_done(path: ResultsPath, record: RunRecord | None, items: tuple[Item, ...]) -> int:
    if record is not None and record.status == "finished":
        return record.trial.training.epochs
    saved = [_CHECKPOINT.fullmatch(item.name) for item in items]
    epochs = [int(match["epoch"]) for match in saved if match]
    if epochs or record is None:
        return max(epochs, default=0)
    try:
        return max(map(len, read_history(path).values()), default=0)
    except ResultsError:
        return 0


def _updated(path: ResultsPath, record: RunRecord | None, items: tuple[Item, ...]) -> datetime:
    try:
        ended = datetime.fromisoformat(record.ended if record else "")
        return ended.astimezone(UTC)
    except (ValueError, OverflowError):
        changed = [item.modified for item in items if item.name != ".lock"]
        return datetime.fromtimestamp(max(changed) if changed else _modified(path), UTC)


def _modified(path: ResultsPath) -> float:
    try:
        return path.status().st_mtime
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read: {error.strerror}") from error


def _order(entry: RunState) -> tuple[str, int, str]:
    match = RUN_ID.fullmatch(entry.run_id)
    return (match["model"], int(match["seed"]), match["hash"]) if match else (entry.run_id, 0, "")
