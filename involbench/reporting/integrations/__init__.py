"""Runs and epochs for other tools: as rows, and as CSV or Parquet files."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from involbench.comparison.compare import parameter_counts
from involbench.comparison.metrics import MetricSelection, measure
from involbench.errors import ResultsError
from involbench.reporting.tables import csv_text
from involbench.results.files import make_folder, write_atomic
from involbench.results.paths import ResultsPath
from involbench.results.tree import ResultsTree, StoredRun

Row = dict[str, Any]
"""Column -> text or number; None if there is no value."""


@dataclass(frozen=True)
class RunRow:
    """One run, whatever its status."""

    facts: Row
    """Its settings, status, versions and hardware."""
    metrics: dict[str, float | None]
    """Empty for a run that has not finished."""
    epochs: list[dict[str, float | None]]
    """The values of each epoch; empty without a history."""
    folder: ResultsPath

    @property
    def name(self) -> str:
        """`<experiment>/<run id>`."""
        return f"{self.facts['experiment']}/{self.facts['run_id']}"


def run_rows(
    experiments: Iterable[tuple[ResultsTree, str]],
) -> tuple[list[RunRow], list[str]]:
    """The runs of experiments, and a warning for each thing that cannot be read."""
    rows, warnings = list[RunRow](), list[str]()
    for tree, experiment in experiments:
        runs, unreadable = tree.runs(experiment)
        warnings += unreadable
        for run in runs:
            metrics = dict[str, float | None]()
            if run.record.status == "finished":
                counts = parameter_counts([run], warnings)
                metrics = measure(run, counts, MetricSelection(), warnings)
            epochs = _epochs(run, warnings)
            rows.append(RunRow(_facts(experiment, run), metrics, epochs, run.path))
    return rows, warnings


def _facts(experiment: str, run: StoredRun) -> Row:
    record = run.record
    trial, hardware = record.trial, record.hardware
    return {
        "experiment": experiment,
        "run_id": record.run_id,
        "model": trial.model,
        "seed": trial.seed,
        "point": json.dumps(trial.point, sort_keys=True),
        "status": record.status,
        "error": record.error,
        "architecture": trial.architecture.architecture,
        "arguments": json.dumps(trial.architecture.arguments, sort_keys=True, default=str),
        "dataset": trial.data.dataset,
        "fingerprint": record.data.fingerprint if record.data else None,
        "train_size": record.data.train_size if record.data else None,
        "epochs": trial.training.epochs,
        "batch_size": trial.training.batch_size,
        "optimizer": trial.training.optimizer.name,
        "precision": trial.training.precision,
        "started": record.started,
        "ended": record.ended,
        "seconds": record.seconds,
        "device": hardware.trained_on if hardware else None,
        "cpu": hardware.cpu if hardware else None,
        "commit": (record.git or {}).get("commit"),
        **{f"version_{name}": version for name, version in record.versions.items()},
    }


def _epochs(run: StoredRun, warnings: list[str]) -> list[dict[str, float | None]]:
    try:
        history = run.history()
    except ResultsError as error:
        if run.record.status == "finished":
            warnings.append(str(error))
        return []
    return [
        {name: values[index] for name, values in history.items() if index < len(values)}
        for index in range(max(map(len, history.values()), default=0))
    ]


_OF_AN_EPOCH = ("experiment", "run_id", "model", "seed")


def write_tables(
    rows: Sequence[RunRow], folder: Path, kind: Literal["csv", "parquet"]
) -> list[Path]:
    """Write a file of runs and one of epochs. A missing value is empty, or null."""
    tables = {"runs": list(map(run_columns, rows)), "epochs": epoch_rows(rows)}
    contents = {
        name: (_csv if kind == "csv" else _parquet)(table) for name, table in tables.items()
    }
    make_folder(folder)
    for name, content in contents.items():
        write_atomic(folder / f"{name}.{kind}", content)
    return [folder / f"{name}.{kind}" for name in contents]


def run_columns(row: RunRow) -> Row:
    """The columns of the table of runs."""
    return {**row.facts, **row.metrics}


def epoch_rows(rows: Sequence[RunRow]) -> list[Row]:
    """The table of epochs, which are counted from 1."""
    return [
        {**{name: row.facts[name] for name in _OF_AN_EPOCH}, "epoch": epoch, **values}
        for row in rows
        for epoch, values in enumerate(row.epochs, start=1)
    ]


def _csv(rows: Sequence[Row]) -> bytes:
    columns = _columns(rows)
    return csv_text(columns, ([row.get(name) for name in columns] for row in rows)).encode()


def _parquet(rows: Sequence[Row]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    columns = {name: [row.get(name) for row in rows] for name in _columns(rows)}
    buffer = BytesIO()
    parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))
