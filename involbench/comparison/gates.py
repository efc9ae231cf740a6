"""`compare --fail-if`: parse the gates of a CI job and check comparisons against them.

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
from typing import Any

from involbench.comparison.differences import excess
from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.metrics import suggestion
from involbench.comparison.pairing import not_comparable, protocol_difference, same_images
from involbench.comparison.schema import Comparison, Difference, ModelResult, Summary
from involbench.comparison.validity import never_reached
from involbench.errors import UsageError
from involbench.spec.claims import takes_target
from involbench.spec.trial import shared_coordinates
from involbench.text import located, seeds, seeds_of_both, suggest

_COMPARES: dict[str, Callable[[float, float], bool]] = {"<=": le, ">=": ge, "<": lt, ">": gt}
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
class Gate:
    """A condition that must not be true: the quantity compared with a number or a quantity."""

    text: str
    quantity: Quantity
    comparison: str
    """`<` for `drops`, `>` for `rises`."""
    limit: float
    """The number in the gate; 0 between two models."""
    other: Quantity | None = None
    """The quantity to compare with; None for a number alone."""
    reference: str = ""
    """The experiment that has the other quantity; empty for the same one."""


def parse_gate(text: str) -> Gate:
    """Read one gate.

    Raises:
        UsageError: The text is not a gate. The message marks the place with a caret.
    """
    return _Parser(text).gate()


class _Parser:
    """Reads a gate word by word."""

    def __init__(self, text: str) -> None:
        self._text = " ".join(text.split())
        self._words = [(match[0], match.start()) for match in _LEXEMES.finditer(self._text)]
        self._next = 0

    def gate(self) -> Gate:
        gate = self._condition()
        if self._word():
            raise self._wrong("expected the end; repeat --fail-if for another gate")
        return gate

    def _condition(self) -> Gate:
        quantity, word = self._quantity(), self._word()
        if word in ("drops", "rises"):
            return self._change(quantity, "<" if word == "drops" else ">")
        if word not in _COMPARES:
            raise self._wrong(f"expected one of {', '.join(_COMPARES)}, drops, rises")
        if _NUMBER.fullmatch(self._peek()):
            return Gate(self._text, quantity, word, self._number(quantity))
        other = self._quantity("a number or MODEL.METRIC")
        if other.metric != quantity.metric:
            raise self._wrong(f"expected {quantity.metric}, the metric of the left side")
        return Gate(self._text, quantity, word, 0.0, other)

    def _change(self, quantity: Quantity, comparison: str) -> Gate:
        amount = self._number(quantity, "expected a number that is not negative")
        if self._word() != "from":
            raise self._wrong("expected 'from' and an experiment")
        reference = self._word()
        if not reference:
            raise self._wrong("expected an experiment, by name or folder")
        return Gate(self._text, quantity, comparison, amount, quantity, reference)

    def _quantity(self, what: str = "MODEL.METRIC, such as inn.test_accuracy") -> Quantity:
        match = _QUANTITY.fullmatch(self._word())
        if match is None:
            raise self._wrong(f"expected {what}")
        return Quantity(match[1], match[2])

    def _number(self, quantity: Quantity, if_negative: str = "") -> float:
        """A number in the unit of the quantity.

        A percentage where a fraction is expected is refused; the gate would never change.
        """
        word = self._word()
        if not _NUMBER.fullmatch(word):
            raise self._wrong("expected a number, such as 0.4")
        value = float(word)
        if if_negative and value < 0:
            raise self._wrong(if_negative)
        if metric_called(quantity.metric).unit == "percent" and abs(value) > 1:
            hint = f"; write {value / 100:g} for {value:g}%" if abs(value) <= 100 else ""
            raise self._wrong(f"{quantity.metric} is a fraction, at most 1{hint}")
        return value

    def _peek(self) -> str:
        return self._words[self._next][0] if self._next < len(self._words) else ""

    def _word(self) -> str:
        word = self._peek()
        self._next += 1
        return word

    def _wrong(self, message: str) -> UsageError:
        """An error at the word that was read last."""
        place = self._next - 1
        column = self._words[place][1] if place < len(self._words) else len(self._text) + 1
        return UsageError(f"--fail-if: {message}\n  {self._text}\n  {' ' * column}^")


Lookup = Callable[[str], Comparison]


@dataclass(frozen=True)
class Outcome:
    """The result of one gate for one model at one sweep point."""

    gate: Gate
    failed: bool
    reason: str
    experiment: str
    point: dict[str, Any]


def check_gate(
    gate: Gate, comparisons: Sequence[Comparison], lookup: Lookup, strict: bool
) -> list[Outcome]:
    """Check all comparisons that have the model against a gate.

    A threshold is compared with the mean. A gate between two models, or with a reference, fails
    only if there is a verdict; with `strict`, also if only the mean is beyond it.

    Raises:
        UsageError: No experiment has the model, or no run has the metric.
    """
    return [
        Outcome(
            gate,
            *_check(gate, comparison, result, lookup, strict),
            comparison.experiment,
            result.point,
        )
        for comparison in _with_model(gate.quantity.model, comparisons)
        for result in _results_of_model(comparison, gate.quantity.model)
    ]


def _check(
    gate: Gate, comparison: Comparison, result: ModelResult, lookup: Lookup, strict: bool
) -> tuple[bool, str]:
    """Whether the gate failed at one result, and why."""
    values = _summary_of(comparison, result, gate.quantity)
    if gate.other is None:
        return _check_threshold(gate, values, result, strict)
    reference, other = _reference(gate, gate.other.model, comparison, result, lookup)
    others = _summary_of(reference, other, gate.other)
    here, there = (_undecidable(each, gate.other.metric) for each in (result, other))
    if here or there:
        why = here or f"in {reference.experiment}, {there}"
        failed, reason = strict, f"undecided, because {why}"
    else:
        by_pairs = comparison.paired or bool(gate.reference)
        beyond = _beyond_gate(values, others, gate, by_pairs)
        failed, reason = _check_excess(beyond, gate, strict)
    if gate.reference and (difference := protocol_difference(result, other)):
        reason += f"; the settings differ from {gate.reference}: {difference}"
    return failed, reason


def _undecidable(result: ModelResult, metric: str) -> str:
    """Why a metric of a result can't be compared; empty where it can."""
    return never_reached((result,), metric) or _favored(result, metric)


