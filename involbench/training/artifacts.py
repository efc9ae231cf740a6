"""Writing the files of one run, the record last."""

import csv
import io
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from involbench.errors import ResultsError
from involbench.results.arrays import write_arrays
from involbench.results.files import copy_in, write_atomic, write_json
from involbench.results.paths import ResultsPath
from involbench.results.record import History, Parameters, RunRecord


def strict(
    values: Mapping[str, list[float]], what: str
) -> tuple[dict[str, list[float | None]], tuple[str, ...]]:
    """The values as strict JSON can hold them, and a note for each name that lost some."""
    clean: dict[str, list[float | None]] = {
        name: [value if math.isfinite(value) else None for value in row]
        for name, row in values.items()
    }
    notes = tuple(
        f"{what}.{name}: {row.count(None)} of {len(row)} values were not finite, written as null"
        for name, row in clean.items()
        if None in row
    )
    return clean, notes


def write_history(run_dir: ResultsPath, history: History) -> None:
    """Write history.json and history.csv, a row an epoch."""
    write_json(run_dir / "history.json", history)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", *history])
    rows = zip(*history.values(), strict=True)
    writer.writerows([epoch, *row] for epoch, row in enumerate(rows, start=1))
    write_atomic(run_dir / "history.csv", text.getvalue().encode())


def write_parameters(run_dir: ResultsPath, parameters: Parameters) -> None:
    """Write parameters.json."""
    write_json(run_dir / "parameters.json", parameters.model_dump(mode="json"))


def write_predictions(run_dir: ResultsPath, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write predictions.npz."""
    write_arrays(run_dir / "predictions.npz", arrays)


def write_model(run_dir: ResultsPath, model: keras.Model) -> None:
    """Write model.keras: architecture, weights and optimizer."""
    path = run_dir / "model.keras"
    # Keras writes to a path, which in the run's folder could be anyone's.
    with tempfile.TemporaryDirectory(prefix="involbench-") as folder:
        temporary = Path(folder, path.name)
        try:
            model.save(temporary)
        except OSError as error:
            raise ResultsError(f"cannot write {temporary}: {error.strerror or error}") from error
        copy_in(temporary, path)


def sizes(run_dir: ResultsPath) -> dict[str, int]:
    """The size of each file that a run leaves, in bytes, by which a damaged one is known."""
    names = ("history.json", "history.csv", "parameters.json", "predictions.npz", "model.keras")
    paths = [run_dir / name for name in names]
    return {path.name: path.status().st_size for path in paths if path.exists()}


def write_record(run_dir: ResultsPath, record: RunRecord) -> None:
    """Write run.json; from then on the run counts as what its status says."""
    write_json(run_dir / "run.json", record.model_dump(mode="json"))
