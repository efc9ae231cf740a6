"""Runs as MLflow runs: parameters, metrics an epoch each, and plots."""

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any

from involbench.errors import UsageError
from involbench.reporting.trackers.rows import RunRow

_TAG = "involbench.run_id"
_PARAMETERS = (
    *("model", "seed", "point", "architecture", "arguments", "dataset", "train_size"),
    *("epochs", "batch_size", "optimizer", "precision"),
)
_TAGS = ("status", "commit", "device")
_BATCH = 1000
"""Metrics that MLflow takes at a time."""


def write_mlflow(rows: Sequence[RunRow], uri: str | None) -> tuple[int, str]:
    """Log every run that a tracking server has not got yet.

    Args:
        rows: The runs.
        uri: The server, or where its files are; None for what MLFLOW_TRACKING_URI says, or else
            the folder mlruns.

    Returns:
        How many were logged, and where.

    Raises:
        UsageError: The server refuses, or cannot be reached.
    """
    from mlflow.exceptions import MlflowException

    # A folder needs no server and no database; MLflow wants to be told that one is meant.
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    place = uri or os.environ.get("MLFLOW_TRACKING_URI") or Path("mlruns").absolute().as_uri()
    try:
        return _write(rows, place), place
    except (MlflowException, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(f"--to mlflow: {place}: {reason}") from error


def _write(rows: Sequence[RunRow], uri: str) -> int:
    from mlflow.tracking import MlflowClient

    client, logged = MlflowClient(tracking_uri=uri), 0
    for row in rows:
        experiment = _experiment(client, row.facts["experiment"])
        known = f"tags.`{_TAG}` = '{row.facts['run_id']}'"
        if not client.search_runs([experiment], known, max_results=1):
            _log(client, experiment, row)
            logged += 1
    return logged


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    identity: str = found.experiment_id if found else client.create_experiment(name)
    return identity


def _log(client: Any, experiment: str, row: RunRow) -> None:
    from mlflow.entities import Metric, Param, RunTag

    facts = row.facts
    started, ended = (_milliseconds(facts[name]) for name in ("started", "ended"))
    run = client.create_run(experiment, start_time=started, run_name=facts["run_id"])
    identity = run.info.run_id
    metrics = [
        Metric(_allowed(name), value, ended, step)
        for name, value, step in _metrics(row)
        if value is not None and isfinite(value)
    ]
    for first in range(0, len(metrics), _BATCH):
        client.log_batch(identity, metrics=metrics[first : first + _BATCH])
    parameters = [Param(name, str(facts[name])) for name in _PARAMETERS]
    if (row.folder / "plots").is_dir():
        client.log_artifacts(identity, str(row.folder / "plots"), "plots")
    # The tag comes last: a run that was cut off here is logged again.
    told = [RunTag(f"involbench.{name}", str(facts[name])) for name in _TAGS]
    client.log_batch(identity, params=parameters, tags=[*told, RunTag(_TAG, facts["run_id"])])
    status = "FINISHED" if facts["status"] == "finished" else "FAILED"
    client.set_terminated(identity, status, end_time=ended)


def _metrics(row: RunRow) -> Iterator[tuple[str, float | None, int]]:
    yield from ((name, value, 0) for name, value in row.metrics.items())
    for epoch, values in enumerate(row.epochs, start=1):
        yield from ((f"epoch_{name}", value, epoch) for name, value in values.items())


def _allowed(name: str) -> str:
    """MLflow's names have no `@` and no `=`."""
    return name.replace("@", " at ").replace("=", " ")


def _milliseconds(time: str) -> int:
    return int(1000 * datetime.fromisoformat(time).timestamp())
