"""The words and numbers of a comparison as a person reads them, whatever they are printed on."""

from collections.abc import Sequence
from typing import Any

from involbench.analysis.comparison import Comparison, ModelResult, ParameterCounts, Summary
from involbench.results.record import ROLES
from involbench.results.wording import excerpt
from involbench.spec.trial import shared_coordinates

MISSING = "n/a"
_PAIRS_FOR_A_VERDICT = 6

RESULT_COLUMNS = ("model", "n", "accuracy %", "best val %", "loss", "difference")
SIZE_COLUMNS = ("model", "trainable", "operator", "norm.", "head", "other", "frozen", "s/epoch")


def result_cells(result: ModelResult, baseline: str | None) -> tuple[str, ...]:
    """The row under RESULT_COLUMNS: means and standard deviations over seeds."""
    metrics = result.metrics
    return (
        label(result.model, own_point(result)),
        str(result.n_finished),
        percent(metrics["test_accuracy"]),
        percent(metrics["best_val_accuracy"]),
        spread(metrics["test_loss"], 3),
        _difference(result, baseline),
    )


def size_cells(result: ModelResult) -> tuple[str, ...]:
    """The row under SIZE_COLUMNS: trainable parameters by role, frozen ones, and the time."""
    name = label(result.model, own_point(result))
    seconds = spread(result.metrics["seconds_per_epoch"], 1)
    return (name, *_counts(result.parameters), seconds)


def label(model: str, point: dict[str, Any]) -> str:
    """A model with its coordinates, such as `inn kernel_size=5`."""
    return " ".join([model, *(f"{_last(key)}={value}" for key, value in point.items())])


def own_point(result: ModelResult) -> dict[str, Any]:
    """The coordinates that concern this model alone."""
    return {key: value for key, value in result.point.items() if key.startswith("models.")}


def side_by_side(comparison: Comparison) -> list[tuple[str, list[ModelResult]]]:
    """The results of each sweep point, with the point as it is written above them."""
    groups: dict[str, list[ModelResult]] = {}
    for result in comparison.models:
        shared = shared_coordinates(result.point)
        heading = ", ".join(f"{key} = {value}" for key, value in shared.items())
        groups.setdefault(heading, []).append(result)
    return list(groups.items())


def percent(summary: Summary) -> str:
    """A fraction as mean ± sd in percent."""
    return spread(summary, 2, scale=100.0)


def spread(summary: Summary, digits: int, scale: float = 1.0, sign: str = "") -> str:
    """`mean ± sd`; the mean alone where one value has no spread; n/a where nothing is measured."""
    if summary.mean is None:
        return MISSING
    mean = _number(summary.mean * scale, digits, sign)
    return mean if summary.sd is None else f"{mean} ± {_number(summary.sd * scale, digits)}"


def notes(comparison: Comparison) -> list[str]:
    """What must be said under the table, a sentence each."""
    if not any(result.n_finished for result in comparison.models):
        return ["No finished run: nothing to compare yet.", *_failures(comparison)]
    said = [f"{line}; it counts in the means." for line in collapses(comparison)]
    return [*said, *_failures(comparison), _seeds(comparison), _made_with(comparison)]


def collapses(comparison: Comparison) -> list[str]:
    """A phrase for each run whose accuracy never left chance."""
    said = []
    for result in comparison.models:
        for seed in result.collapsed_seeds:
            accuracy = result.metrics["test_accuracy"].by_seed.get(seed)
            value = "" if accuracy is None else f" ({100 * accuracy:.1f}%)"
            name = label(result.model, result.point)
            said.append(f"{name} seed {seed} collapsed: its accuracy never left chance{value}")
    return said


def _failures(comparison: Comparison) -> list[str]:
    return [
        f"{label(result.model, result.point)} seed {seed} failed: {excerpt(reason)}"
        for result in comparison.models
        for seed, reason in result.failures.items()
    ]


def _seeds(comparison: Comparison) -> str:
    """How many seeds there are, and what so many can show."""
    counts = sorted({result.n_finished for result in comparison.models})
    pairs = [
        result.differences["test_accuracy"].n for result in comparison.models if result.differences
    ]
    seeds = " to ".join(str(count) for count in dict.fromkeys([counts[0], counts[-1]]))
    text = f"n = finished seeds ({seeds}); ± = standard deviation over seeds"
    if not pairs:
        return f"{text}."
    text += f"; difference from {comparison.baseline} in accuracy points, paired by seed."
    if min(pairs) < _PAIRS_FOR_A_VERDICT:
        text += " Fewer than six pairs give an estimate but no verdict."
    return text


def _made_with(comparison: Comparison) -> str:
    found = comparison.environment
    versions = [
        f"{key} {' / '.join(values)}"
        for key, values in found.items()
        if key not in ("cpu", "device")
    ]
    where = f" on {' / '.join(found['device'])}" if "device" in found else ""
    machine = f" ({' / '.join(found['cpu'])})" if "cpu" in found else ""
    return f"Made with {', '.join(versions)}{where}{machine}."


def _difference(result: ModelResult, baseline: str | None) -> str:
    if result.model == baseline:
        return "baseline"
    accuracy = result.differences.get("test_accuracy")
    if accuracy is None:
        return MISSING
    short = f" ({accuracy.n})" if 0 < accuracy.n < result.n_finished else ""
    return spread(accuracy, 2, scale=100.0, sign="+") + short


def _counts(parameters: ParameterCounts | None) -> Sequence[str]:
    if parameters is None:
        return [MISSING] * 6
    roles = [parameters.by_role.get(role, 0) for role in ROLES]
    return [f"{count:,}" for count in (parameters.trainable, *roles, parameters.non_trainable)]


def _number(value: float, digits: int, sign: str = "") -> str:
    """Fixed digits, or powers of ten where the digits would be a wall."""
    return f"{value:{sign}.{digits}f}" if abs(value) < 1e5 else f"{value:{sign}.2e}"


def _last(key: str) -> str:
    return key.rsplit(".", 1)[-1]
