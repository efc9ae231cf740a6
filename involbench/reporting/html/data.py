"""The data of a report, read from the results tree, and the parts of the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from involbench.comparison.compare import GroupComparison, compare
from involbench.comparison.curves import data_of
from involbench.comparison.differences import Rule
from involbench.comparison.join import Found, joined
from involbench.comparison.metrics import ACCURACY
from involbench.comparison.schema import Comparison, ModelResult
from involbench.errors import ResultsError
from involbench.reporting.experiment import Histories, histories_of, single_chance
from involbench.reporting.html.predictions import (
    AggregatedPredictions,
    SamplePredictions,
    aggregate_predictions,
    sample_predictions,
)
from involbench.reporting.plots.figure import Styles, styles_of
from involbench.reporting.tables import Table
from involbench.reporting.tables.cells import label, own_point, side_by_side, warnings_of
from involbench.results.files import read_bytes
from involbench.results.limits import SPEC
from involbench.results.parallel import gc_paused
from involbench.results.paths import ResultsPath
from involbench.results.run_index import RunEntry, read_entries
from involbench.results.tree import (
    ResultsTree,
    StoredRun,
    read_question,
    read_spec_summary,
)
from involbench.results.tuning import Tuning

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from involbench.reporting.html.interactive import Panel

_DEFAULT_RULE = Rule()


@dataclass(frozen=True)
class Chart:
    """A figure and tables of its numbers."""

    name: str
    """An id, unique on the page: a-z, 0-9, - and _."""
    title: str
    says: str
    """What the figure shows, and how to read it."""
    figure: "Figure"
    tables: tuple[Table, ...]
    panels: tuple["Panel", ...] = ()
    """The same for the script of the page; empty for charts that are pictures only."""
    images: tuple[tuple[NDArray[np.uint8], Sequence[str]], ...] = ()
    """The pixels (H, W, C) and the lines below each, of a chart that the page shows as a list of
    images, because text in a picture of many would be too small."""
    result: str = ""
    """The model with its coordinates, of a chart that shows only one."""


@dataclass(frozen=True)
class ReportSection:
    """A heading, text and charts."""

    name: str
    title: str
    says: tuple[str, ...]
    charts: tuple[Chart, ...]
    tables: tuple[Table, ...] = ()
    """Collapsed, below the charts."""


@dataclass(frozen=True)
class ReportData:
    """The data of one experiment."""

    folder: ResultsPath
    question: str
    """Empty if the spec has none."""
    spec: str
    """Its text; empty if it cannot be read."""
    comparison: Comparison
    """Of the group of settings with the most runs, which the charts show."""
    drawn: Comparison
    """The part of it that the charts show."""
    left_out: tuple[str, ...]
    """What the charts leave out."""
    others: tuple[Comparison, ...]
    """Of the other groups of settings."""
    histories: Histories
    predictions: dict[str, AggregatedPredictions]
    """By model with its coordinates."""
    samples: list[SamplePredictions]
    """Of the first sweep points."""
    entries: list[RunEntry]
    warnings: tuple[str, ...]
    """What could not be read, and caveats of the comparison."""
    tunings: tuple[Tuning, ...] = ()
    """What was chosen by `tune`, of each experiment."""

    @property
    def chance(self) -> float | None:
        """The accuracy of guessing, if it is the same for all models."""
        return single_chance(self.comparison.models)

    def styles(self, lines: list[tuple[str, str]]) -> Styles:
        """Styles of (name, model) pairs: a model has the same colour in all charts."""
        return styles_of(lines, dict.fromkeys(each.model for each in self.drawn.models))

    def places(self) -> list[tuple[str, dict[str, ModelResult]]]:
        """The heading of each sweep point, and its results by name."""
        return [
            (heading, {label(each.model, own_point(each)): each for each in results})
            for heading, results in side_by_side(self.drawn)
        ]


@gc_paused()
def gather(
    tree: ResultsTree, experiment: str, overrides: Sequence[str] = (), rule: Rule = _DEFAULT_RULE
) -> ReportData:
    """Read the runs of an experiment that have the settings `overrides`, `KEY=VALUE` each.

    Damaged or missing files become warnings.
    """
    runs, damaged = tree.runs(experiment)
    summary = read_spec_summary(tree.folder(experiment))
    with tree.kept_open(experiment):
        groups = compare(
            experiment, runs, warnings=damaged, spec=summary, overrides=overrides, rule=rule
        )
        return _report_data([(tree, experiment)], groups, runs)


@gc_paused()
def gather_joined(found: Found, rule: Rule = _DEFAULT_RULE) -> ReportData:
    """Read several experiments on the same data, as one.

    Raises:
        UsageError: They have different data.
    """
    group = joined(found, rule=rule)
    return _report_data(found, [group], group.runs)


def _report_data(
    found: Found, groups: Sequence[GroupComparison], runs: Sequence[StoredRun]
) -> ReportData:
    folders = [tree.folder(name) for tree, name in found]
    known = {run.path: run.record for run in runs}
    comparison, runs = groups[0].comparison, list(groups[0].runs)
    comparisons = [group.comparison for group in groups]
    drawn, left_out = drawn_part(comparison)
    most = most_seeds(drawn)
    histories, unread = histories_of(drawn.models, runs, most)
    predictions, unread_predictions = aggregate_predictions(drawn.models, runs, most)
    samples, unread_samples = sample_predictions(drawn, runs, folders[0])
    entries, skipped = list[RunEntry](), list[str]()
    for tree, name in found:
        own, warnings = read_entries(tree, name, known)
        entries += own
        skipped += warnings
    warnings = [*warnings_of(comparisons), *unread, *unread_predictions, *unread_samples, *skipped]
    return ReportData(
        folders[0],
        " ".join(filter(None, map(read_question, folders))),
        "\n".join(filter(None, map(_spec_text, folders))),
        comparison,
        drawn,
        tuple(left_out),
        tuple(comparisons[1:]),
        histories,
        predictions,
        samples,
        entries,
        tuple(dict.fromkeys(warnings)),
        tuple(read_spec_summary(folder).tuning for folder in folders),
    )


def _spec_text(folder: ResultsPath) -> str:
    try:
        return read_bytes(folder / "spec.yaml", SPEC).decode(errors="replace")
    except ResultsError:
        return ""


MOST_MODELS = 30
MOST_PLACES = 8
"""Sweep points."""
MOST_RESULTS = 60
"""Rows of one sweep point."""
MOST_SEEDS = 100
"""Seeds of one row whose curves and predictions are read."""
MOST_RUNS = 600
"""Runs of all rows whose curves and predictions are read, but at least one of each row."""


def most_seeds(drawn: Comparison) -> int:
    """How many seeds of each row have their curves and predictions read."""
    return max(1, min(MOST_SEEDS, MOST_RUNS // max(1, len(drawn.models))))


def drawn_part(comparison: Comparison) -> tuple[Comparison, list[str]]:
    """Leave out the models, sweep points and rows beyond the limits.

    Also returns a sentence for each kind of thing left out. If there is none, the comparison is the
    same object.
    """
    models = list(dict.fromkeys(each.model for each in comparison.models))
    kept = models if len(models) <= MOST_MODELS else _first_models(comparison, models)
    places = [
        [each for each in results if each.model in kept] for _, results in side_by_side(comparison)
    ]
    drawn = [each for results in places[:MOST_PLACES] for each in results[:MOST_RESULTS]]
    data = [(data_of(each), each.fingerprint) for each in drawn]
    part = comparison.model_copy(
        update={
            "models": tuple(drawn),
            "curves": tuple(curve for curve in comparison.curves if curve.model in kept),
            "fronts": tuple(f for f in comparison.fronts if (f.at, f.fingerprint) in data),
        }
    )
    notes = list(_left_out(part, comparison, kept, places))
    return (part, notes) if notes else (comparison, [])


def _first_models(comparison: Comparison, models: list[str]) -> set[str]:
    best: dict[str, float] = dict.fromkeys(models, -inf)
    for each in comparison.models:
        mean = each.mean(ACCURACY)
        best[each.model] = max(best[each.model], -inf if mean is None else mean)
    first = sorted(models, key=lambda model: (model != comparison.baseline, -best[model]))
    return set(first[:MOST_MODELS])


def _left_out(
    part: Comparison,
    comparison: Comparison,
    kept: list[str] | set[str],
    places: list[list[ModelResult]],
) -> list[str]:
    models, notes = {each.model for each in comparison.models}, []
    if len(kept) < len(models):
        notes.append(
            f"Charts show {len(kept)} of {len(models):,} models: the baseline "
            f"{comparison.baseline} and those with the best test accuracy."
        )
    if len(places) > MOST_PLACES:
        notes.append(
            f"Charts of single sweep points show the first {MOST_PLACES} of {len(places):,} points."
        )
    if (most := max(map(len, places), default=0)) > MOST_RESULTS:
        notes.append(
            f"Charts of single sweep points show the first {MOST_RESULTS} of up to {most:,} rows."
        )
    seeds = max((each.n_finished for each in comparison.models), default=0)
    if seeds > (most := most_seeds(part)):
        notes.append(
            f"Curves, confusion and calibration use the first {most} of up to {seeds:,} "
            "seeds of each model; means and verdicts use all seeds."
        )
    if notes:
        command = f"involbench compare {comparison.experiment} --csv"
        notes.append(f"For all numbers, see comparison.csv or run `{command}`.")
    return notes
