"""Experiments and runs as tables and as JSON: `list`, `show`, `clean`; `params`."""

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.settings import format_setting, trial_settings
from involbench.reporting.tables import Column, Page, Rows, Table
from involbench.reporting.tables.terminal import Fields
from involbench.reporting.units import age, counted, duration, percent, size
from involbench.results.cleanup import Leftover
from involbench.results.record import ROLES, LayerParameters, Parameters, RunRecord
from involbench.results.run_index import RunEntry, RunState
from involbench.results.store import last_lines
from involbench.text import coordinates, excerpt, printable

LIST_VERSION = 1
"""Of the JSON document."""


def experiments_table(experiments: Mapping[str, Sequence[RunState]], now: datetime) -> Table:
    """A row for each experiment: runs, epochs, age of the newest run, size, runs by status."""
    rows = [
        (
            *(name, str(len(entries)), _epochs(entries)),
            age(now - max(entry.updated for entry in entries)) if entries else "-",
            *(sum(entry.size for entry in entries), statuses(entries)),
        )
        for name, entries in experiments.items()
    ]
    last = (Column("size", "bytes"), Column("status", align="left"))
    return Table(("experiment", "runs", "epochs", "age", *last), rows)


def runs_table(entries: Sequence[RunState], now: datetime) -> Table:
    """A row for each run."""
    rows = [
        (entry.run_id, _epochs([entry]), age(now - entry.updated), entry.size, status(entry))
        for entry in entries
    ]
    columns = ("run", "epochs", "age", Column("size", "bytes"), Column("status", align="left"))
    return Table(columns, rows)


def list_json(experiments: Mapping[str, Sequence[RunState]]) -> dict[str, Any]:
    """Every run of the experiments given, for `--json`."""
    return {
        "schema_version": LIST_VERSION,
        "experiments": [
            {"experiment": name, "runs": [run_json(entry) for entry in entries]}
            for name, entries in experiments.items()
        ],
    }


def run_json(entry: RunState) -> dict[str, Any]:
    """What the list tells of one run. Sizes in bytes, times in UTC, ISO 8601."""
    return {
        "run_id": entry.run_id,
        "path": str(entry.path),
        "status": entry.status,
        "collapsed": entry.collapsed,
        "epochs_done": entry.epochs_done,
        "epochs": entry.epochs,
        "updated": entry.updated.isoformat(timespec="seconds"),
        "size": entry.size,
    }


def status(entry: RunState) -> str:
    """The status, and whether the run never left chance."""
    return f"{entry.status}, collapsed" if entry.collapsed else entry.status


def statuses(entries: Sequence[RunState]) -> str:
    """How many runs have which status; the status alone where all have the same."""
    counts = Counter(map(status, entries))
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(
        f"{count} {name.replace(', ', ' and ')}" for name, count in sorted(counts.items())
    )


def _epochs(entries: Sequence[RunState]) -> str:
    if not entries:
        return "-"
    known = [entry.epochs for entry in entries]
    done = sum(entry.epochs_done for entry in entries)
    total = sum(epochs for epochs in known if epochs is not None)
    return f"{done}/{'?' if None in known else total}"


SHOW_VERSION = 1
"""Of the JSON document."""

Facts = Iterable[tuple[str, str]]


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


def record_sections(record: RunRecord, parameters: Parameters | None = None) -> dict[str, Facts]:
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
        yield "ended", f"{age(now - entry.updated)} ago, after {duration(record.seconds)}"
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
            text = percent(value)
        else:
            text = f"{value:.4g}"
        if record.trial.data.validated_on == "test":
            name = name.replace("val_", "test_")
        yield excerpt(name, 40).replace("_", " "), text


def _parameters(parameters: Parameters | None) -> Iterator[tuple[str, str]]:
    if parameters is not None:
        roles = (f"{role} {count:,}" for role, count in parameters.by_role.items() if count)
        yield "trainable", f"{parameters.trainable:,} ({', '.join(roles)})"
        yield "not trainable", f"{parameters.non_trainable:,}"


def _settings(record: RunRecord) -> Iterator[tuple[str, str]]:
    yield "model", record.trial.model
    for key, value in trial_settings(record.trial).items():
        yield key.removeprefix("architecture."), excerpt(format_setting(value))
    yield "seed", str(record.trial.seed)
    for name, values in (("candidate", record.trial.candidate), ("tuned", record.trial.tuned)):
        if values:
            yield name, excerpt(coordinates(values))


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
        test = f"{sizes.test_size:,} to test"
        if record.trial.data.validated_on == "test":
            test += ", after each epoch too"
        else:
            test = f"{sizes.validation_size:,} to validate, {test}"
        yield "images", f"{sizes.train_size:,} to train on, {test}"


def _files(entry: RunEntry) -> Iterator[tuple[str, str]]:
    files = [item for item in entry.items if item.kind != "folder"]
    for item in sorted(files, key=lambda item: (Path(item.name).parent.name, item.name)):
        yield printable(item.name), size(item.size)
    yield "together", size(entry.size)


def _grid(rows: Facts) -> Fields:
    return Fields([(Text(f"  {name}", style="dim"), Text(value)) for name, value in rows], [14])


def leftovers_page(leftovers: Sequence[Leftover], root: Path) -> Page:
    """A row for each leftover, with its path below `root`, and the total."""
    rows = []
    for leftover in leftovers:
        path = leftover.path.path
        name = path.relative_to(root) if path.is_relative_to(root) else path
        rows.append((str(name), leftover.size, leftover.why))
    columns = ("left over", Column("size", "bytes"), Column("what it is", align="left"))
    return Page([Table(columns, rows)], [[f"{total_of(leftovers)} in {root}"]])


def total_of(leftovers: Sequence[Leftover]) -> str:
    """How many they are and how large together: `3 things, 1.25 MB`."""
    total = size(sum(leftover.size for leftover in leftovers))
    return f"{counted(len(leftovers), 'thing')}, {total}"


_CONVENTION = (
    "MACs: multiply-accumulates for one image in convolutions, dense layers and operators, with "
    "the generation of their kernels. Biases, normalization, activations and pooling are not "
    "counted."
)


def params_page(models: Mapping[str, Parameters]) -> Page:
    """The layers of each model, then the parameters and the MACs of all models by role."""
    layers = ("layer", "output", "role", "parameters", "MACs")
    tables = [
        Table(layers, [_layer_row(layer) for layer in parameters.layers], name)
        for name, parameters in models.items()
    ]
    rows: Rows = []
    macs: Rows = []
    for name, each in models.items():
        roles = (each.by_role[role] for role in ROLES)
        rows.append((name, each.trainable, *roles, each.non_trainable))
        total = f"> {each.macs:,}" if each.not_counted else each.macs
        macs.append((name, total, *(each.macs_by_role[role] for role in ROLES)))
    tables.append(Table(("model", "trainable", *ROLES, "non-trainable"), rows))
    tables.append(Table(("model", "MACs", *ROLES), macs))
    missing = [
        f"{name}: MACs not counted: {', '.join(parameters.not_counted)}"
        for name, parameters in models.items()
        if parameters.not_counted
    ]
    return Page(tables, [[*missing, _CONVENTION]])


def _layer_row(layer: LayerParameters) -> tuple[str | int, ...]:
    output = "x".join("?" if size is None else str(size) for size in layer.output_shape[1:])
    return (
        f"{layer.name} ({layer.layer})",
        output,
        layer.role,
        layer.trainable + layer.non_trainable,
        "not counted" if layer.macs is None else layer.macs,
    )
