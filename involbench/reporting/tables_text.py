"""The cells of a comparison as a person reads them, whatever they are printed on."""

from collections.abc import Sequence
from itertools import chain

from involbench.analysis.comparison import Comparison, ModelResult, ParameterCounts
from involbench.analysis.metrics import ACCURACY
from involbench.analysis.metrics import metric as metric_called
from involbench.reporting.labels import label, own_point
from involbench.reporting.values import (
    MISSING,
    difference_cell,
    mean_alone,
    mean_and_spread,
)
from involbench.results.record import ROLES
from involbench.spec.trial import shared_coordinates

Row = tuple[str, ...]

COSTS = ("trainable_parameters", "operator_parameters", "seconds_per_epoch")
"""What stands beside every metric."""

_DIFFERENCE = "difference [95%]"
_SIZES = ("trainable", "operator", "norm.", "head", "other", "frozen")


def result_table(
    comparison: Comparison, results: Sequence[ModelResult], metrics: Sequence[str] = (ACCURACY,)
) -> tuple[Row, list[Row]]:
    """The one table of a sweep point: header and rows.

    Each metric with its difference from the baseline, then what a model costs.
    """
    titles = [title for name in metrics for title in (metric_called(name).header, _DIFFERENCE)]
    costs = [name for name in COSTS if name not in metrics]
    rows = []
    for result in results:
        pairs = [cell for name in metrics for cell in _metric_cells(result, comparison, name)]
        paid = [mean_alone(result.metrics.get(name), metric_called(name)) for name in costs]
        rows.append((label(result.model, own_point(result)), str(result.n_finished), *pairs, *paid))
    return ("model", "n", *titles, *(metric_called(name).header for name in costs)), rows


def full_table(
    comparison: Comparison, results: Sequence[ModelResult], metrics: Sequence[str] = (ACCURACY,)
) -> tuple[Row, list[Row]]:
    """The same with the parameters by role, for a page without a width."""
    titles, rows = result_table(comparison, results, metrics)
    place = 2 + 2 * len(metrics)
    rest = [k for k in range(place, len(titles)) if titles[k] not in _SIZES]
    full = [
        (*row[:place], *_counts(result.parameters), *(row[k] for k in rest))
        for row, result in zip(rows, results, strict=True)
    ]
    return (*titles[:place], *_SIZES, *(titles[k] for k in rest)), full


def without_equal_columns(titles: Row, rows: Sequence[Row]) -> tuple[Row, list[Row]]:
    """Only the columns in which some row differs, and the names."""
    kept = [0]
    for k in range(1, len(titles)):
        value = k - 1 if titles[k] == _DIFFERENCE else k  # of which the column is a difference
        if len({row[value] for row in rows}) > 1:
            kept.append(k)
    return tuple(titles[k] for k in kept), [tuple(row[k] for k in kept) for row in rows]


def baseline_of(comparison: Comparison, result: ModelResult) -> ModelResult | None:
    """The result that this one is held against, as far as it has a difference."""
    if not result.differences:
        return None
    others = [other for other in comparison.models if other.model == comparison.baseline]
    point = shared_coordinates(result.point)
    near = (other for other in others if shared_coordinates(other.point) == point)
    return next(chain(near, others), None)


def _metric_cells(result: ModelResult, comparison: Comparison, name: str) -> Row:
    metric, summary = metric_called(name), result.metrics.get(name)
    value = mean_and_spread(summary, metric) if summary else MISSING
    if summary and 0 < summary.n < result.n_finished:
        value += f" ({summary.n})"
    if result.model == comparison.baseline:
        return value, "baseline"
    return value, difference_cell(result.differences.get(name), metric, result.n_finished)


def _counts(parameters: ParameterCounts | None) -> Sequence[str]:
    if parameters is None:
        return [MISSING] * len(_SIZES)
    roles = [parameters.by_role.get(role, 0) for role in ROLES]
    return [f"{count:,}" for count in (parameters.trainable, *roles, parameters.non_trainable)]
