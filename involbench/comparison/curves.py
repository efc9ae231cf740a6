"""Curves over a swept number, and Pareto fronts."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import exp, log
from typing import Any

import numpy as np

from involbench.comparison.metrics import ACCURACY
from involbench.comparison.schema import (
    Crossing,
    Curve,
    CurvePoint,
    Front,
    ModelResult,
    OnFront,
    Summary,
)
from involbench.spec.trial import shared_coordinates
from involbench.statistics.bootstrap import FEWEST_FOR_AN_INTERVAL, bca_interval

_DECISIVE = ("higher", "lower")


def sweep_curves(results: Sequence[ModelResult], metric: str = ACCURACY) -> tuple[Curve, ...]:
    """A curve for each model and each swept number that it has two values of or more.

    Args:
        results: All results of an experiment, with their differences from the baseline.
        metric: What the curves are of.

    Returns:
        The curves; where more than one thing is swept, one for each value of the others.
    """
    curves = []
    for key in dict.fromkeys(key for result in results for key in result.point):
        lines: dict[str, list[ModelResult]] = {}
        for result in results:
            if _is_number(result.point.get(key)) and result.mean(metric) is not None:
                others = {k: v for k, v in result.point.items() if k != key}
                lines.setdefault(f"{result.model} {others!r}", []).append(result)
        curves += [_curve(line, key, metric) for line in lines.values() if len(line) > 1]
    return tuple(curves)


def _curve(line: Iterable[ModelResult], key: str, metric: str) -> Curve:
    ordered = sorted(line, key=lambda result: float(result.point[key]))
    others = {k: v for k, v in ordered[0].point.items() if k != key}
    return Curve(
        model=ordered[0].model,
        key=key,
        at=others,
        metric=metric,
        points=tuple(_point(result, key, metric) for result in ordered),
        crossings=tuple(_crossings(ordered, key, metric)),
    )


def _point(result: ModelResult, key: str, metric: str) -> CurvePoint:
    summary = result.metrics[metric]
    return CurvePoint(
        x=float(result.point[key]),
        n=summary.n,
        mean=summary.mean or 0.0,
        interval=interval_of_mean(summary),
    )


def interval_of_mean(summary: Summary) -> tuple[float, float] | None:
    """The 95% BCa interval of the mean over seeds; None under three."""
    values = [value for value in summary.by_seed.values() if value is not None]
    if len(values) < FEWEST_FOR_AN_INTERVAL:
        return None
    low, high = bca_interval(np.asarray([values]))
    return float(low[0]), float(high[0])


def _crossings(line: Sequence[ModelResult], key: str, metric: str) -> Iterable[Crossing]:
    """Where the difference from the baseline changes its sign between neighbours."""
    held = [
        (float(result.point[key]), difference.mean, difference.verdict in _DECISIVE)
        for result in line
        if (difference := result.differences.get(metric)) and difference.mean is not None
    ]
    apart = [each for each in held if each[1] != 0]
    for (left, before, sure), (right, after, sure_too) in pairwise(apart):
        if before * after < 0:
            share = before / (before - after)
            yield Crossing(
                low=left, high=right, at=_between(left, right, share), certain=sure and sure_too
            )


def _between(left: float, right: float, share: float) -> float:
    """By ratio where the swept values lie a factor apart, as sizes of training sets do."""
    if left > 0 and right / left >= 2:
        return exp(log(left) + share * (log(right) - log(left)))
    return left + share * (right - left)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


COSTS = ("trainable_parameters", "macs", "latency", "litert_latency")


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The places of the points that no other is at least as good as in both and better in one.

    Args:
        points: (gain, cost) each: of the gain more is better, of the cost less.

    Returns:
        Places in `points`, by cost; of equal points, all or none.
    """
    front: list[int] = []
    by_cost = sorted(range(len(points)), key=lambda place: (points[place][1], -points[place][0]))
    for place in by_cost:
        best = points[front[-1]] if front else None
        if best is None or points[place][0] > best[0] or points[place] == best:
            front.append(place)
    return front


def fronts(results: Sequence[ModelResult]) -> tuple[Front, ...]:
    """Mean test accuracy against each cost that at least two results have measured.

    One front for all that were trained and tested on the same data.
    """
    places: dict[str, list[ModelResult]] = {}
    for result in results:
        places.setdefault(f"{data_of(result)} {result.fingerprint}", []).append(result)
    return tuple(front for there in places.values() for front in _fronts(there))


def data_of(result: ModelResult) -> dict[str, Any]:
    """The coordinates of its sweep point that are about the data."""
    shared = shared_coordinates(result.point)
    return {key: value for key, value in shared.items() if key.startswith("data.")}


def _fronts(results: Sequence[ModelResult]) -> Iterator[Front]:
    for cost in COSTS:
        having = [
            (result, gain, paid)
            for result in results
            if (gain := result.mean(ACCURACY)) is not None
            and (paid := result.mean(cost)) is not None
        ]
        if len(having) < 2:
            continue
        places = pareto_front([(gain, paid) for _, gain, paid in having])
        on_it = [having[place] for place in places]
        members = tuple(
            OnFront(model=result.model, point=result.point, gain=gain, cost=paid)
            for result, gain, paid in on_it
        )
        same = {"at": data_of(results[0]), "fingerprint": results[0].fingerprint}
        yield Front(gain=ACCURACY, cost=cost, members=members, **same)
