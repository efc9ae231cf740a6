"""The gates of a CI job: the grammar of `--fail-if`, and whether a comparison passes.

gate       = quantity comparison (number | quantity)
           | quantity ("drops" | "rises") number "from" experiment
quantity   = model "." metric ["@" condition "=" number]
comparison = "<" | "<=" | ">" | ">="
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Any, Literal

from involbench.comparison.metrics import metric, suggestion
from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.pairing import apart, made_otherwise, margin, same_images
from involbench.comparison.schema import Comparison, Difference, ModelResult, Summary
from involbench.comparison.validity import flattered_by_collapse
from involbench.errors import UsageError
from involbench.spec.claims import takes_target
from involbench.spec.trial import shared_coordinates
from involbench.text import located, seeds, suggest

Comparator = Literal["<", "<=", ">", ">="]

_COMPARISONS: tuple[Comparator, ...] = ("<=", ">=", "<", ">")
_CONDITION = r"@[a-z_]+=[0-9.e+-]+"
_LEXEMES = re.compile(rf"[<>=!]+|[^\s<>=!@]+{_CONDITION}|[^\s<>=!]+")
_QUANTITY = re.compile(rf"([a-z0-9][a-z0-9_-]*)\.([A-Za-z][A-Za-z0-9_]*(?:{_CONDITION})?)")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True)
class Quantity:
    """One metric of one model."""

    model: str
    metric: str

    def __str__(self) -> str:
        return f"{self.model}.{self.metric}"


@dataclass(frozen=True)
class Threshold:
    """`inn.test_accuracy < 0.40`."""

    text: str
    quantity: Quantity
    comparison: Comparator
    limit: float


@dataclass(frozen=True)
class Between:
    """`inn.test_accuracy < cnn.test_accuracy`."""

    text: str
    quantity: Quantity
    comparison: Comparator
    other: Quantity


@dataclass(frozen=True)
class Change:
    """`inn.test_accuracy drops 0.02 from reference/cifar10-jpeg`."""

    text: str
    quantity: Quantity
    direction: Literal["drops", "rises"]
    amount: float
    reference: str


Gate = Threshold | Between | Change


def parse_gate(text: str) -> Gate:
    """Read one gate.

    Raises:
        UsageError: It is none; the message shows it with a caret under the place.
    """
    return _Reader(text).gate()


class _Reader:
    """The words of a gate, one after another."""

    def __init__(self, text: str) -> None:
        self._text = " ".join(text.split())
        self._words = [(match[0], match.start()) for match in _LEXEMES.finditer(self._text)]
        self._next = 0

    def gate(self) -> Gate:
        quantity = self._quantity()
        word = self._word()
        if word in ("drops", "rises"):
            return self._moved(quantity, "drops" if word == "drops" else "rises")
        comparison = next((each for each in _COMPARISONS if each == word), None)
        if comparison is None:
            raise self._wrong(f"expected one of {', '.join(_COMPARISONS)}, drops, rises")
        if _NUMBER.fullmatch(self._peek()):
            limit = self._number()
            self._check_unit(quantity, limit)
            return self._ended(Threshold(self._text, quantity, comparison, limit))
        other = self._quantity("a number or MODEL.METRIC")
        if other.metric != quantity.metric:
            raise self._wrong(f"expected {quantity.metric}, the metric of the left side")
        return self._ended(Between(self._text, quantity, comparison, other))

    def _moved(self, quantity: Quantity, direction: Literal["drops", "rises"]) -> Gate:
        amount = self._number()
        if amount < 0:
            raise self._wrong("expected how much, a number of at least 0")
        self._check_unit(quantity, amount)
        if self._word() != "from":
            raise self._wrong("expected 'from' and an experiment")
        reference = self._word()
        if not reference:
            raise self._wrong("expected an experiment, by name or folder")
        return self._ended(Change(self._text, quantity, direction, amount, reference))

    def _quantity(self, what: str = "MODEL.METRIC, such as inn.test_accuracy") -> Quantity:
        match = _QUANTITY.fullmatch(self._word())
        if match is None:
            raise self._wrong(f"expected {what}")
        return Quantity(match[1], match[2])

    def _number(self) -> float:
        word = self._word()
        if not _NUMBER.fullmatch(word):
            raise self._wrong("expected a number, such as 0.4")
        return float(word)

    def _check_unit(self, quantity: Quantity, value: float) -> None:
        """Refuse a number of percent for a fraction: the gate would always pass, or always fail."""
        if metric(quantity.metric).unit == "percent" and abs(value) > 1:
            what = f"{quantity.metric} is a fraction, of at most 1"
            meant = f"; write {value / 100:g} for {value:g}%" if abs(value) <= 100 else ""
            raise self._wrong(f"{what}{meant}")

    def _ended(self, gate: Gate) -> Gate:
        if self._word():
            raise self._wrong("expected nothing more; give --fail-if again for another gate")
        return gate

    def _peek(self) -> str:
        return self._words[self._next][0] if self._next < len(self._words) else ""

    def _word(self) -> str:
        word = self._peek()
        self._next += 1
        return word

    def _wrong(self, message: str) -> UsageError:
        """About the word that was read last."""
        place = self._next - 1
        column = self._words[place][1] if place < len(self._words) else len(self._text) + 1
        return UsageError(f"--fail-if: {message}\n  {self._text}\n  {' ' * column}^")


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
    here, there = (flattered_by_collapse((each,), metric) for each in (result, other))
    if here or there:
        failed, reason = strict, f"undecided, for {here or f'{there} in {beside.experiment}'}"
    else:
        quantity = gate.other if isinstance(gate, Between) else gate.quantity
        against = _measured(beside, other, quantity)
        failed, reason = _decided(_signed(values, against, gate), gate, strict)
    if isinstance(gate, Change) and (unlike := made_otherwise(result, other)):
        reason += f"; not made as {gate.reference} was: {unlike}"
    return failed, reason


def _beside(
    gate: Between | Change, comparison: Comparison, result: ModelResult, lookup: Lookup
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
    why, begun = (
        flattered_by_collapse((result,), gate.quantity.metric),
        result.n_finished + result.n_failed,
    )
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


def _signed(values: Summary, against: Summary, gate: Between | Change) -> Difference:
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
    return margin(over, gate.quantity.metric)


def _decided(over: Difference, gate: Between | Change, strict: bool) -> tuple[bool, str]:
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
