"""The names of models, and which of them stand side by side."""

from typing import Any

from involbench.analysis.comparison import Comparison, ModelResult
from involbench.results.wording import coordinates
from involbench.spec.trial import shared_coordinates


def label(model: str, point: dict[str, Any]) -> str:
    """A model with its coordinates, such as `inn kernel_size=5`."""
    return " ".join([model, *(f"{_last(key)}={value}" for key, value in point.items())])


def own_point(result: ModelResult) -> dict[str, Any]:
    """The coordinates that concern this model alone."""
    shared = shared_coordinates(result.point)
    return {key: value for key, value in result.point.items() if key not in shared}


def side_by_side(comparison: Comparison) -> list[tuple[str, list[ModelResult]]]:
    """The results of each sweep point, with the point as it is written above them."""
    groups: dict[str, list[ModelResult]] = {}
    for result in comparison.models:
        heading = coordinates(shared_coordinates(result.point))
        groups.setdefault(heading, []).append(result)
    return list(groups.items())


def _last(key: str) -> str:
    return key.rsplit(".", 1)[-1]
