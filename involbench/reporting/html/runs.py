"""Every run: its status, environment and files."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from involbench.comparison.metrics import ACCURACY
from involbench.reporting.tables.runs import log_lines, record_sections, status
from involbench.reporting.units import counted, duration, percent, size
from involbench.results.paths import ResultsPath
from involbench.results.run_index import RunEntry
from involbench.text import excerpt, first_of, printable

_IF_MISSING = {
    "history.json": "its curves are not drawn",
    "parameters.json": "its parameters are not counted",
    "predictions.npz": "confusion and calibration leave it out",
    "model.keras": "its weights cannot be used again",
}
"""Files of a finished run -> the consequence if one is missing."""

_MOST_RUNS = 500
_MOST_NAMES = 8
"""Run names listed for one status; the table of runs has all."""

Link = Callable[[ResultsPath], str]
"""A file -> its address relative to the page."""


def first_runs(entries: Sequence[RunEntry]) -> list[RunEntry]:
    """At most `_MOST_RUNS` runs, in their order; unfinished and failed ones are kept first."""
    places = sorted(range(len(entries)), key=lambda place: status(entries[place]) == "finished")
    return [entries[place] for place in sorted(places[:_MOST_RUNS])]


def failed_runs(entries: Sequence[RunEntry]) -> Iterator[str]:
    """A phrase for each status other than finished, with the runs that have it."""
    alike = defaultdict[tuple[str, str], list[str]](list)
    for entry in entries:
        if status(entry) != "finished":
            ended = f"{status(entry)}, {entry.epochs_done} of {_total(entry)} epochs"
            error = entry.record.error if entry.record else None
            alike[ended, excerpt(error) if error else ""].append(printable(entry.run_id))
    for (ended, error), runs in alike.items():
        lines = f"{first_of(runs, _MOST_NAMES)}: {ended}"
        yield f"{lines}: {error}" if error else f"{lines}."


def missing_files(entries: Sequence[RunEntry]) -> Iterator[str]:
    """A sentence for each kind of file that finished runs lack."""
    counts = Counter(name for entry in entries for name in _missing(entry))
    for name, lost in counts.items():
        runs = counted(lost, "finished run")
        yield f"{name} of {runs} was removed or never published; {_IF_MISSING[name]}."


def run_row(entry: RunEntry, link: Link) -> dict[str, Any]:
    """One run for the template."""
    record = entry.record
    accuracy = record.metrics.get(ACCURACY) if record else None
    sections = record_sections(record) if record else {}
    files = [item for item in entry.items if item.kind == "file" and item.is_known]
    return {
        "run_id": entry.run_id,
        "status": status(entry),
        "epochs": f"{entry.epochs_done} of {_total(entry)}",
        "accuracy": (percent(accuracy, unit=""), accuracy) if record else None,
        "took": duration(record.seconds) if record else "",
        "error": printable(record.error or "") if record else "",
        "log": list(map(printable, log_lines(entry))),
        "sections": {title: rows for title, each in sections.items() if (rows := list(each))},
        "files": [
            (item.name, link(entry.path / item.name), size(item.size))
            for item in sorted(files, key=lambda item: item.name)
            if not item.is_temporary and not item.name.startswith((".", "checkpoint/"))
        ],
        "missing": [f"{name} is missing; {_IF_MISSING[name]}" for name in _missing(entry)],
    }


def _missing(entry: RunEntry) -> list[str]:
    if entry.status != "finished":
        return []
    existing = {item.name for item in entry.items}
    return [name for name in _IF_MISSING if name not in existing]


def _total(entry: RunEntry) -> int | str:
    return "?" if entry.epochs is None else entry.epochs
