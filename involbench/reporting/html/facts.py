"""What the runs of a report are, at a glance: data, models, epochs, seeds, date, versions, CPU."""

from collections.abc import Iterable

from involbench.comparison.claims import data_name
from involbench.reporting.html.data import ReportData
from involbench.reporting.notes import trained_on, versions_of
from involbench.results.record import RunRecord
from involbench.text import excerpt, first_of

_MOST_VALUES = 4
"""Named for one fact; how many more there are is counted."""


def facts(report: ReportData) -> list[tuple[str, str]]:
    """(name, value) each, over all runs that have a record; facts that nothing is known of are
    left out."""
    records = [entry.record for entry in report.entries if entry.record]
    found = {
        "Data": _distinct(data_name(each.trial.data) for each in records),
        "Images": _distinct(map(_images, records)),
        "Models": _distinct(each.model for each in report.comparison.models),
        "Epochs": _range(each.trial.training.epochs for each in records),
        "Seeds": _seeds(report),
        "Date": _dates(records),
        "Versions": versions_of(report.comparison),
        "Device": trained_on(report.comparison),
    }
    return [(name, excerpt(value, 300)) for name, value in found.items() if value]


def _distinct(values: Iterable[str]) -> str:
    return first_of([*filter(None, dict.fromkeys(values))], _MOST_VALUES)


def _images(record: RunRecord) -> str:
    if record.data is None:
        return ""
    data, shape = record.data, "x".join(map(str, record.data.input_shape))
    validation = f"{data.validation_size:,} validation, "
    if record.trial.data.validated_on == "test":
        validation = "validated on test images, "
    return (
        f"{data.train_size:,} training, {validation}{data.test_size:,} test; {shape}, "
        f"{len(data.class_names)} classes"
    )


def _range(values: Iterable[int]) -> str:
    ordered = sorted(set(values))
    return " to ".join(f"{each:,}" for each in dict.fromkeys([*ordered[:1], *ordered[-1:]]))


def _seeds(report: ReportData) -> str:
    counts = _range(each.n_finished for each in report.comparison.models)
    return f"{counts} of each model" if counts else ""


def _dates(records: Iterable[RunRecord]) -> str:
    days = sorted({each.started[:10] for each in records})
    return " to ".join(dict.fromkeys([*days[:1], *days[-1:]]))
