"""Find and delete files that a results tree no longer needs.

These are interrupted runs, and the files that such runs and interrupted writing leave behind. Files
that are in use, belong to a result, or were not made by involbench are never deleted.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from errno import EEXIST, ENOTEMPTY

from involbench.errors import ResultsError
from involbench.results import files
from involbench.results.artifacts import Item, items_below, total_size
from involbench.results.paths import ResultsPath
from involbench.results.run_index import RunEntry, read_entries, read_entry
from involbench.results.store import lock_run
from involbench.results.tree import ResultsTree

_STALE = 60 * 60
"""Seconds after which a file is no longer being written; plots are, without the run's lock."""


@dataclass(frozen=True)
class Leftover:
    """A run folder, another folder, or a file that can be deleted."""

    path: ResultsPath
    why: str
    size: int
    run: ResultsPath | None = None
    """The run folder that contains it, which must be locked during deletion."""
    inside: tuple[ResultsPath, ...] = ()
    """What is in it and goes before it, in this order. Nothing else in it does."""


def find_leftovers(
    tree: ResultsTree, experiment: str, failed: bool
) -> tuple[list[Leftover], list[str]]:
    """Find what can be deleted from an experiment; also a warning for each unknown file.

    Args:
        tree: The results tree.
        experiment: The experiment's name.
        failed: Whether the runs that failed can go too.

    Raises:
        ResultsError: The experiment's folder cannot be listed.
    """
    entries, warnings = read_entries(tree, experiment)
    found: list[Leftover] = []
    for entry in entries:
        if entry.status != "running":
            found += leftovers_of(entry, failed)
            warnings += _kept(entry, failed)
    return [*found, *_beside_the_runs(tree.folder(experiment))], warnings


def leftovers_of(entry: RunEntry, failed: bool) -> list[Leftover]:
    """What can be deleted of a run that no process trains."""
    if not _is_waste(entry, failed):
        return [*_checkpoints(entry), *_stale(entry.path, entry.items, entry.path)]
    if any(_unknown(entry)):
        return []
    total = "" if entry.epochs is None else f" of {entry.epochs}"
    why = f"{entry.status} run, {entry.epochs_done}{total} epochs done"
    return [_folder(entry.path, why, entry.items, entry)]


def _is_waste(entry: RunEntry, failed: bool) -> bool:
    """Whether the whole run can be deleted. A run that reached its time limit can be resumed."""
    return entry.status == "unfinished" or (failed and entry.status == "failed")


def _kept(entry: RunEntry, failed: bool) -> Iterator[str]:
    unknown = next(_unknown(entry), None)
    if unknown is not None and _is_waste(entry, failed):
        yield f"{entry.path}: kept, since involbench did not write what is in it: {unknown.name}"


def _unknown(entry: RunEntry) -> Iterator[Item]:
    return (item for item in entry.items if not item.is_known)


def _checkpoints(entry: RunEntry) -> Iterator[Leftover]:
    """Those that nothing will go on from."""
    inside = [item for item in entry.items if f"{item.name}/".startswith("checkpoint/")]
    if entry.status in ("finished", "diverged") and inside and all(i.is_known for i in inside):
        why = f"checkpoints of a {entry.status} run"
        yield _folder(entry.path / "checkpoint", why, tuple(inside[1:]), entry)


def _folder(path: ResultsPath, why: str, items: tuple[Item, ...], entry: RunEntry) -> Leftover:
    """Sorted with the lock last, so that no process resumes a half-deleted run."""
    names = sorted((item.name for item in reversed(items)), key=lambda name: name == ".lock")
    inside = tuple(entry.path / name for name in names)
    return Leftover(path, why, total_size(items), entry.path, inside)


def _stale(
    folder: ResultsPath, items: tuple[Item, ...], run: ResultsPath | None
) -> Iterator[Leftover]:
    """Incomplete temporary files and empty folders, outside the checkpoints."""
    for item in items:
        if item.modified > time.time() - _STALE or item.name.startswith("checkpoint"):
            continue
        if item.is_temporary:
            yield Leftover(folder / item.name, "file cut off while written", item.size, run)
        empty = not any(other.name.startswith(f"{item.name}/") for other in items)
        if item.kind == "folder" and item.is_known and empty:
            yield Leftover(folder / item.name, "empty folder", 0, run)


def _beside_the_runs(experiment: ResultsPath) -> Iterator[Leftover]:
    items = tuple(items_below(experiment, skip="runs"))
    runs = experiment / "runs"
    alone = [(item.name, item.kind) for item in items] == [("runs", "folder")]
    if alone and not items_below(runs) and items[0].modified < time.time() - _STALE:
        yield Leftover(experiment, "empty experiment", 0, inside=(runs,))
    yield from _stale(experiment, items, None)


def remove(leftover: Leftover, failed: bool) -> bool:
    """Delete a leftover under the lock of its run, if it still is one.

    Args:
        leftover: What to delete.
        failed: As it was given to `find_leftovers`.

    Returns:
        Whether it was deleted. Not where another process has taken the run up meanwhile.

    Raises:
        ResultsError: It cannot be deleted, or its run cannot be read any more.
    """
    if leftover.run is None:
        return _delete(leftover)
    with lock_run(leftover.run) as owned:
        if not owned:
            return False
        entry = read_entry("", leftover.run, held=False)
        now = [each for each in leftovers_of(entry, failed) if each.path == leftover.path]
        return all(map(_delete, now)) and bool(now)


def _delete(leftover: Leftover) -> bool:
    """Whether all of it is gone: what has been put into it meanwhile stays, and it with that."""
    try:
        for path in (*leftover.inside, leftover.path):
            files.remove(path)
    except ResultsError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in (EEXIST, ENOTEMPTY):
            return False
        raise
    return True
