"""Runs and epochs as two files, CSV or Parquet."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from involbench.reporting.tables_csv import csv_text
from involbench.reporting.trackers.rows import Row, RunRow
from involbench.results.files import make_folder, write_atomic

_OF_AN_EPOCH = ("experiment", "run_id", "model", "seed")


def write_csv(rows: Sequence[RunRow], folder: Path) -> list[Path]:
    """Write runs.csv and epochs.csv; what there is not is empty.

    Raises:
        ResultsError: The folder cannot be written.
    """
    return _write(folder, {"runs.csv": _csv(_runs(rows)), "epochs.csv": _csv(_epochs(rows))})


def write_parquet(rows: Sequence[RunRow], folder: Path) -> list[Path]:
    """Write runs.parquet and epochs.parquet; what there is not is null.

    Raises:
        ResultsError: The folder cannot be written.
    """
    tables = {"runs.parquet": _parquet(_runs(rows)), "epochs.parquet": _parquet(_epochs(rows))}
    return _write(folder, tables)


def _runs(rows: Sequence[RunRow]) -> list[Row]:
    return [{**row.facts, **row.metrics} for row in rows]


def _epochs(rows: Sequence[RunRow]) -> list[Row]:
    return [
        {**{name: row.facts[name] for name in _OF_AN_EPOCH}, "epoch": epoch, **values}
        for row in rows
        for epoch, values in enumerate(row.epochs, start=1)
    ]


def _csv(rows: Sequence[Row]) -> bytes:
    columns = _columns(rows)
    return csv_text([columns, *([row.get(name) for name in columns] for row in rows)]).encode()


def _parquet(rows: Sequence[Row]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    columns = {name: [row.get(name) for row in rows] for name in _columns(rows)}
    buffer = BytesIO()
    parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _write(folder: Path, contents: dict[str, bytes]) -> list[Path]:
    make_folder(folder)
    for name, content in contents.items():
        write_atomic(folder / name, content)
    return [folder / name for name in contents]
