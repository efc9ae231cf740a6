"""The names of models, and which of them stand side by side."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from involbench.analysis.comparison import Comparison, ModelResult
from involbench.analysis.settings import shown
from involbench.results.wording import coordinates
from involbench.spec.trial import shared_coordinates


def label(model: str, point: dict[str, Any]) -> str:
    """A model with its coordinates, such as `inn kernel_size=5`."""
    return " ".join([model, *(f"{_last(key)}={value}" for key, value in point.items())])


def heading(comparison: Comparison) -> str:
    """The experiment, with its group of settings where there are several."""
    if not comparison.settings:
        return comparison.experiment
    settings = ", ".join(f"{key} = {shown(value)}" for key, value in comparison.settings.items())
    runs = f"{comparison.n_runs} run{'' if comparison.n_runs == 1 else 's'}"
    why = f", {comparison.why_judged}" if comparison.why_judged else ""
    return f"{comparison.experiment}: {settings} ({runs}{why})"


def warnings_of(groups: Sequence[Comparison]) -> list[str]:
    """What is unfair about the comparisons of an experiment, with the group where it is of one."""
    counts = Counter(warning for group in groups for warning in dict.fromkeys(group.warnings))
    return list(
        dict.fromkeys(
            warning if counts[warning] == len(groups) else f"{warning} ({heading(group)})"
            for group in groups
            for warning in group.warnings
        )
    )


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
