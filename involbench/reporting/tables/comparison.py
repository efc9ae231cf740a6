"""A comparison as pages of tables, as rows for CSV and as a JSON document."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from involbench.comparison.diff import Change, TreeComparison
from involbench.comparison.metrics import ACCURACY
from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.schema import COMPARISON_VERSION, Comparison, Difference, ModelResult
from involbench.reporting.notes import lost_then_and_now, notes, verdicts
from involbench.reporting.prose import change_sentence, claim_sentence
from involbench.reporting.tables import MISSING, Cell, Page, Table, csv_text, json_text
from involbench.reporting.tables.cells import (
    BETTER,
    UNDECIDED,
    WORSE,
    difference_cell,
    full_table,
    heading,
    label,
    mean_and_spread,
    result_table,
    side_by_side,
    without_equal_columns,
)
from involbench.results.paths import ResultsPath

COLUMNS = (
    "experiment",
    "model",
    "point",
    "baseline",
    "n_finished",
    "n_collapsed",
    "n_failed",
    "metric",
    "n",
    "mean",
    "sd",
    "pairs",
    "difference",
    "difference_sd",
    "interval_low",
    "interval_high",
    "p",
    "p_holm",
    "superiority",
    "verdict",
)
_NOTHING = Difference(n=0, mean=None, sd=None, by_seed={})


def comparison_csv(comparisons: Iterable[Comparison]) -> str:
    """The text of the file. Fractions and seconds, not percent; empty where nothing was measured.

    If an experiment has several groups of settings, a last column names the group.
    """
    listed = list(comparisons)
    rows = [(each, row) for each in listed for row in comparison_rows(each)]
    if not any(each.settings for each in listed):
        return csv_text(COLUMNS, (row for _, row in rows))
    return csv_text(
        (*COLUMNS, "settings"), ([*row, json.dumps(each.settings)] for each, row in rows)
    )


def comparison_rows(comparison: Comparison) -> Iterator[list[Cell]]:
    """The values below `COLUMNS`, as numbers and text; None where there is none."""
    for result in comparison.models:
        about = _about(comparison, result)
        yield from ([*about, *row] for row in _metric_rows(result))
        yield from ([*about, *row] for row in _parameter_rows(result))


def _about(comparison: Comparison, result: ModelResult) -> list[Cell]:
    point = json.dumps(result.point, sort_keys=True) if result.point else ""
    counts = [result.n_finished, result.n_collapsed, result.n_failed]
    return [comparison.experiment, result.model, point, comparison.baseline, *counts]


def _metric_rows(result: ModelResult) -> Iterator[list[Cell]]:
    for metric, summary in result.metrics.items():
        if metric.endswith("_parameters"):
            continue  # The rows of the parameters have them, by role.
        difference = result.differences.get(metric, _NOTHING)
        yield [
            *(metric, summary.n, summary.mean, summary.sd),
            difference.n if result.differences else None,
            *(difference.mean, difference.sd, *(difference.interval or (None, None))),
            *(difference.p, difference.p_holm, difference.superiority),
            difference.verdict if difference.n else None,
        ]


def _parameter_rows(result: ModelResult) -> Iterator[list[Cell]]:
    """Counts are no sample: they have neither n nor spread."""
    if result.parameters is None:
        return
    counts: dict[str, int] = result.parameters.model_dump(
        exclude={"by_role", "operator_layers", "macs"}
    )
    counts |= {f"{role}_trainable": n for role, n in result.parameters.by_role.items()}
    for name, count in counts.items():
        yield [f"parameters_{name}", None, count, *[None] * 10]


def comparison_json(experiments: Iterable[Sequence[Comparison]]) -> str:
    """`{"schema_version": ..., "experiments": [...]}`, each as in `comparison.json`.

    Args:
        experiments: The comparisons of each, one a group of settings.
    """
    return _document("experiments", map(comparison_document, experiments))


def comparison_document(groups: Sequence[Comparison]) -> dict[str, Any]:
    """The comparison of an experiment's first group, with those of the others, if there are any."""
    first, *others = groups
    document = first.model_dump(mode="json")
    if not others:
        return document
    alone = [{**each.model_dump(mode="json"), **_settings(each)} for each in others]
    return {**document, **_settings(first), "other_settings": alone}


