"""Claims and their verdicts, as a person reads them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

from rich.console import RenderableType
from rich.text import Text

from involbench.analysis.comparison import ClaimNumbers, ClaimResult, ClaimVerdict, Comparison
from involbench.analysis.metrics import Metric
from involbench.analysis.metrics import metric as metric_called
from involbench.reporting.labels import heading
from involbench.reporting.sentences import p_value
from involbench.reporting.values import number
from involbench.results.wording import excerpt, located, seeds

CLAIMS_VERSION = 1
"""Of the JSON document."""

_MOST_POINTS = 4
_UNITS = {"percent": "%", "seconds": " s", "milliseconds": " ms"}


def claim_sentence(claim: ClaimResult) -> str:
    """The verdict, who says what, and the numbers."""
    said = f"{claim.verdict.capitalize()}: {_said(claim)} ({excerpt(claim.source)})"
    text = f"{said}: {claim_numbers(claim)}"
    return text if text.endswith("?") else f"{text}."


def claims_view(experiments: Mapping[str, Sequence[Comparison]]) -> Iterator[RenderableType]:
    """A sentence a claim, under its experiment and group of settings; how many came out how.

    Args:
        experiments: Experiment -> the comparison of each group of settings.
    """
    if not experiments:
        yield Text("No claims: a spec states them under `claims:`.")
        return
    for groups in experiments.values():
        for comparison in groups:
            yield Text(heading(comparison), style="bold")
            yield from (Text(claim_sentence(claim)) for claim in comparison.claims)
            yield Text()
    judged = (each for groups in experiments.values() for each in groups if each.is_stated)
    counts = Counter(claim.verdict for each in judged for claim in each.claims)
    counted = ", ".join(f"{counts[v]} {v}" for v in get_args(ClaimVerdict))
    several = any(len(groups) > 1 for groups in experiments.values())
    yield Text(counted + (", on the settings that specs state." if several else "."))


def claims_document(experiments: Mapping[str, Sequence[Comparison]]) -> dict[str, Any]:
    """Every number of each claim for `--json`, with its experiment.

    `claims` are on the settings that the specs state, `other_settings` what other runs say.
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
    """Both means, what is claimed, and why there is no verdict where there is none."""
    metric = metric_called(claim.metric)
    unlike = len({each.verdict for each in claim.numbers}) > 1
    shown = [
        _point(each, claim, metric) + (f" ({each.verdict})" if unlike else "")
        for each in claim.numbers[:_MOST_POINTS]
    ]
    if len(claim.numbers) > _MOST_POINTS:
        shown.append(f"and {len(claim.numbers) - _MOST_POINTS} points more")
    return "; ".join([*shown, *filter(None, [_elsewhere(claim), _margin(claim), claim.reason])])


def _said(claim: ClaimResult) -> str:
    return excerpt(claim.says).rstrip(".")


def _elsewhere(claim: ClaimResult) -> str | None:
    """Where the second of the two numbers is from."""
    return located("the second", claim.lesser_at) if claim.lesser_at else None


def _margin(claim: ClaimResult) -> str | None:
    if claim.ratio is not None:
        return f"claimed: at least {claim.ratio:g} times as much"
    if claim.difference is None:
        return None
    metric = metric_called(claim.metric)
    unit = " points" if metric.unit == "percent" else _UNITS.get(metric.unit, "")
    scale = {"percent": 100, "milliseconds": 1000}.get(metric.unit, 1)
    return f"claimed: at least {scale * claim.difference:g}{unit} more"


def _point(each: ClaimNumbers, claim: ClaimResult, metric: Metric) -> str:
    sides = ((claim.greater, each.greater), (claim.lesser, each.lesser))
    unit = _UNITS.get(metric.unit, "")
    values = ", ".join(f"{name} {number(value, metric)}{unit}" for name, value in sides)
    text = f"{located(metric.title, each.point)}: {values}"
    if each.lesser > 0 and claim.ratio is not None:
        text += f" ({each.greater / each.lesser:.3g} times)"
    if each.beyond.p is None:
        return text
    p = f", p {p_value(each.beyond.p)}" if each.beyond.n > 1 else ""
    return f"{text}, {seeds(each.beyond.n)}{p}"
