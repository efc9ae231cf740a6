"""A sweep over numbers -> a curve for each model, and where it crosses the baseline's."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import exp, log
from typing import Any

import numpy as np

from involbench.analysis.bootstrap import FEWEST_FOR_AN_INTERVAL, bca_interval
from involbench.analysis.comparison import Crossing, Curve, CurvePoint, ModelResult, Summary
from involbench.analysis.metrics import ACCURACY

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
