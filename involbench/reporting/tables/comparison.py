"""A comparison as tables: terminal, Markdown, CSV and JSON."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from involbench.comparison.diff import Change, TreeComparison
from involbench.comparison.metrics import ACCURACY
from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.schema import COMPARISON_VERSION, Comparison, Difference, ModelResult
from involbench.reporting.notes import lost_then_and_now, notes, verdicts
from involbench.reporting.prose import change_sentence, claim_sentence
from involbench.reporting.tables import NumbersTable
from involbench.reporting.tables.cells import (
    BETTER,
    MISSING,
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
from involbench.text import visible

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
_FORMULA = ("=", "+", "-", "@", "\t", "\n")
"""What a cell begins with that a spreadsheet takes for a formula."""
_NOTHING = Difference(n=0, mean=None, sd=None, by_seed={})


def comparison_csv(comparisons: Iterable[Comparison]) -> str:
    """The text of the file; what was not measured is empty. Fractions and seconds, not percent.

    Where an experiment has several groups of settings, a last column tells them apart.
    """
    listed = list(comparisons)
    rows = [row for each in listed for row in comparison_rows(each)]
    if not any(each.settings for each in listed):
        return csv_text([COLUMNS, *rows])
    settings = [json.dumps(each.settings) for each in listed for _ in comparison_rows(each)]
    apart = [[*row, text] for row, text in zip(rows, settings, strict=True)]
    return csv_text([(*COLUMNS, "settings"), *apart])


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """The text of a file. None is empty; text that a spreadsheet would compute begins with `'`."""
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(_cell, row) for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    """Numbers stay; text is made visible, and no formula (OWASP: CSV injection)."""
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def comparison_rows(comparison: Comparison) -> Iterator[list[object]]:
    """The values below `COLUMNS`, as numbers and text; None where there is none."""
    for result in comparison.models:
        about = _about(comparison, result)
        yield from ([*about, *row] for row in _metric_rows(result))
        yield from ([*about, *row] for row in _parameter_rows(result))


def _about(comparison: Comparison, result: ModelResult) -> list[object]:
    point = json.dumps(result.point, sort_keys=True) if result.point else ""
    counts = [result.n_finished, result.n_collapsed, result.n_failed]
    return [comparison.experiment, result.model, point, comparison.baseline, *counts]


def _metric_rows(result: ModelResult) -> Iterator[list[object]]:
    for metric, summary in result.metrics.items():
        if metric.endswith("_parameters"):
            continue  # The rows of the parameters have them, by role.
        difference = result.differences.get(metric, _NOTHING)
        measured = [metric, summary.n, summary.mean, summary.sd]
        pairs = difference.n if result.differences else None
        low, high = difference.interval or (None, None)
        tested = [low, high, difference.p, difference.p_holm, difference.superiority]
        verdict = difference.verdict if difference.n else None
        yield [*measured, pairs, difference.mean, difference.sd, *tested, verdict]


def _parameter_rows(result: ModelResult) -> Iterator[list[object]]:
    """Counts are no sample: they have neither n nor spread."""
    if result.parameters is None:
        return
    counts = result.parameters.model_dump(exclude={"by_role", "operator_layers", "macs"})
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
    document = {"schema_version": COMPARISON_VERSION, name: list(documents)}
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def comparison_markdown(
    comparison: Comparison, metrics: Sequence[str] = (ACCURACY,), only_changed: bool = False
) -> str:
    """A heading, one table a sweep point, the verdicts and the notes as a list."""
    parts = [f"### {_escape(heading(comparison))}"]
    for point, results in side_by_side(comparison):
        titles, rows = full_table(comparison, results, metrics)
        if only_changed:
            titles, rows = without_equal_columns(titles, rows)
        table = markdown_table(titles, rows)
        parts.append(f"**{_escape(point)}**\n\n{table}" if point else table)
    claims = map(claim_sentence, comparison.claims)
    said = [*verdicts(comparison, metrics), *claims, *notes(comparison, metrics)]
    parts.append("\n".join(f"- {_escape(line)}" for line in said))
    return "\n\n".join(parts) + "\n"


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """Words to the left, numbers to the right.

    Args:
        columns: Titles.
        rows: As many cells each.
        words: How many of the first columns hold words.
    """
    lines = [columns, ["---"] * words + ["---:"] * (len(columns) - words), *rows]
    return "\n".join(f"| {' | '.join(map(_escape, cells))} |" for cells in lines)


def _escape(text: str) -> str:
    return re.sub(r"[|~*<]", r"\\\g<0>", text)


def trees_view(compared: TreeComparison, metrics: Sequence[str]) -> Iterator[RenderableType]:
    """A table a metric: then, now, the change; a sentence for each change."""
    yield Text(_title(compared), style="bold")
    for metric in metrics:
        yield NumbersTable(*_table(compared, metric))
        yield Text()
    for line in _lines(compared, metrics):
        yield Text(line)


def trees_markdown(compared: TreeComparison, metrics: Sequence[str]) -> str:
    """The same for a pull request."""
    tables = [markdown_table(*_table(compared, metric)) for metric in metrics]
    lines = "\n".join(f"- {line}" for line in _lines(compared, metrics))
    return "\n\n".join([f"### {_title(compared)}", *tables, lines]) + "\n"


def _title(compared: TreeComparison) -> str:
    return f"{compared.experiment}, against {compared.then}"


def _table(compared: TreeComparison, name: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    titles = ("model", "seeds", f"{metric_called(name).header} then", "now", "change [95%]")
    return titles, [_row(change, name) for change in compared.models]


def _row(change: Change, name: str) -> tuple[str, ...]:
    metric, sides = metric_called(name), (change.then.get(name), change.now.get(name))
    counts = [str(side.n) if side else "0" for side in sides]
    values = [mean_and_spread(side, metric) if side else MISSING for side in sides]
    cell = difference_cell(change.changes.get(name), metric, max(map(int, counts)))
    return label(change.model, change.point), "/".join(counts), *values, cell


def _lines(compared: TreeComparison, metrics: Sequence[str]) -> list[str]:
    said = [
        change_sentence(label(change.model, change.point), change.changes[name], name)
        for name in metrics
        for change in compared.models
        if name in change.changes and change.changes[name].n
    ]
    said += [line for change in compared.models for line in lost_then_and_now(change)]
    legend = f"change = now minus then, paired by seed: {BETTER} better, {WORSE} worse, "
    return [*said, f"{legend}{UNDECIDED} no verdict."]


_MOST_POINTS = 100
"""Of a sweep on one page: thousands of lines are read by nobody."""


def comparison_view(
    comparison: Comparison,
    plots: Sequence[ResultsPath] = (),
    metrics: Sequence[str] = (ACCURACY,),
    only_changed: bool = False,
) -> Iterator[RenderableType]:
    """What `compare` prints of a group of settings: a table a metric, verdicts, notes, plots."""
    yield Text(heading(comparison), style="bold")
    points = side_by_side(comparison)
    for point, results in points[:_MOST_POINTS]:
        if point:
            yield Text(point, style="italic")
        for metric in metrics:
            titles, rows = result_table(comparison, results, [metric])
            if only_changed:
                titles, rows = without_equal_columns(titles, rows)
            yield NumbersTable(titles, rows)
            yield Text()
    if more := len(points[_MOST_POINTS:]):
        yield Text(f"{more} more sweep points: --md, --csv and --json have their tables.\n")
    for said in (verdicts(comparison, metrics), map(claim_sentence, comparison.claims)):
        lines = list(map(Text, said))
        yield from [*lines, Text()] if lines else []
    yield from map(Text, notes(comparison, metrics))
    yield from (Text(f"Plot: {path}") for path in plots)
