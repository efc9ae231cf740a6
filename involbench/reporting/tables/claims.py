"""Claims: a sentence for each, the page of `involbench claims`, and its JSON document."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import RenderableType
from rich.text import Text

from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.schema import (
    ClaimNumbers,
    ClaimResult,
    ClaimVerdict,
    Comparison,
    Ratio,
    Tested,
)
from involbench.registry import Metric
from involbench.reporting.prose import p_value
from involbench.reporting.tables.cells import heading, number, ratio_text
from involbench.reporting.units import percent
from involbench.spec.claims import OURS
from involbench.text import coordinates, excerpt, located, seeds_of_both

CLAIMS_VERSION = 1
"""Of the JSON document."""

VERDICTS: Final[dict[ClaimVerdict, str]] = {
    "supported": "holds here",
    "refuted": "does not hold here",
    "undecided": "undecided",
}
"""For people. The JSON document keeps its own words."""
_MOST_NUMBERS = 4
_UNITS = {"percent": "%", "seconds": " s", "milliseconds": " ms"}


def claim_sentence(claim: ClaimResult) -> str:
    """The verdict, the claim with its source, the numbers, and both settings."""
    statement, verdict = excerpt(claim.says).rstrip("."), VERDICTS[claim.verdict].capitalize()
    numbers = _ended(f"{verdict}: {statement} ({source_of(claim)}): {claim_numbers(claim)}")
    settings = filter(None, (tested_in(claim), source_setting(claim)))
    return " ".join([numbers, *map(_ended, settings)])


def _ended(text: str) -> str:
    return text if text.endswith(("?", ".")) else f"{text}."


def source_of(claim: ClaimResult) -> str:
    """Who says it."""
    return "own claim" if claim.source == OURS else excerpt(claim.source)


def source_setting(claim: ClaimResult) -> str:
    """What the source tested; empty where there is no other source."""
    if claim.source == OURS:
        return ""
    return f"Setting of the source: {excerpt(claim.setting or 'not stated')}"


def tested_in(claim: ClaimResult) -> str:
    """The setting in which a claim was tested; empty where it was not."""
    tested = claim.tested
    if tested is None or not claim.numbers:
        return ""
    networks = " and ".join(tested.networks)
    if claim.kind == "arithmetic":
        return f"Counted here in {networks}"
    parts = [_data(tested), networks, _range(tested.epochs, "epoch"), _runs(tested)]
    verb, machine = "Tested", ""
    if claim.kind == "measured":
        verb, machine = "Measured", f", on {'; '.join(tested.machines)}" if tested.machines else ""
    return f"{verb} here on {', '.join(parts)}{machine}"


def _data(tested: Tested) -> str:
    names = " and ".join(excerpt(name, 60) for name in tested.data)
    sizes = _range(tested.train_sizes, "training image")
    return f"{names} ({sizes})" if sizes else names


def _range(values: Sequence[int], noun: str) -> str:
    if not values:
        return ""
    ends = " to ".join(f"{value:,}" for value in dict.fromkeys((values[0], values[-1])))
    return f"{ends} {noun}{'' if values[-1] == 1 else 's'}"


def _runs(tested: Tested) -> str:
    return f"{_range(tested.runs, 'run')} of each"


def claims_view(experiments: Mapping[str, Sequence[Comparison]]) -> Iterator[RenderableType]:
    """A sentence for each claim, by experiment and settings; then a count of the verdicts."""
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
    summary = (
        f"{counts['supported']} hold here, {counts['refuted']} do not hold here, "
        f"{counts['undecided']} undecided"
    )
    several = any(len(groups) > 1 for groups in experiments.values())
    yield Text(summary + (", for the settings in the specs." if several else "."))


def claims_document(experiments: Mapping[str, Sequence[Comparison]]) -> dict[str, Any]:
    """Every number of each claim, for `--json`.

    `claims` are for the settings in the specs, `other_settings` for all other runs.
    """
    every = [each for groups in experiments.values() for each in groups]
    document = {
        "schema_version": CLAIMS_VERSION,
        "claims": _claim_rows(e for e in every if e.is_stated),
    }
    if others := [each for each in every if not each.is_stated]:
        document["other_settings"] = _claim_rows(others)
    return document


def _claim_rows(comparisons: Iterable[Comparison]) -> list[dict[str, Any]]:
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
    """The value of both models, the margin claimed and, without a verdict, the reason."""
    metric = metric_called(claim.metric)
    unlike = len({each.verdict for each in claim.numbers}) > 1
    describe = _interaction if claim.interaction else _point
    points = [
        describe(each, claim, metric) + (f" ({VERDICTS[each.verdict]})" if unlike else "")
        for each in claim.numbers[:_MOST_NUMBERS]
    ]
    if len(claim.numbers) > _MOST_NUMBERS:
        points.append(f"and {len(claim.numbers) - _MOST_NUMBERS} more points")
    other_point = located("the second", claim.lesser_at) if claim.lesser_at else None
    return "; ".join([*points, *filter(None, [other_point, _margin(claim), claim.reason])])


def _margin(claim: ClaimResult) -> str | None:
    if claim.ratio is not None:
        return f"claimed: at least {claim.ratio:g} times as much"
    if claim.difference is None:
        return None
    metric = metric_called(claim.metric)
    unit = " points" if metric.unit == "percent" else _UNITS.get(metric.unit, "")
    scale = {"percent": 100, "milliseconds": 1000}.get(metric.unit, 1)
    if claim.difference < 0:
        return f"claimed: at most {-scale * claim.difference:g}{unit} less"
    return f"claimed: at least {scale * claim.difference:g}{unit} more"


def _point(each: ClaimNumbers, claim: ClaimResult, metric: Metric) -> str:
    text = f"{_title(each, metric)}: {_values(claim, metric, each.greater, each.lesser)}"
    if claim.kind == "measured":
        times = f"; {_times(claim, each.ratio)}" if each.ratio else ""
        return f"{text}{times}, {seeds_of_both(*each.beyond.runs)}"
    if each.lesser > 0 and (claim.ratio is not None or claim.kind == "arithmetic"):
        text += f" ({each.greater / each.lesser:.3g} times)"
    return f"{text}{_without_head(each, claim, metric)}" if metric.exact else text + _tested(each)


def _times(claim: ClaimResult, ratio: Ratio) -> str:
    """Which of the two has how many times as much."""
    names = claim.greater, claim.lesser
    first, second = names if names[0] != names[1] else ("the first", "the second")
    if ratio.times >= 1 or min(ratio.times, ratio.low) <= 0:
        return f"{first} has {ratio_text(ratio)}"
    inverse = Ratio(times=1 / ratio.times, low=1 / ratio.high, high=1 / ratio.low)
    return f"{second} has {ratio_text(inverse)}"


def _title(each: ClaimNumbers, metric: Metric) -> str:
    return located(metric.title + " of the runs that learned" * each.only_learned, each.point)


def _values(claim: ClaimResult, metric: Metric, greater: float, lesser: float) -> str:
    sides, unit = ((claim.greater, greater), (claim.lesser, lesser)), _UNITS.get(metric.unit, "")
    return ", ".join(f"{name} {number(value, metric)}{unit}" for name, value in sides)


def _without_head(each: ClaimNumbers, claim: ClaimResult, metric: Metric) -> str:
    """The counts without the heads, which involutions do not change."""
    bare, difference = each.without_head, each.greater - each.lesser
    if bare is None or (bare.greater, bare.lesser) == (each.greater, each.lesser):
        return ""
    text = f"; without the heads {_values(claim, metric, bare.greater, bare.lesser)}"
    if bare.lesser > 0:
        text += f" ({bare.greater / bare.lesser:.3g} times)"
    of_heads = (difference - (bare.greater - bare.lesser)) / difference if difference else 0.0
    if of_heads >= 0.005:
        text += f": the heads make {percent(of_heads, 0)} of the difference"
    if bare.verdict != each.verdict:
        text += f"; without them it {VERDICTS[bare.verdict]}".replace("holds here", "would hold")
    return text


def _tested(each: ClaimNumbers) -> str:
    beyond = each.beyond
    p = beyond.p_holm if beyond.p_holm is not None else beyond.p
    known = f", p {p_value(p)}" if p is not None and max(beyond.runs) > 1 else ""
    runs = seeds_of_both(*beyond.runs)
    if beyond.design == "interaction":
        sizes = sorted(map(len, beyond.samples))
        runs = f"{_range(sizes, 'run')} in each of the four groups"
    return f", {runs}{known}"


def _interaction(each: ClaimNumbers, claim: ClaimResult, metric: Metric) -> str:
    """Both differences, and the difference of them."""
    unit = " points" if metric.unit == "percent" else _UNITS.get(metric.unit, "")
    first, second, third = (
        f"{number(value, metric, plus=True)}{unit}"
        for value in (each.greater, each.lesser, each.greater - each.lesser)
    )
    at, other = map(coordinates, claim.interaction)
    text = (
        f"{_title(each, metric)}, {claim.greater} minus {claim.lesser}: {first} at {at}, {second} "
        f"at {other}; difference of the two {third}"
    )
    if each.beyond.interval is not None and claim.difference is None:
        low, high = (number(end, metric, plus=True) for end in each.beyond.interval)
        text += f", 95% interval {low} to {high}"
    return text if metric.exact else text + _tested(each)
