"""Runs as MLflow runs: parameters, metrics an epoch each, and plots."""

import os
import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from datetime import datetime
from http.client import HTTPException
from itertools import groupby
from math import isfinite
from pathlib import Path
from typing import Any

from involbench.errors import ResultsError, UsageError
from involbench.reporting.integrations import RunRow
from involbench.results.files import names_in, read_bytes
from involbench.results.limits import PLOT
from involbench.results.paths import ResultsPath
from involbench.text import excerpt

_TAG = "involbench.run_id"
_PARAMETERS = (
    *("model", "seed", "point", "architecture", "arguments", "dataset", "train_size"),
    *("epochs", "batch_size", "optimizer", "precision"),
)
_TAGS = ("status", "commit", "device")
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError)
"""What MLflow's client raises where an answer is not one of its server."""
_BATCH = 1000
"""Metrics that MLflow takes at a time."""
_SETTINGS = {
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
"""Settings of MLflow that apply unless the user has set others: wait ten seconds for each answer,
and retry once. By default, MLflow gives up after minutes."""
_FIRST_ANSWER = 5.0
"""Seconds to wait for the first answer of a server, before MLflow is imported."""


def write_mlflow(
    rows: Sequence[RunRow],
    uri: str | None,
    warn: Callable[[str], None],
    progress: Callable[[str], None],
) -> tuple[int, str]:
    """Log every run that a tracking server doesn't have yet; returns how many, and where.

    Args:
        rows: The runs.
        uri: The server, or a folder of files; default: MLFLOW_TRACKING_URI, or the folder mlruns.
        warn: Receives a line about each plot that is not sent.
        progress: Receives a line with the address of the server.

    Raises:
        UsageError: The server refuses, or cannot be reached.
    """
    # A folder needs no server and no database, but MLflow requires this permission.
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    place = uri or os.environ.get("MLFLOW_TRACKING_URI") or Path("mlruns").absolute().as_uri()
    if place.startswith(("http://", "https://")):
        progress(f"waiting for the MLflow server at {place}")
        _check_answers(place)
    from google.protobuf.json_format import ParseError
    from mlflow.exceptions import MlflowException

    try:
        return _write(rows, place, warn), place
    except (MlflowException, OSError, ParseError, *_MALFORMED) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if isinstance(error, (ParseError, *_MALFORMED)):
            reason = f"this is not the answer of an MLflow server: {reason}"
        raise UsageError(f"--to mlflow: {place}: {excerpt(reason)}") from error


def _check_answers(uri: str) -> None:
    """Raise UsageError if the server gives no answer in time. MLflow reports all other errors."""
    try:
        urllib.request.urlopen(uri, timeout=_FIRST_ANSWER).close()
    except (OSError, ValueError, HTTPException) as error:
        if isinstance(getattr(error, "reason", error), TimeoutError):
            text = f"--to mlflow: {uri}: no answer within {_FIRST_ANSWER:g} s"
            raise UsageError(text) from error


def _write(rows: Sequence[RunRow], uri: str, warn: Callable[[str], None]) -> int:
    from mlflow.tracking import MlflowClient

    client, logged = MlflowClient(tracking_uri=uri), 0
    for name, of_experiment in groupby(rows, key=lambda row: row.facts["experiment"]):
        found = client.get_experiment_by_name(name)
        experiment = _identity(found.experiment_id if found else client.create_experiment(name))
        known = _logged_runs(client, experiment)
        new = [row for row in of_experiment if row.facts["run_id"] not in known]
        for row in new:
            _log(client, experiment, row, warn)
        logged += len(new)
    return logged


def _logged_runs(client: Any, experiment: str) -> set[str]:
    """The ids of the runs that the server has. They are compared here: no name enters a query."""
    found, page = set[str](), None
    while True:
        runs = client.search_runs([experiment], max_results=_BATCH, page_token=page)
        found |= {run.data.tags[_TAG] for run in runs if _TAG in run.data.tags}
        page = runs.token
        if not page or not runs:
            return found


def _identity(given: object) -> str:
    """What a server calls an experiment or a run. Raises ValueError where it says nothing."""
    if not isinstance(given, str) or not given:
        raise ValueError("it has no id")
    return given


def _log(client: Any, experiment: str, row: RunRow, warn: Callable[[str], None]) -> None:
    from mlflow.entities import Metric, Param, RunTag

    facts = row.facts
    started, ended = (
        int(1000 * datetime.fromisoformat(facts[name]).timestamp()) for name in ("started", "ended")
    )
    run = client.create_run(experiment, start_time=started, run_name=facts["run_id"])
    identity = _identity(run.info.run_id)
    metrics = []
    for step, values in enumerate([row.metrics, *row.epochs]):
        for name, value in values.items():
            if value is not None and isfinite(value):
                # Names in MLflow have no `@` and no `=`.
                allowed = name.replace("@", " at ").replace("=", " ")
                metrics.append(Metric(f"epoch_{allowed}" if step else allowed, value, ended, step))
    for first in range(0, len(metrics), _BATCH):
        client.log_batch(identity, metrics=metrics[first : first + _BATCH])
    parameters = [Param(name, str(facts[name])) for name in _PARAMETERS]
    with tempfile.TemporaryDirectory(prefix="involbench-") as copies:
        if _copied(row.folder / "plots", Path(copies), warn):
            client.log_artifacts(identity, copies, "plots")
    # The tag comes last: a run that was cut off here is logged again.
    tags = [RunTag(f"involbench.{name}", str(facts[name])) for name in _TAGS]
    client.log_batch(identity, params=parameters, tags=[*tags, RunTag(_TAG, facts["run_id"])])
    status = "FINISHED" if facts["status"] == "finished" else "FAILED"
    client.set_terminated(identity, status, end_time=ended)


def _copied(plots: ResultsPath, folder: Path, warn: Callable[[str], None]) -> bool:
    """Copy the plots that are files, and say what is not sent; whether there are any."""
    found = False
    try:
        for name in names_in(plots):
            if not name.startswith("."):
                try:
                    (folder / name).write_bytes(read_bytes(plots / name, PLOT))
                    found = True
                except ResultsError as error:
                    warn(f"{error} (not sent)")
    except ResultsError as error:
        warn(f"{error} (not sent)")
    return found
