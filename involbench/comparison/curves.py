"""Curves over a sweep, and Pareto fronts."""

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
from involbench.statistics.estimates import SMALLEST_SAMPLE, bca_interval

_DECISIVE = ("higher", "lower")


def sweep_curves(results: Sequence[ModelResult]) -> tuple[Curve, ...]:
    """A curve of the test accuracy for each model, swept key with numbers, and other coordinate."""
    curves = []
    for key in dict.fromkeys(key for result in results for key in result.point):
        lines: dict[str, list[ModelResult]] = {}
        for result in results:
            value = result.point.get(key)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if is_number and result.mean(ACCURACY) is not None:
                others = {k: v for k, v in result.point.items() if k != key}
                lines.setdefault(f"{result.model} {others!r}", []).append(result)
        curves += [_curve(line, key) for line in lines.values() if len(line) > 1]
    return tuple(curves)


def _curve(line: Iterable[ModelResult], key: str) -> Curve:
    ordered = sorted(line, key=lambda result: float(result.point[key]))
    others = {k: v for k, v in ordered[0].point.items() if k != key}
    return Curve(
        model=ordered[0].model,
        key=key,
        at=others,
        metric=ACCURACY,
        points=tuple(
            CurvePoint(
                x=float(result.point[key]),
                n=summary.n,
                collapsed=result.n_collapsed,
                mean=summary.mean or 0.0,
                interval=interval_of_mean(summary),
            )
            for result in ordered
            for summary in [result.compared(ACCURACY)]
        ),
        crossings=tuple(_crossings(ordered, key)),
    )


def interval_of_mean(summary: Summary) -> tuple[float, float] | None:
    """95% BCa interval of the mean over seeds; None for fewer than three seeds."""
    if summary.n < SMALLEST_SAMPLE:
        return None
    low, high = bca_interval(np.asarray([summary.values]))
    return float(low[0]), float(high[0])


def _crossings(line: Sequence[ModelResult], key: str) -> Iterable[Crossing]:
    """Where the difference from the baseline changes its sign between neighboring points."""
    differing = [
        (float(result.point[key]), difference.mean, difference.verdict in _DECISIVE)
        for result in line
        if (difference := result.differences.get(ACCURACY)) and difference.mean
    ]
    for (low, before, decided), (high, after, decided_too) in pairwise(differing):
        if before * after < 0:
            share = before / (before - after)
            at = low + share * (high - low)
            if low > 0 and high / low >= 2:  # As training sizes: on a logarithmic axis.
                at = exp(log(low) + share * (log(high) - log(low)))
            yield Crossing(low=low, high=high, at=at, certain=decided and decided_too)


COSTS = ("trainable_parameters", "macs", "latency", "litert_latency")


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The places of the points (gain, cost) that no other point dominates, sorted by cost.

    Of equal points, all or none are on the front.
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

    Results with the same data share a front.
    """
    by_data: dict[str, list[ModelResult]] = {}
    for result in results:
        by_data.setdefault(f"{data_of(result)} {result.fingerprint}", []).append(result)
    return tuple(front for group in by_data.values() for front in _fronts(group))


def data_of(result: ModelResult) -> dict[str, Any]:
    """The coordinates of its sweep point that concern the data."""
    shared = shared_coordinates(result.point)
    return {key: value for key, value in shared.items() if key.startswith("data.")}


def _fronts(results: Sequence[ModelResult]) -> Iterator[Front]:
    for cost in COSTS:
        measured = [
            OnFront(model=result.model, point=result.point, gain=accuracy, cost=value)
            for result in results
            if (accuracy := result.mean(ACCURACY)) is not None
            and (value := result.mean(cost)) is not None
        ]
        if len(measured) > 1:
            pairs = [(each.gain, each.cost) for each in measured]
            yield Front(
                gain=ACCURACY,
                cost=cost,
                at=data_of(results[0]),
                fingerprint=results[0].fingerprint,
                members=tuple(measured[place] for place in pareto_front(pairs)),
            )
