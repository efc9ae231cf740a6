"""The experiments of a results tree, and the runs of one, as tables and as JSON."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import RenderableType

from involbench.reporting.numbers_table import NumbersTable
from involbench.reporting.units import age, size
from involbench.results.catalog import RunEntry

LIST_VERSION = 1
"""Of the JSON document."""


def experiments_view(
    experiments: Mapping[str, Sequence[RunEntry]], now: datetime
) -> Iterator[RenderableType]:
    """A row an experiment: its runs by status, epochs done of all, age of the newest, size."""
    rows = []
    for name, entries in experiments.items():
        newest = [age(now - max(entry.updated for entry in entries))] if entries else ["-"]
        total = size(sum(entry.size for entry in entries))
        cells = [name, str(len(entries)), _epochs(entries), *newest, total, statuses(entries)]
        rows.append(cells)
    yield NumbersTable(("experiment", "runs", "epochs", "age", "size", "status"), rows, prose=True)


def runs_view(entries: Sequence[RunEntry], now: datetime) -> Iterator[RenderableType]:
    """A row a run: status, epochs done of all, age, size on disk."""
    rows = [
        (entry.run_id, _epochs([entry]), age(now - entry.updated), size(entry.size), status(entry))
        for entry in entries
    ]
    yield NumbersTable(("run", "epochs", "age", "size", "status"), rows, prose=True)


def list_json(experiments: Mapping[str, Sequence[RunEntry]]) -> dict[str, Any]:
    """Every run of the experiments given, for `--json`."""
    return {
        "schema_version": LIST_VERSION,
        "experiments": [
            {"experiment": name, "runs": [run_json(entry) for entry in entries]}
            for name, entries in experiments.items()
        ],
    }


def run_json(entry: RunEntry) -> dict[str, Any]:
    """What the list tells of one run. Sizes in bytes, times in UTC, ISO 8601."""
    return {
        "run_id": entry.run_id,
        "path": str(entry.path),
        "status": entry.status,
        "collapsed": entry.record.collapsed if entry.record else False,
        "epochs_done": entry.epochs_done,
        "epochs": entry.epochs,
        "updated": entry.updated.isoformat(timespec="seconds"),
        "size": entry.size,
    }


def status(entry: RunEntry) -> str:
    """The status, and whether the run never left chance."""
    collapsed = entry.record is not None and entry.record.collapsed
    return f"{entry.status}, collapsed" if collapsed else entry.status


def statuses(entries: Sequence[RunEntry]) -> str:
    """How many runs have which status; the status alone where all have the same."""
    counts = Counter(map(status, entries))
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(
        f"{count} {name.replace(', ', ' and ')}" for name, count in sorted(counts.items())
    )


def _epochs(entries: Sequence[RunEntry]) -> str:
    if not entries:
        return "-"
    known = [entry.epochs for entry in entries]
    done = sum(entry.epochs_done for entry in entries)
    total = sum(epochs for epochs in known if epochs is not None)
    return f"{done}/{'?' if None in known else total}"
