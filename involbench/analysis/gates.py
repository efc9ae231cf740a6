"""Whether a comparison passes the gates of a CI job."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Any

from involbench.analysis.comparison import Comparison, Difference, ModelResult, Summary
from involbench.analysis.gate_grammar import Between, Gate, Moved, Quantity, Threshold
from involbench.analysis.metrics import metric as metric_called
from involbench.analysis.metrics import suggestion
from involbench.analysis.paired import excess
from involbench.analysis.pairing import apart, made_otherwise, same_images
from involbench.analysis.unfit import unfit
from involbench.errors import UsageError
from involbench.results.wording import located, seeds
from involbench.spec.targets import takes_target
from involbench.spec.trial import shared_coordinates
from involbench.spec.wording import suggest

_COMPARES: dict[str, Callable[[float, float], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
Lookup = Callable[[str], Comparison]


@dataclass(frozen=True)
class Outcome:
    """What came of one gate at one experiment's model."""

    gate: Gate
    failed: bool
    reason: str
    experiment: str
    point: dict[str, Any]


def check_gate(
    gate: Gate, comparisons: Sequence[Comparison], lookup: Lookup, strict: bool
) -> list[Outcome]:
    """Hold comparisons to a gate.

    A threshold is held against the mean as it was measured. What compares two models, or one
    with its past, fails only where the difference is told apart from chance; with `strict`,
    also where the mean alone says so.

    Args:
        gate: What must not be.
        comparisons: Of all experiments; the gate concerns each that has its model.
        lookup: The comparison of a reference experiment, by the name that a gate gives.
        strict: Whether what is undecided fails.

    Raises:
        UsageError: No experiment has the model, or no run the metric: nothing can be said.
    """
    return [
        Outcome(
            gate,
            *_check(gate, comparison, result, lookup, strict),
            comparison.experiment,
            result.point,
        )
        for comparison in _having(gate.quantity.model, comparisons)
        for result in _results(comparison, gate.quantity.model)
    ]


def _check(
    gate: Gate, comparison: Comparison, result: ModelResult, lookup: Lookup, strict: bool
) -> tuple[bool, str]:
    """Whether the gate failed at one result, and why."""
    values = _measured(comparison, result, gate.quantity)
    if isinstance(gate, Threshold):
        return _held_to(gate, values, result, strict)
    beside, other = _beside(gate, comparison, result, lookup)
    metric = gate.quantity.metric
    here, there = (unfit((each,), metric) for each in (result, other))
    if here or there:
        failed, reason = strict, f"undecided, for {here or f'{there} in {beside.experiment}'}"
    else:
        quantity = gate.other if isinstance(gate, Between) else gate.quantity
        against = _measured(beside, other, quantity)
        failed, reason = _decided(_signed(values, against, gate), gate, strict)
    if isinstance(gate, Moved) and (unlike := made_otherwise(result, other)):
        reason += f"; not made as {gate.reference} was: {unlike}"
    return failed, reason


def _beside(
    gate: Between | Moved, comparison: Comparison, result: ModelResult, lookup: Lookup
) -> tuple[Comparison, ModelResult]:
    """What a result is held against, and where it is from.

    Raises:
        UsageError: There is no such result, or none that it can be held against.
    """
    if isinstance(gate, Between):
        other = _partner(gate.other.model, result, comparison, gate)
        refused = apart(result, other)
    else:
        comparison = lookup(gate.reference)
        other = _partner(gate.quantity.model, result, comparison, gate)
        refused = "" if same_images(result, other) else f"{gate.reference} saw other images"
    if refused:
        raise UsageError(f"--fail-if {gate.text}: {refused}")
    return comparison, other


def _held_to(
    gate: Threshold, values: Summary, result: ModelResult, strict: bool
) -> tuple[bool, str]:
    """A threshold, over which a time is that some run never reached.

    Within it by the seeds that have a value is undecided where others have none, or learned too
    badly for the metric.
    """
    why, begun = unfit((result,), gate.quantity.metric), result.n_finished + result.n_failed
    over, quantity = _COMPARES[gate.comparison], gate.quantity
    if why and takes_target(quantity.metric):
        return over(math.inf, gate.limit), f"{quantity} is not known: {why}"
    mean = values.mean or 0.0
    said = f"{quantity} is {mean:.6g} ({seeds(values.n, begun)})"
    if over(mean, gate.limit):
        return True, said
    if values.n < begun and not metric_called(quantity.metric).exact:
        why = why or "the others have no value"
    return (strict, f"{said}, undecided, for {why}") if why else (False, said)


def _signed(values: Summary, against: Summary, gate: Between | Moved) -> Difference:
    """By how much each pair is over what the gate allows; above zero is what must not be."""
    if isinstance(gate, Between):
        up, amount = gate.comparison in (">", ">="), 0.0
    else:
        up, amount = gate.direction == "rises", gate.amount
    direction = 1 if up else -1
    over = {
        seed: direction * (value - other) - amount
        for seed, value in values.by_seed.items()
        if value is not None and (other := against.by_seed.get(seed)) is not None
    }
    if not over:
        raise UsageError(f"--fail-if {gate.text}: both have no seed in common")
    return excess(over, gate.quantity.metric)


def _decided(over: Difference, gate: Between | Moved, strict: bool) -> tuple[bool, str]:
    mean, or_equal = over.mean or 0.0, isinstance(gate, Between) and "=" in gate.comparison
    side = "over" if mean > 0 else "within"
    about = f"{side} it by {abs(mean):.6g} on average ({seeds(over.n)})"
    if mean < 0 or (mean == 0 and not or_equal):
        return False, about
    if over.verdict == "higher" or (or_equal and over.verdict == "equal"):
        return True, about
    few = "too few pairs for a verdict" if over.verdict == "too few pairs" else "undecided"
    return strict, f"{about}, {few}"


def _having(model: str, comparisons: Sequence[Comparison]) -> list[Comparison]:
    found = [c for c in comparisons if any(r.model == model for r in c.models)]
    if not found:
        known = dict.fromkeys(r.model for c in comparisons for r in c.models)
        hint = suggest(model, [*known]) if known else "there are no runs"
        raise UsageError(f"--fail-if: no experiment has a model {model!r}; {hint}")
    return found


def _results(comparison: Comparison, model: str) -> list[ModelResult]:
    return [result for result in comparison.models if result.model == model]


def _partner(model: str, result: ModelResult, comparison: Comparison, gate: Gate) -> ModelResult:
    """A model's result at the same sweep point, as far as the point concerns both models."""
    (comparison,) = _having(model, [comparison])
    found, point = _results(comparison, model), shared_coordinates(result.point)
    beside = [other for other in found if shared_coordinates(other.point) == point]
    exact = [other for other in beside if other.point == result.point]
    if len(exact or beside) == 1:
        return (exact or beside)[0]
    raise UsageError(
        f"--fail-if {gate.text}: {comparison.experiment} has {len(beside) or 'no'} results of "
        f"{model} to hold {located(result.model, result.point)} against"
    )


def _measured(comparison: Comparison, result: ModelResult, quantity: Quantity) -> Summary:
    summary = result.metrics.get(quantity.metric)
    if summary is None or not (summary.n or takes_target(quantity.metric)):
        hint = suggestion(quantity.metric) or "no run has measured it"
        raise UsageError(
            f"--fail-if: {comparison.experiment} has no {quantity.model}.{quantity.metric}; {hint}"
        )
    return summary
