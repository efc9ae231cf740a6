"""The names and values of a comparison as the cells of a table."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

from involbench.comparison.metrics import ACCURACY
from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.schema import (
    Comparison,
    Difference,
    ModelResult,
    ParameterCounts,
    Ratio,
    Summary,
)
from involbench.comparison.settings import format_setting
from involbench.registry import Metric
from involbench.reporting.tables import MISSING
from involbench.reporting.units import counted, size, unit_of
from involbench.results.record import ROLES
from involbench.spec.trial import shared_coordinates
from involbench.text import coordinates


def label(model: str, point: dict[str, Any]) -> str:
    """A model with its coordinates, such as `inn kernel_size=5`."""
    return " ".join([model, *(f"{key.rpartition('.')[2]}={value}" for key, value in point.items())])


def heading(comparison: Comparison) -> str:
    """The experiment, with its group of settings where there are several."""
    if not comparison.settings:
        return comparison.experiment
    settings = ", ".join(
        f"{key} = {format_setting(value)}" for key, value in comparison.settings.items()
    )
    why = f", {comparison.why_judged}" if comparison.why_judged else ""
    return f"{comparison.experiment}: {settings} ({counted(comparison.n_runs, 'run')}{why})"


def warnings_of(groups: Sequence[Comparison]) -> list[str]:
    """What is unfair about the comparisons of an experiment, with the group where it is of one."""
    counts = Counter(warning for group in groups for warning in dict.fromkeys(group.warnings))
    return list(
        dict.fromkeys(
            warning if counts[warning] == len(groups) else f"{warning} ({heading(group)})"
            for group in groups
            for warning in group.warnings
        )
    )


def own_point(result: ModelResult) -> dict[str, Any]:
    """The coordinates that concern this model alone."""
    shared = shared_coordinates(result.point)
    return {key: value for key, value in result.point.items() if key not in shared}


def side_by_side(comparison: Comparison) -> list[tuple[str, list[ModelResult]]]:
    """The results of each sweep point, with the point as it is written above them."""
    groups: dict[str, list[ModelResult]] = {}
    for result in comparison.models:
        heading = coordinates(shared_coordinates(result.point))
        groups.setdefault(heading, []).append(result)
    return list(groups.items())


BETTER, WORSE, UNDECIDED, EQUIVALENT = "▲", "▼", "~", "≈"


def mean_and_spread(summary: Summary, metric: Metric) -> str:
    """`mean ± sd`; the mean alone where one value has no spread; n/a where nothing is measured."""
    if summary.mean is None:
        return MISSING
    mean = number(summary.mean, metric)
    if summary.sd is None or metric.exact:
        return mean
    unit = _unit(summary.mean, metric)
    spread = number(summary.sd, metric, like=summary.mean)
    return f"{mean.removesuffix(unit)} ± {spread}{unit}"


def difference_cell(difference: Difference | None, metric: Metric, seeds: int) -> str:
    """Sign, mean difference and interval, such as `▼ -26.77 [-28.02, -25.13]`.

    Of a time or a size, the ratio and its range over all runs, such as `▼ 2.53x [1.92, 3.03]`.
    The number of values, or of pairs, follows if it is below `seeds`.
    """
    if difference is None or difference.mean is None:
        return MISSING
    mean, unit = difference.mean, _unit(difference.mean, metric)
    text = f"{sign(difference, metric)} {number(mean, metric, plus=True)}"
    if difference.ratio is not None:
        times, low, high = _three_digits(difference.ratio)
        text = f"{sign(difference, metric)} {times}x [{low}, {high}]"
    elif difference.interval is not None:
        low, high = (number(end, metric, plus=True, like=mean) for end in difference.interval)
        text = f"{text.removesuffix(unit)} [{low}, {high}]{unit}"
    values, _ = difference.runs
    return f"{text} ({values})" if values < seeds else text


def ratio_text(ratio: Ratio) -> str:
    """How many times as much, and between which values from run to run."""
    times, low, high = _three_digits(ratio)
    spread = f" ({low} to {high} from run to run)" if low != high else ""
    return f"{times} times as much{spread}"


def _three_digits(ratio: Ratio) -> list[str]:
    return [f"{value:#.3g}".rstrip(".") for value in (ratio.times, ratio.low, ratio.high)]


def sign(difference: Difference, metric: Metric) -> str:
    """Better, worse, no verdict, equal; a space where neither way is better."""
    if difference.all_equal or difference.verdict == "equal":
        return "="
    if difference.verdict in ("undecided", "too few runs"):
        return UNDECIDED
    if difference.verdict == "equivalent":
        return EQUIVALENT
    if metric.better is None:
        return " "
    return BETTER if difference.verdict == metric.better else WORSE


def number(value: float, metric: Metric, plus: bool = False, like: float | None = None) -> str:
    """A value in the metric's unit, without the unit; bytes with it.

    Args:
        value: A fraction for percent, else in the metric's own unit.
        metric: The metric.
        plus: Give a positive difference its sign.
        like: Give it the digits and the unit of this value, without plus and unit.
    """
    mark = "+" if plus and like is None else ""
    if metric.unit == "bytes":
        text = size(round(abs(value)), None if like is None else round(abs(like)))
        return f"{'-' if value < 0 else mark}{text}"
    if metric.unit == "count":
        return _count(value, mark)
    scale = {"percent": 100, "milliseconds": 1000}.get(metric.unit, 1)
    digits = _digits(scale * (value if like is None else like), metric, plus)
    # Powers of ten where the digits would be a wall.
    return f"{scale * value:{mark}z.{digits}f}" if abs(value) < 1e5 else f"{value:{mark}.2e}"


def _unit(value: float, metric: Metric) -> str:
    """What stands behind the value, if anything does."""
    return unit_of(round(abs(value))) if metric.unit == "bytes" else ""


def _digits(value: float, metric: Metric, difference: bool) -> int:
    """A difference that is large gets one digit less, for the sake of its interval."""
    large = difference and abs(value) >= (9.95 if metric.unit == "percent" else 0.0995)
    fixed = {"epochs": 1, "plain": 2 if large else 3, "percent": 1 if large else 2}
    steps = ((1, 1), (0.1, 2), (0.01, 3))
    found = next((digits for least, digits in steps if abs(value) >= least), 5 if value else 1)
    return fixed.get(metric.unit, found)


def _count(value: float, mark: str) -> str:
    for power, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if abs(value) >= power:
            return f"{value / power:{mark}.2f}{letter}"
    return f"{value:{mark},.0f}"


Row = tuple[str, ...]

COSTS = ("trainable_parameters", "operator_parameters", "seconds_per_epoch")
"""What stands beside every metric."""

_DIFFERENCE, _RATIO = "difference [95%]", "ratio (range)"
_SIZES = ("trainable", "operator", "norm.", "head", "other", "frozen")


def _difference_title(metric: Metric) -> str:
    """The title of a column of `difference_cell`."""
    return _RATIO if metric.kind == "measured" else _DIFFERENCE


def result_table(
    comparison: Comparison, results: Sequence[ModelResult], metrics: Sequence[str] = (ACCURACY,)
) -> tuple[Row, list[Row]]:
    """The one table of a sweep point: header and rows.

    Each metric with its difference from the baseline, then what a model costs, then what was tuned.
    """
    known = list(map(metric_called, metrics))
    titles = [title for each in known for title in (each.header, _difference_title(each))]
    costs = [name for name in COSTS if name not in metrics]
    collapsed = any(result.n_collapsed for result in comparison.models)
    tuned = dict.fromkeys(key for result in comparison.models for key in result.tuned)
    rows = []
    for result in results:
        pairs = [cell for name in metrics for cell in _metric_cells(result, comparison, name)]
        paid = []
        for name in costs:
            mean = result.mean(name)
            paid.append(MISSING if mean is None else number(mean, metric_called(name)))
        if collapsed:
            paid = [f"{result.n_collapsed} of {result.n_finished}", *paid]
        paid += [format_setting(result.tuned.get(key, MISSING)) for key in tuned]
        rows.append((label(result.model, own_point(result)), str(result.n_finished), *pairs, *paid))
    at_chance = ["at chance"] if collapsed else []
    return (
        "model",
        "n",
        *titles,
        *at_chance,
        *(metric_called(name).header for name in costs),
        *(key.rpartition(".")[2].replace("_", " ") for key in tuned),
    ), rows


def tuned_note(comparison: Comparison) -> list[str]:
    """A line on the columns of what was tuned, if anything was."""
    keys = dict.fromkeys(key for result in comparison.models for key in result.tuned)
    if not keys:
        return []
    how = "chosen for each model by its mean validation accuracy, with other seeds (tune)"
    return [f"{' and '.join(keys)}: {how}."]


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
        # Of which the column is a difference.
        value = k - 1 if titles[k] in (_DIFFERENCE, _RATIO) else k
        if len({row[value] for row in rows}) > 1:
            kept.append(k)
    return tuple(titles[k] for k in kept), [tuple(row[k] for k in kept) for row in rows]


def baseline_of(comparison: Comparison, result: ModelResult) -> ModelResult | None:
    """The baseline result that this one is compared with; None without a difference."""
    if not result.differences:
        return None
    others = [other for other in comparison.models if other.model == comparison.baseline]
    point = shared_coordinates(result.point)
    near = (other for other in others if shared_coordinates(other.point) == point)
    return next(chain(near, others), None)


def _metric_cells(result: ModelResult, comparison: Comparison, name: str) -> Row:
    metric, summary = metric_called(name), result.compared(name)
    value = mean_and_spread(summary, metric)
    if 0 < summary.n < result.n_finished:
        value += f" ({summary.n})"
    if result.model == comparison.baseline:
        return value, "baseline"
    return value, difference_cell(result.differences.get(name), metric, summary.n)


def _counts(parameters: ParameterCounts | None) -> Sequence[str]:
    if parameters is None:
        return [MISSING] * len(_SIZES)
    roles = [parameters.by_role.get(role, 0) for role in ROLES]
    return [f"{count:,}" for count in (parameters.trainable, *roles, parameters.non_trainable)]
