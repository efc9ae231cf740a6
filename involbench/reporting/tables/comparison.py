"""Comparisons as pages, as rows for CSV and as JSON documents."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from involbench.comparison.diff import Change, TreeComparison
from involbench.comparison.metrics import ACCURACY
from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.schema import (
    COMPARISON_VERSION,
    Comparison,
    Difference,
    ModelResult,
)
from involbench.reporting.notes import lost_then_and_now, notes
from involbench.reporting.prose import (
    change_sentence,
    verdicts,
)
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
from involbench.reporting.tables.claims import claim_sentence
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
    "learned",
    "learned_mean",
    "design",
    "level",
    "images_low",
    "images_high",
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
        point = json.dumps(result.point, sort_keys=True) if result.point else ""
        about = [
            *(comparison.experiment, result.model, point, comparison.baseline),
            *(result.n_finished, result.n_collapsed, result.n_failed),
        ]
        yield from ([*about, *row] for row in _metric_rows(result))
        yield from ([*about, *row] for row in _parameter_rows(result))


def _metric_rows(result: ModelResult) -> Iterator[list[Cell]]:
    for metric, summary in result.metrics.items():
        if metric.endswith("_parameters"):
            continue  # The rows of the parameters have them, by role.
        difference = result.differences.get(metric, _NOTHING)
        images = difference.over_images
        yield [
            *(metric, summary.n, summary.mean, summary.sd),
            difference.n if result.differences else None,
            *(difference.mean, difference.sd, *(difference.interval or (None, None))),
            *(difference.p, difference.p_holm, difference.superiority),
            difference.verdict if any(difference.runs) else None,
            *_learned_cells(result, metric),
            *((difference.design, difference.level) if any(difference.runs) else (None, None)),
            *(images.interval if images else (None, None)),
        ]


def _learned_cells(result: ModelResult, metric: str) -> tuple[Cell, Cell]:
    """What is compared where some runs collapsed: the number of the others, and their mean."""
    learned = result.learned.get(metric)
    return (learned.n, learned.mean) if learned else (None, None)


def _parameter_rows(result: ModelResult) -> Iterator[list[Cell]]:
    """Counts are no sample: they have neither n nor spread."""
    if result.parameters is None:
        return
    counts: dict[str, int] = result.parameters.model_dump(
        exclude={"by_role", "operator_layers", "macs", "macs_by_role"}
    )
    counts |= {f"{role}_trainable": n for role, n in result.parameters.by_role.items()}
    for name, count in counts.items():
        yield [f"parameters_{name}", None, count, *[None] * (len(COLUMNS) - 10)]


def comparison_json(experiments: Iterable[Sequence[Comparison]]) -> str:
    """`{"schema_version": ..., "experiments": [...]}`, each as in `comparison.json`."""
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
    """One group of settings: tables, verdicts, claims, notes and the names of the plots.

    Args:
        comparison: The group.
        plots: Their files.
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
    more = 0 if full else max(len(points) - _MOST_POINTS, 0)
    left_out = [f"{more} more sweep points: --md, --csv and --json have their tables."]
    paragraphs = [left_out if more else [], verdicts(comparison, metrics), claims, ending]
    return Page(tables, paragraphs, heading(comparison))


def trees_page(compared: TreeComparison, metrics: Sequence[str]) -> Page:
    """A table for each metric with the values then and now, and a sentence for each change."""
    title = f"{compared.experiment}, against {compared.then}"
    tables = []
    for name in metrics:
        metric = metric_called(name)
        change = "ratio (range)" if metric.kind == "measured" else "change [95%]"
        columns = ("model", "seeds", f"{metric.header} then", "now", change)
        tables.append(Table(columns, [_row(change, name) for change in compared.models]))
    return Page(tables, [_lines(compared, metrics)], title)


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
        if name in change.changes and any(change.changes[name].runs)
    ]
    lines += [line for change in compared.models for line in lost_then_and_now(change)]
    kinds = {metric_called(name).kind for name in metrics}
    legends = ["change = now minus then, paired by seed"] if kinds != {"measured"} else []
    if "measured" in kinds:
        legends.append("ratio = now to then, with its range from run to run")
    legend = f"{'; '.join(legends)}: {BETTER} better, {WORSE} worse, {UNDECIDED} no verdict."
    return [*lines, legend]
