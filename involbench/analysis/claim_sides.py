"""Which results a claim is about, and which of them there are not."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
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
    return [pair for pair in product(greaters, lessers) if _belong_together(*pair, claim)]


def points_without(
    claim: Claim, greaters: Side, lessers: Side, sweep: Sweep
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The points at which one of the two models has no run, with that model.

    They are those of the spec's sweep, and those that go with a run of the other model.
    """
    swept = points(sweep) if sweep else []
    for (model, at), there in zip(_places(claim), (greaters, lessers), strict=True):
        have = [result.point for result in there]
        for point in (concerning(point, model) for point in swept):
            if _is_at(point, at, model) and point not in have:
                yield model, point
    together, (more, less) = side_by_side(claim, greaters, lessers), _places(claim)
    for side, place, (model, at) in ((greaters, 0, less), (lessers, 1, more)):
        paired = [pair[place] for pair in together]
        for result in side:
            if result not in paired:
                yield model, concerning({**result.point, **at}, model)


def _places(claim: Claim) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Each model with where the claim is about it."""
    return (claim.greater, claim.at), (claim.lesser, {**claim.at, **claim.lesser_at})


def _is_at(point: Mapping[str, Any], at: Mapping[str, Any], model: str) -> bool:
    """Whether a point is one of those meant, as far as these concern the model."""
    return all(point.get(key) == value for key, value in concerning(at, model).items())


def _belong_together(greater: ModelResult, lesser: ModelResult, claim: Claim) -> bool:
    ours, theirs = (
        {key: value for key, value in concerning(one, other).items() if key not in claim.lesser_at}
        for one, other in ((greater.point, lesser.model), (lesser.point, greater.model))
    )
    return ours == theirs
