"""The grammar of `--fail-if`: small, its own, and never evaluated as code.

gate       = quantity comparison (number | quantity)
           | quantity ("drops" | "rises") number "from" experiment
quantity   = model "." metric ["@" condition "=" number]
comparison = "<" | "<=" | ">" | ">="
"""

import re
from dataclasses import dataclass
from typing import Literal

from involbench.analysis.metrics import metric
from involbench.errors import UsageError

Comparison = Literal["<", "<=", ">", ">="]

_COMPARISONS: tuple[Comparison, ...] = ("<=", ">=", "<", ">")
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
    comparison: Comparison
    limit: float


@dataclass(frozen=True)
class Between:
    """`inn.test_accuracy < cnn.test_accuracy`."""

    text: str
    quantity: Quantity
    comparison: Comparison
    other: Quantity


@dataclass(frozen=True)
class Moved:
    """`inn.test_accuracy drops 0.02 from reference/cifar10-jpeg`."""

    text: str
    quantity: Quantity
    direction: Literal["drops", "rises"]
    amount: float
    reference: str


Gate = Threshold | Between | Moved


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
        return self._ended(Moved(self._text, quantity, direction, amount, reference))

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
