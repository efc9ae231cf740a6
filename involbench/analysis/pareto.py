"""Which models no other beats at what they cost."""

from collections.abc import Iterator, Sequence
from typing import Any

from involbench.analysis.comparison import Front, ModelResult, OnFront
from involbench.analysis.metrics import ACCURACY
from involbench.spec.trial import shared_coordinates

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
