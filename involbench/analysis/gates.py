"""Whether a comparison passes the gates of a CI job."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import ge, gt, le, lt

from involbench.analysis.comparison import Comparison, Difference, ModelResult, Summary
from involbench.analysis.gate_grammar import Between, Gate, Moved, Quantity, Threshold
from involbench.analysis.metrics import suggestion
from involbench.analysis.paired import paired_difference
from involbench.analysis.pairing import same_images
from involbench.analysis.summary import summarize
from involbench.errors import UsageError
from involbench.spec.wording import suggest

_COMPARES: dict[str, Callable[[float, float], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
Lookup = Callable[[str], Comparison]


@dataclass(frozen=True)
class Outcome:
    """What came of one gate at one experiment's model."""

    gate: Gate
    failed: bool
    reason: str


def check_gates(
    gates: Sequence[Gate], comparisons: Sequence[Comparison], lookup: Lookup, strict: bool
) -> list[Outcome]:
    """Hold comparisons to gates.

    A threshold is held against the mean as it was measured. What compares two models, or one
    with its past, fails only where the difference is told apart from chance; with `strict`,
    also where the mean alone says so.

    Args:
        gates: What must not be.
        comparisons: Of all experiments; a gate concerns each that has its model.
        lookup: The comparison of a reference experiment, by the name that a gate gives.
        strict: Whether what is undecided fails.

    Raises:
        UsageError: No experiment has the model, or no run the metric: nothing can be said.
    """
    outcomes = []
    for gate in gates:
        for comparison in _having(gate.quantity.model, comparisons):
            for result in _results(comparison, gate.quantity.model):
                outcomes.append(_check(gate, comparison, result, lookup, strict))
    return outcomes


def _check(
    gate: Gate, comparison: Comparison, result: ModelResult, lookup: Lookup, strict: bool
) -> Outcome:
    values = _measured(comparison, result, gate.quantity)
    if isinstance(gate, Threshold):
        mean = values.mean or 0.0
        failed = _COMPARES[gate.comparison](mean, gate.limit)
        return Outcome(gate, failed, f"{gate.quantity} is {mean:.6g} ({_seeds(values.n)})")
    if isinstance(gate, Between):
        other = _partner(_results(comparison, gate.other.model), result, comparison)
        against = _measured(comparison, other, gate.other)
        sides = _signed(values, against, gate.comparison in (">", ">="), 0.0, gate)
        return _decided(gate, sides, or_equal="=" in gate.comparison, strict=strict)
    reference = lookup(gate.reference)
    other = _partner(_results(reference, gate.quantity.model), result, reference)
    if not same_images(result, other):
        raise UsageError(f"--fail-if {gate.text}: {gate.reference} has other images")
    against = _measured(reference, other, gate.quantity)
    sides = _signed(values, against, gate.direction == "rises", gate.amount, gate)
    return _decided(gate, sides, or_equal=False, strict=strict)


def _signed(
    values: Summary, against: Summary, up: bool, amount: float, gate: Between | Moved
) -> Difference:
    """By how much each pair is over what the gate allows; above zero is what must not be."""
    direction = 1 if up else -1
    over = {
        seed: direction * (value - other) - amount
        for seed, value in values.by_seed.items()
        if value is not None and (other := against.by_seed.get(seed)) is not None
    }
    if not over:
        raise UsageError(f"--fail-if {gate.text}: both have no seed in common")
    return paired_difference(
        summarize(over), summarize(dict.fromkeys(over, 0.0)), gate.quantity.metric
    )


def _decided(gate: Gate, over: Difference, or_equal: bool, strict: bool) -> Outcome:
    mean = over.mean or 0.0
    about = f"over it by {mean:+.6g} on average ({_seeds(over.n)})"
    if mean < 0 or (mean == 0 and not or_equal):
        return Outcome(gate, False, about)
    if over.verdict == "higher" or (or_equal and over.verdict == "equal"):
        return Outcome(gate, True, about)
    few = "too few pairs for a verdict" if over.verdict == "too few pairs" else "undecided"
    return Outcome(gate, strict, f"{about}, {few}")


def _having(model: str, comparisons: Sequence[Comparison]) -> list[Comparison]:
    found = [c for c in comparisons if any(r.model == model for r in c.models)]
    if not found:
        known = dict.fromkeys(r.model for c in comparisons for r in c.models)
        hint = suggest(model, [*known]) if known else "there are no runs"
        raise UsageError(f"--fail-if: no experiment has a model {model!r}; {hint}")
    return found


def _results(comparison: Comparison, model: str) -> list[ModelResult]:
    return [result for result in comparison.models if result.model == model]


def _partner(
    others: Iterable[ModelResult], result: ModelResult, comparison: Comparison
) -> ModelResult:
    """The one at the same sweep point, or the only one."""
    found = list(others)
    alike = [other for other in found if other.point == result.point]
    if len(found) == 1 or alike:
        return (alike or found)[0]
    raise UsageError(
        f"--fail-if: {comparison.experiment} has {len(found) or 'no'} results to hold "
        f"{result.model} against"
    )


def _measured(comparison: Comparison, result: ModelResult, quantity: Quantity) -> Summary:
    summary = result.metrics.get(quantity.metric)
    if summary is None or not summary.n:
        hint = suggestion(quantity.metric) or "no run has measured it"
        raise UsageError(
            f"--fail-if: {comparison.experiment} has no {quantity.model}.{quantity.metric}; {hint}"
        )
    return summary


def _seeds(count: int) -> str:
    return f"{count} seed{'' if count == 1 else 's'}"
