"""One run in full, as a page and as JSON."""

import shlex
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from involbench.analysis.metrics import metric as metric_called
from involbench.analysis.settings import shown, trial_settings
from involbench.reporting.tables_list import run_json, status
from involbench.reporting.units import age, elapsed, size
from involbench.reporting.whole_words import Fields
from involbench.results.catalog import RunEntry
from involbench.results.logs import last_lines
from involbench.results.record import Parameters, RunRecord
from involbench.results.wording import excerpt, printable

SHOW_VERSION = 1
"""Of the JSON document."""

Rows = Iterable[tuple[str, str]]


def run_view(
    entry: RunEntry, parameters: Parameters | None, now: datetime
) -> Iterator[RenderableType]:
    """What the run is, how it ended, its metrics, settings, provenance and files."""
    yield Text(f"{entry.experiment}/{entry.run_id}", style="bold")
    yield _grid(_ending(entry, now))
    for line in log_lines(entry):
        yield Text(f"  | {printable(line)}")
    sections = record_sections(entry.record, parameters) if entry.record else {}
    for title, rows in {**sections, "files": _files(entry)}.items():
        if lines := list(rows):
            yield Text(f"\n{title}", style="bold")
            yield _grid(lines)


def record_sections(record: RunRecord, parameters: Parameters | None = None) -> dict[str, Rows]:
    """What is known of a run that has ended: (name, value) each, as one line of text."""
    return {
        "metrics": _metrics(record),
        "parameters": _parameters(parameters),
        "settings": _settings(record),
        "provenance": _provenance(record),
    }


def run_document(entry: RunEntry, parameters: Parameters | None) -> dict[str, Any]:
    """The same for `--json`, with the record as it is on disk, brought up to date."""
    counts = parameters.model_dump(mode="json", exclude={"layers"}) if parameters else None
    return {
        "schema_version": SHOW_VERSION,
        "experiment": entry.experiment,
        **run_json(entry),
        "log_tail": list(log_lines(entry)),
        "parameters": counts,
        "record": entry.record.model_dump(mode="json") if entry.record else None,
        "files": {item.name: item.size for item in entry.items if item.kind != "folder"},
    }


def log_lines(entry: RunEntry) -> tuple[str, ...]:
    """The last lines of its log, where it failed."""
    if entry.status != "failed":
        return ()
    kept = entry.record.log_tail if entry.record else ()
    return kept or last_lines(entry.path / "log.txt")


def _ending(entry: RunEntry, now: datetime) -> Iterator[tuple[str, str]]:
    total = "?" if entry.epochs is None else entry.epochs
    yield "status", f"{status(entry)}, {entry.epochs_done} of {total} epochs"
    record = entry.record
    if record is None:
        yield "last changed", f"{age(now - entry.updated)} ago"
    else:
        yield "ended", f"{age(now - entry.updated)} ago, after {elapsed(record.seconds)}"
        if record.error:
            yield "error", printable(record.error)
        if record.exit_signal:
            yield "signal", excerpt(record.exit_signal)
        yield from (("note", printable(note)) for note in record.notes)
    yield "folder", str(entry.path)


def _metrics(record: RunRecord) -> Iterator[tuple[str, str]]:
    for name, value in record.metrics.items():
        if value is None:
            text = "n/a"
        elif metric_called(name).unit == "percent":
            text = f"{100 * value:.2f}%"
        else:
            text = f"{value:.4g}"
        yield excerpt(name, 40).replace("_", " "), text


def _parameters(parameters: Parameters | None) -> Iterator[tuple[str, str]]:
    if parameters is not None:
        roles = (f"{role} {count:,}" for role, count in parameters.by_role.items() if count)
        yield "trainable", f"{parameters.trainable:,} ({', '.join(roles)})"
        yield "not trainable", f"{parameters.non_trainable:,}"


def _settings(record: RunRecord) -> Iterator[tuple[str, str]]:
    yield "model", record.trial.model
    for key, value in trial_settings(record.trial).items():
        yield key.removeprefix("architecture."), excerpt(shown(value))
    yield "seed", str(record.trial.seed)


def _provenance(record: RunRecord) -> Iterator[tuple[str, str]]:
    yield "command", printable(f"involbench {shlex.join(record.argv)}")
    yield "started", excerpt(record.started)
    versions = (f"{name} {version}" for name, version in record.versions.items())
    yield "versions", printable(", ".join(versions))
    if record.environment:
        variables = (f"{name}={value}" for name, value in record.environment.items())
        yield "environment", excerpt(" ".join(variables), 1000)
    if record.hardware:
        machine = record.hardware
        memory = f"{machine.cores} cores, {machine.memory_gib:g} GiB"
        yield "machine", printable(f"{machine.trained_on}; {machine.cpu}, {memory}")
    if record.git:
        changed = " with changes" if record.git.get("changed") else ""
        yield "commit", excerpt(f"{record.git.get('commit')}{changed}")
    if record.data:
        yield "dataset", excerpt(record.data.fingerprint)
        sizes = record.data
        yield (
            "images",
            f"{sizes.train_size:,} to train on, {sizes.validation_size:,} to validate, "
            f"{sizes.test_size:,} to test",
        )


def _files(entry: RunEntry) -> Iterator[tuple[str, str]]:
    files = [item for item in entry.items if item.kind != "folder"]
    for item in sorted(files, key=lambda item: (Path(item.name).parent.name, item.name)):
        yield printable(item.name), size(item.size)
    yield "together", size(entry.size)


def _grid(rows: Rows) -> Fields:
    return Fields([(Text(f"  {name}", style="dim"), Text(value)) for name, value in rows], [14])
