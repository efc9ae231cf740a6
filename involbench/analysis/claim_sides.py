"""Which results a claim is about, and which of them there are not."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from involbench.analysis.comparison import ModelResult
from involbench.spec.claims import Claim
from involbench.spec.sweep import points
from involbench.spec.trial import concerning

Sweep = Mapping[str, Sequence[Any]]
Side = list[ModelResult]
"""One of a claim's two models, at all points that the claim is about."""


def sides(claim: Claim, results: Sequence[ModelResult]) -> tuple[Side, Side]:
    """The results of the model that is to have more, and of the other one."""
    greaters, lessers = (
        [result for result in results if result.model == model and _is_at(result.point, at, model)]
        for model, at in _places(claim)
    )
    return greaters, lessers


def side_by_side(
    claim: Claim, greaters: Side, lessers: Side
) -> list[tuple[ModelResult, ModelResult]]:
    """The two at the same points, but for where the claim wants them apart."""
    there: dict[str, Side] = {}
    for lesser in lessers:
        there.setdefault(_shared(lesser.point, claim.greater, claim), []).append(lesser)
    return [
        (greater, lesser)
        for greater in greaters
        for lesser in there.get(_shared(greater.point, claim.lesser, claim), [])
    ]


def points_without(
    claim: Claim, greaters: Side, lessers: Side, sweep: Sweep
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The points at which one of the two models has no run, with that model.

    They are those of the spec's sweep, and those that go with a run of the other model.
    """
    swept = points(sweep) if sweep else []
    for (model, at), there in zip(_places(claim), (greaters, lessers), strict=True):
        have = {_key(result.point) for result in there}
        for point in (concerning(point, model) for point in swept):
            if _is_at(point, at, model) and _key(point) not in have:
                yield model, point
    paired = {id(result) for pair in side_by_side(claim, greaters, lessers) for result in pair}
    more, less = _places(claim)
    for side, (model, at) in ((greaters, less), (lessers, more)):
        for result in side:
            if id(result) not in paired:
                yield model, concerning({**result.point, **at}, model)


def _places(claim: Claim) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Each model with where the claim is about it."""
    return (claim.greater, claim.at), (claim.lesser, {**claim.at, **claim.lesser_at})


def _is_at(point: Mapping[str, Any], at: Mapping[str, Any], model: str) -> bool:
    """Whether a point is one of those meant, as far as these concern the model."""
    return all(point.get(key) == value for key, value in concerning(at, model).items())


def _shared(point: Mapping[str, Any], other: str, claim: Claim) -> str:
    """What of a point the other model has too, but for where the claim wants them apart."""
    about = concerning(point, other)
    return _key({key: value for key, value in about.items() if key not in claim.lesser_at})


def _key(point: Mapping[str, Any]) -> str:
    return repr(sorted(point.items()))
