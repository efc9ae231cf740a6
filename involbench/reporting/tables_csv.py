"""Comparisons as tidy CSV: one line a model and metric, so that more metrics add no columns."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

from involbench.analysis.comparison import Comparison, Difference, ModelResult
from involbench.results.wording import visible

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
