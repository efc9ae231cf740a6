"""Sentences for the results of a comparison and its claims."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

from rich.console import RenderableType
from rich.text import Text

from involbench.comparison.metrics import ACCURACY, Metric
from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.pairing import LEVEL
from involbench.comparison.schema import (
    ClaimNumbers,
    ClaimResult,
    ClaimVerdict,
    Comparison,
    Difference,
    ModelResult,
    ParameterCounts,
)
from involbench.reporting.tables.cells import heading, label, number
from involbench.text import excerpt, located, seeds

_OPERATORS = {"Involution2D": "the involutions", "Conv2D": "the convolutions"}


def verdict_sentence(
    result: ModelResult, baseline: ModelResult, name: str = ACCURACY, weigh: bool = True
) -> str:
    """One model against the baseline in one metric, and how many parameters it has."""
    difference, this = result.differences.get(name), label(result.model, result.point)
    that = label(baseline.model, baseline.point)
    if difference is None or difference.mean is None:
        return f"{this} and {that}: no seed has a {metric_called(name).title} for both."
    sentence = _difference(this, that, difference, name)
    weight = _parameters(result.parameters, baseline.parameters) if weigh else None
    # "It" is clear only if the sentence begins with this model alone.
    about_both = difference.all_equal or difference.verdict == "undecided" or name != ACCURACY
    who = this if about_both else "it"
    return f"{sentence}; {who} has {weight}." if weight else f"{sentence}."


def change_sentence(model: str, difference: Difference, name: str) -> str:
    """One model, now compared with an earlier time."""
    return f"{_difference(f'{model} now', f'{model} then', difference, name)}."


def holm_sentence(differences: Sequence[Difference]) -> str | None:
    """The largest p-value after Holm's correction, if a verdict would not survive it."""
    bold = [d for d in differences if d.verdict in ("higher", "lower") and d.p_holm is not None]
    worst = max((d.p_holm or 0 for d in bold), default=0)
    if worst <= LEVEL:
        return None
    tested = sum(d.p is not None for d in differences)
    return (
        f"After correcting for {tested} comparisons (Holm), the largest p-value is "
        f"{p_value(worst)}."
    )


def p_value(p: float) -> str:
    """Two significant digits; `< 0.001` below that."""
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def _difference(this: str, that: str, difference: Difference, name: str) -> str:
    metric, mean = metric_called(name), difference.mean or 0.0
    n = seeds(difference.n, difference.n + len(difference.missing_seeds))
    apart = _apart(this, that, mean, name)
    if difference.all_equal:
        return f"{this} and {that} are equal in {metric.title}, {n}"
    if difference.verdict == "undecided":
        return _undecided(f"{this} and {that}", difference, metric, n)
    if difference.trained_pair is not None:
        pair = difference.trained_pair
        return (
            f"{apart} in this trained pair only: of {pair.images:,} test images, "
            f"only {this} gets {pair.only_this_right:,} right and only {that} "
            f"{pair.only_baseline_right:,} (McNemar p {p_value(pair.p)})"
        )
    if difference.interval is None:
        return apart if metric.exact else f"{apart} in {n}: too few for an interval"
    direction = -1 if mean < 0 else 1
    text = f"{apart}, 95% interval {_interval(difference, metric, direction)}, {n}"
    few = difference.verdict == "too few pairs"
    return f"{text}: an estimate, no verdict under six" if few else text


def _undecided(both: str, difference: Difference, metric: Metric, n: str) -> str:
    low, high = difference.interval or (0, 0)
    p = 1.0 if low <= 0 <= high or difference.p is None else difference.p
    estimate = (
        f"{_amount(difference.mean or 0.0, metric, plus=True)}, "
        f"95% interval {_interval(difference, metric, 1)}, {n}"
    )
    if p <= LEVEL:  # A note says why the verdict is withheld.
        return f"{both}: no verdict on the {metric.title}: {estimate}"
    but = f", but p {p_value(p)}" if p < 1 else ""
    return f"{both} cannot be told apart in {metric.title}: {estimate}{but}"


def _apart(this: str, that: str, mean: float, name: str) -> str:
    """`inn is 26.8 points less accurate than cnn`."""
    metric = metric_called(name)
    amount = _amount(abs(mean), metric)
    if not mean:
        return f"{this} and {that} have the same mean {metric.title}"
    if name == ACCURACY:
        return f"{this} is {amount} {'less' if mean < 0 else 'more'} accurate than {that}"
    down, up = ("shorter", "longer") if metric.title.startswith("time") else ("lower", "higher")
    way = down if mean < 0 else up
    if " " in this:  # a name with its coordinates, or with a time
        return f"{this}: the {metric.title} is {amount} {way} than that of {that}"
    return f"{this}'s {metric.title} is {amount} {way} than {that}'s"


def _interval(difference: Difference, metric: Metric, direction: int) -> str:
    assert difference.interval is not None
    low, high = sorted(direction * end for end in difference.interval)
    return f"{_short(low, metric)} to {_short(high, metric)}"


_UNITS = {
    "percent": " points",
    "seconds": " s",
    "milliseconds": " ms",
    "epochs": " epochs",
}
"""Of a difference."""


def _amount(value: float, metric: Metric, plus: bool = False) -> str:
    unit = _UNITS.get(metric.unit, "")
    return f"{_short(value, metric, plus)}{unit}"


def _short(value: float, metric: Metric, plus: bool = False) -> str:
    """One decimal is enough for points, unless it would hide that there is a difference."""
    if metric.unit == "percent" and (value == 0 or abs(value) >= 0.001):
        return f"{100 * value:{'+' if plus else ''}.1f}"
    return number(value, metric, plus)