def trees_json(compared: Iterable[TreeComparison]) -> str:
    """`{"schema_version": ..., "against": [...]}`, an experiment each."""
    return _document("against", (each.model_dump(mode="json") for each in compared))


def _settings(comparison: Comparison) -> dict[str, Any]:
    return {"settings": comparison.settings, "is_stated": comparison.is_stated}


def _document(name: str, documents: Iterable[dict[str, Any]]) -> str:
    return json_text({"schema_version": COMPARISON_VERSION, name: list(documents)})


_MOST_POINTS = 100
"""Sweep points printed on a terminal."""


def comparison_page(
    comparison: Comparison,
    plots: Sequence[ResultsPath] = (),
    metrics: Sequence[str] = (ACCURACY,),
    only_changed: bool = False,
    full: bool = False,
) -> Page:
    """One group of settings: tables, verdicts, claims, notes and plots.

    Args:
        comparison: The models of the group.
        plots: The files to name at the end.
        metrics: The metrics to compare.
        only_changed: Leave out the columns in which no two models differ.
        full: One wide table for each sweep point, with the parameters by role, for Markdown.
            Otherwise a narrow table for each metric, of the first sweep points.
    """
    tables, points = list[Table](), side_by_side(comparison)
    for point, results in points if full else points[:_MOST_POINTS]:
        for each in [metrics] if full else [[metric] for metric in metrics]:
            make = full_table if full else result_table
            columns, rows = make(comparison, results, each)
            if only_changed:
                columns, rows = without_equal_columns(columns, rows)
            tables.append(Table(columns, rows, point if each[0] == metrics[0] else ""))
    ending = [*notes(comparison, metrics), *(f"Plot: {path}" for path in plots)]
    claims = list(map(claim_sentence, comparison.claims))
    more = [] if full else _left_out(len(points) - _MOST_POINTS)
    paragraphs = [more, verdicts(comparison, metrics), claims, ending]
    return Page(tables, paragraphs, heading(comparison))


def _left_out(points: int) -> list[str]:
    if points < 1:
        return []
    return [f"{points} more sweep points: --md, --csv and --json have their tables."]


def trees_page(compared: TreeComparison, metrics: Sequence[str]) -> Page:
    """A table for each metric with the values then and now, and a sentence for each change."""
    title = f"{compared.experiment}, against {compared.then}"
    return Page(
        [_table(compared, metric) for metric in metrics], [_lines(compared, metrics)], title
    )


def _table(compared: TreeComparison, name: str) -> Table:
    columns = ("model", "seeds", f"{metric_called(name).header} then", "now", "change [95%]")
    return Table(columns, [_row(change, name) for change in compared.models])


def _row(change: Change, name: str) -> tuple[str, ...]:
    metric, sides = metric_called(name), (change.then.get(name), change.now.get(name))
    counts = [str(side.n) if side else "0" for side in sides]
    values = [mean_and_spread(side, metric) if side else MISSING for side in sides]
    cell = difference_cell(change.changes.get(name), metric, max(map(int, counts)))
    return label(change.model, change.point), "/".join(counts), *values, cell


def _lines(compared: TreeComparison, metrics: Sequence[str]) -> list[str]:
    lines = [
        change_sentence(label(change.model, change.point), change.changes[name], name)
        for name in metrics
        for change in compared.models
        if name in change.changes and change.changes[name].n
    ]
    lines += [line for change in compared.models for line in lost_then_and_now(change)]
    legend = f"change = now minus then, paired by seed: {BETTER} better, {WORSE} worse, "
    return [*lines, f"{legend}{UNDECIDED} no verdict."]