def _favored(result: ModelResult, metric: str) -> str:
    """Which collapsed runs a metric rates too well; empty where there are none."""
    if not (result.n_collapsed and metric_called(metric).favors_constant_predictor):
        return ""
    runs = f"{seeds(result.n_collapsed, result.n_finished)} of {result.model}"
    return f"{runs} collapsed, and this metric favors collapsed runs"


def _reference(
    gate: Gate, model: str, comparison: Comparison, result: ModelResult, lookup: Lookup
) -> tuple[Comparison, ModelResult]:
    """The result to compare with, and its comparison.

    Raises:
        UsageError: There is no such result, or the two can't be compared.
    """
    if gate.reference:
        comparison = lookup(gate.reference)
    other = _partner(model, result, comparison, gate)
    if not gate.reference:
        why = not_comparable(result, other)
    else:
        why = "" if same_images(result, other) else f"{gate.reference} has different images"
    if why:
        raise UsageError(f"--fail-if {gate.text}: {why}")
    return comparison, other


def _check_threshold(
    gate: Gate, values: Summary, result: ModelResult, strict: bool
) -> tuple[bool, str]:
    """Check a mean. A target that a run never reached counts as infinite.

    The mean is over all runs, collapsed or not. If it passes, but some seeds have no value or the
    metric favors collapsed runs, the gate is undecided.
    """
    exceeds, quantity = _COMPARES[gate.comparison], gate.quantity
    if why := never_reached((result,), quantity.metric):
        return exceeds(math.inf, gate.limit), f"{quantity} has no value: {why}"
    mean, trials = values.mean or 0.0, result.n_finished + result.n_failed
    reason = f"{quantity} is {mean:.6g} ({seeds(values.n, trials)})"
    if exceeds(mean, gate.limit):
        return True, reason
    if values.n < trials and not metric_called(quantity.metric).exact:
        why = "the other seeds have no value"
    why = _favored(result, quantity.metric) or why
    return (strict, f"{reason}, undecided, because {why}") if why else (False, reason)


def _beyond_gate(values: Summary, others: Summary, gate: Gate, by_pairs: bool) -> Difference:
    """How far the values are beyond the gate; above zero the gate fails.

    All runs count, so that a model that begins to collapse does not pass.
    """
    sign = 1 if ">" in gate.comparison else -1
    these, limits = (
        Summary.of({s: None if v is None else sign * v + add for s, v in each.by_seed.items()})
        for each, add in ((values, 0.0), (others, gate.limit))
    )
    beyond = excess(these, limits, gate.quantity.metric, by_pairs)
    if beyond.mean is None:
        raise UsageError(f"--fail-if {gate.text}: the two have no seed in common")
    return beyond


def _check_excess(excess: Difference, gate: Gate, strict: bool) -> tuple[bool, str]:
    mean, or_equal = excess.mean or 0.0, "=" in gate.comparison
    side = "beyond" if mean > 0 else "within"
    reason = f"{side} the gate by {abs(mean):.6g} on average ({seeds_of_both(*excess.runs)})"
    if mean < 0 or (mean == 0 and not or_equal):
        return False, reason
    if excess.verdict == "higher" or (or_equal and excess.verdict == "equal"):
        return True, reason
    few = "too few runs for a verdict" if excess.verdict == "too few runs" else "undecided"
    return strict, f"{reason}, {few}"


def _with_model(model: str, comparisons: Sequence[Comparison]) -> list[Comparison]:
    found = [c for c in comparisons if any(r.model == model for r in c.models)]
    if not found:
        known = dict.fromkeys(r.model for c in comparisons for r in c.models)
        hint = suggest(model, [*known]) if known else "there are no runs"
        raise UsageError(f"--fail-if: no experiment has a model {model!r}; {hint}")
    return found


def _results_of_model(comparison: Comparison, model: str) -> list[ModelResult]:
    return [result for result in comparison.models if result.model == model]


def _partner(model: str, result: ModelResult, comparison: Comparison, gate: Gate) -> ModelResult:
    """The result of a model at the same sweep point, in the coordinates that concern both."""
    (comparison,) = _with_model(model, [comparison])
    results, point = _results_of_model(comparison, model), shared_coordinates(result.point)
    found = [other for other in results if shared_coordinates(other.point) == point]
    exact = [other for other in found if other.point == result.point]
    if len(exact or found) == 1:
        return (exact or found)[0]
    raise UsageError(
        f"--fail-if {gate.text}: {comparison.experiment} has {len(found) or 'no'} results of "
        f"{model} to compare {located(result.model, result.point)} with"
    )


def _summary_of(comparison: Comparison, result: ModelResult, quantity: Quantity) -> Summary:
    summary = result.metrics.get(quantity.metric)
    if summary is None or not (summary.n or takes_target(quantity.metric)):
        hint = suggestion(quantity.metric) or "no run has measured it"
        raise UsageError(
            f"--fail-if: {comparison.experiment} has no {quantity.model}.{quantity.metric}; {hint}"
        )
    return summary