def _parameters(these: ParameterCounts | None, those: ParameterCounts | None) -> str | None:
    if these is None or those is None or not these.trainable or not those.trainable:
        return None
    return f"{_ratio(these.trainable, those.trainable)} parameters{_by_part(these)}"


def _ratio(these: int, those: int) -> str:
    if these == those:
        return "as many"
    ratio = max(these, those) / min(these, those)
    fewer = these < those
    if ratio < 1.95:
        share = 100 * abs(these / those - 1)
        if share < 0.05:
            return f"{abs(these - those):,} {'fewer' if fewer else 'more'}"
        return f"{share:.{0 if share >= 9.5 else 1}f}% {'fewer' if fewer else 'more'}"
    times = f"{ratio:,.{0 if ratio >= 9.95 else 1}f} times"
    return f"{times} fewer" if fewer else f"{times} as many"


def _by_part(counts: ParameterCounts) -> str:
    operator, head = counts.by_role.get("operator", 0), counts.by_role.get("head", 0)
    if not operator:
        return ", none in the operator"
    kinds = {_OPERATORS.get(layer, "the operator") for layer in counts.operator_layers}
    kind = kinds.pop() if len(kinds) == 1 else "the operator"
    more = f" and {head:,} in the dense head" if head > operator else ""
    return f", with {operator:,} in {kind}{more}"


CLAIMS_VERSION = 1
"""Of the JSON document."""

_MOST_POINTS = 4
_CLAIM_UNITS = {"percent": "%", "seconds": " s", "milliseconds": " ms"}


def claim_sentence(claim: ClaimResult) -> str:
    """The verdict, the claim with its source, and the numbers."""
    statement = excerpt(claim.says).rstrip(".")
    text = (
        f"{claim.verdict.capitalize()}: {statement} ({excerpt(claim.source)}): "
        f"{claim_numbers(claim)}"
    )
    return text if text.endswith("?") else f"{text}."


def claims_view(experiments: Mapping[str, Sequence[Comparison]]) -> Iterator[RenderableType]:
    """A sentence for each claim, by experiment and settings; then a count of the verdicts.

    Args:
        experiments: Experiment -> the comparison of each group of settings.
    """
    if not experiments:
        yield Text("No claims. To add some, list them under `claims:` in a spec.")
        return
    for groups in experiments.values():
        for comparison in groups:
            yield Text(heading(comparison), style="bold")
            yield from (Text(claim_sentence(claim)) for claim in comparison.claims)
            yield Text()
    stated = (each for groups in experiments.values() for each in groups if each.is_stated)
    counts = Counter(claim.verdict for each in stated for claim in each.claims)
    counted = ", ".join(f"{counts[v]} {v}" for v in get_args(ClaimVerdict))
    several = any(len(groups) > 1 for groups in experiments.values())
    yield Text(counted + (", for the settings in the specs." if several else "."))


def claims_document(experiments: Mapping[str, Sequence[Comparison]]) -> dict[str, Any]:
    """Every number of each claim, for `--json`.

    `claims` are for the settings in the specs, `other_settings` for all other runs.
    """
    every = [each for groups in experiments.values() for each in groups]
    document = {"schema_version": CLAIMS_VERSION, "claims": _rows(e for e in every if e.is_stated)}
    if others := [each for each in every if not each.is_stated]:
        document["other_settings"] = _rows(others)
    return document


def _rows(comparisons: Iterable[Comparison]) -> list[dict[str, Any]]:
    return [
        {
            "experiment": comparison.experiment,
            **({"settings": comparison.settings} if comparison.settings else {}),
            **claim.model_dump(mode="json"),
        }
        for comparison in comparisons
        for claim in comparison.claims
    ]


def claim_numbers(claim: ClaimResult) -> str:
    """Both means, the margin claimed and, without a verdict, the reason."""
    metric = metric_called(claim.metric)
    unlike = len({each.verdict for each in claim.numbers}) > 1
    points = [
        _point(each, claim, metric) + (f" ({each.verdict})" if unlike else "")
        for each in claim.numbers[:_MOST_POINTS]
    ]
    if len(claim.numbers) > _MOST_POINTS:
        points.append(f"and {len(claim.numbers) - _MOST_POINTS} more points")
    return "; ".join([*points, *filter(None, [_elsewhere(claim), _margin(claim), claim.reason])])


def _elsewhere(claim: ClaimResult) -> str | None:
    """The coordinates of the second number, if they differ."""
    return located("the second", claim.lesser_at) if claim.lesser_at else None


def _margin(claim: ClaimResult) -> str | None:
    if claim.ratio is not None:
        return f"claimed: at least {claim.ratio:g} times as much"
    if claim.difference is None:
        return None
    metric = metric_called(claim.metric)
    unit = " points" if metric.unit == "percent" else _CLAIM_UNITS.get(metric.unit, "")
    scale = {"percent": 100, "milliseconds": 1000}.get(metric.unit, 1)
    return f"claimed: at least {scale * claim.difference:g}{unit} more"


def _point(each: ClaimNumbers, claim: ClaimResult, metric: Metric) -> str:
    sides = ((claim.greater, each.greater), (claim.lesser, each.lesser))
    unit = _CLAIM_UNITS.get(metric.unit, "")
    values = ", ".join(f"{name} {number(value, metric)}{unit}" for name, value in sides)
    text = f"{located(metric.title, each.point)}: {values}"
    if each.lesser > 0 and claim.ratio is not None:
        text += f" ({each.greater / each.lesser:.3g} times)"
    if each.beyond.p is None:
        return text
    p = f", p {p_value(each.beyond.p)}" if each.beyond.n > 1 else ""
    return f"{text}, {seeds(each.beyond.n)}{p}"
