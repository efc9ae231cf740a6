"""Every run of an experiment, in any state, for `list` and `show`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from involbench.errors import ResultsError
from involbench.results.artifacts import Item, items_below, total_size
from involbench.results.gc_paused import gc_paused
from involbench.results.parallel import map_many
from involbench.results.paths import ResultsPath
from involbench.results.record import RUN_ID, RunRecord
from involbench.results.store import is_held, read_trial
from involbench.results.tree import ResultsTree, read_history, read_run

_CHECKPOINT = re.compile(r"checkpoint/(?P<epoch>\d+)-(?P<step>\d+)(\.npz)?")


@dataclass(frozen=True)
class RunEntry:
    """One run folder as it is on disk."""

    experiment: str
    path: ResultsPath
    status: str
    """From the record; or `running` if a process locks it, or `unfinished`."""
    record: RunRecord | None
    """None for a running or interrupted run."""
    epochs_done: int
    epochs: int | None
    """Of its trial; None if unknown."""
    updated: datetime
    """When it ended, or when its files last changed."""
    items: tuple[Item, ...]
    size: int
    """Bytes on disk."""

    @property
    def run_id(self) -> str:
        return self.path.name


@gc_paused()
def read_entries(
    tree: ResultsTree, experiment: str, known: Mapping[ResultsPath, RunRecord] | None = None
) -> tuple[list[RunEntry], list[str]]:
    """The runs of an experiment by model and seed, and a warning for each thing left out.

    Args:
        tree: Where it is.
        experiment: Its name.
        known: Records that have been read, which are not read again.

    Raises:
        ResultsError: The experiment's folder cannot be listed.
    """
    read = partial(_entry_or_warning, experiment, known or {})
    with tree.kept_open(experiment):
        folders = tree.run_folders(experiment)
        # Another process would send back copies of the records that are known here.
        results = [*map(read, folders)] if known else map_many(read, folders)
    found = [result for result in results if isinstance(result, RunEntry)]
    warnings = tree.linked_runs(experiment)
    warnings += [result for result in results if isinstance(result, str)]
    return sorted(found, key=_order), warnings


def _entry_or_warning(
    experiment: str, known: Mapping[ResultsPath, RunRecord], path: ResultsPath
) -> RunEntry | str:
    try:
        with path.kept_open():
            return read_entry(experiment, path, known=known.get(path))
    except ResultsError as error:
        return f"{error} (skipped)"


def read_entry(
    experiment: str,
    path: ResultsPath,
    held: bool | None = None,
    known: RunRecord | None = None,
) -> RunEntry:
    """One run folder.

    Args:
        experiment: The experiment that it is of.
        path: The folder.
        held: Whether a process trains it; default: whether its lock is held.
        known: Its record, where it has been read.

    Raises:
        ResultsError: It is no run folder, or its record cannot be used.
    """
    items = tuple(items_below(path))
    has_record = any(item.name == "run.json" for item in items) or (path / "run.json").exists()
    if not has_record and not RUN_ID.fullmatch(path.name):
        raise ResultsError(f"{path}: not a run folder: it has no run.json")
    record = known or (read_run(path).record if has_record else None)
    status = _status(path, record, held)
    trial = record.trial if record else read_trial(path)
    return RunEntry(
        experiment=experiment,
        path=path,
        status=status,
        record=record,
        epochs_done=_epochs_done(path, record, items),
        epochs=trial.training.epochs if trial else None,
        updated=_updated(path, record if status != "running" else None, items),
        items=items,
        size=total_size(items),
    )


def _status(path: ResultsPath, record: RunRecord | None, held: bool | None) -> str:
    """A run that is finished is not done again while its record is there."""
    if record is not None and record.status == "finished":
        return record.status
    if is_held(path) if held is None else held:
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


def _order(entry: RunEntry) -> tuple[str, int, str]:
    match = RUN_ID.fullmatch(entry.run_id)
    return (match["model"], int(match["seed"]), match["hash"]) if match else (entry.run_id, 0, "")
