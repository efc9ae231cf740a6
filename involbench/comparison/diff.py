"""Compare one experiment with itself in another results tree."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from involbench.comparison.compare import all_equal
from involbench.comparison.pairing import metric_differences, protocol_difference, same_images
from involbench.comparison.schema import (
    COMPARISON_VERSION,
    Comparison,
    Difference,
    ModelResult,
    Summary,
)
from involbench.results.record import BACKENDS, Record


class Change(Record):
    """One model then and now."""

    model: str
    point: dict[str, Any]
    then: dict[str, Summary]
    now: dict[str, Summary]
    changes: dict[str, Difference]
    """Now minus then, paired by seed."""
    collapsed_then: tuple[int, ...] = ()
    """Collapsed seeds; only sizes and times include them."""
    collapsed_now: tuple[int, ...] = ()
    failed_then: tuple[int, ...] = ()
    failed_now: tuple[int, ...] = ()


class TreeComparison(Record):
    """One experiment then and now."""

    schema_version: Literal[3] = COMPARISON_VERSION
    experiment: str
    then: str
    """The folder of the older results."""
    models: tuple[Change, ...]
    warnings: tuple[str, ...]

    def without_equals(self, metrics: Sequence[str]) -> "TreeComparison":
        """Only the models that changed in one of the metrics, or can't be compared."""
        kept = [change for change in self.models if not all_equal(change.changes, metrics)]
        return self.model_copy(update={"models": tuple(kept)})


def compare_trees(now: Comparison, then: Comparison, where: str) -> TreeComparison:
    """Compare each model with itself in another results tree, at the path `where`."""
    before = {_key(result): result for result in then.models}
    after = {_key(result): result for result in now.models}
    warnings = [*now.warnings, *(f"{where}: {warning}" for warning in then.warnings)]
    for keys, place in ((after.keys() - before, "not"), (before.keys() - after, "only")):
        if keys:
            models = ", ".join(sorted({model for model, _ in keys}))
            warnings.append(f"{models}: {place} in {where}")
    warnings += _environments(now.environment, then.environment)
    changes = []
    for key in (key for key in after if key in before):
        result, other = after[key], before[key]
        comparable = same_images(result, other)
        if not comparable:
            warnings.append(f"{result.model} is not compared: its images were different then")
        elif difference := protocol_difference(result, other):
            warnings.append(f"{result.model} has other settings than then: {difference}")
        changes.append(
            Change(
                model=result.model,
                point=result.point,
                then=other.metrics,
                now=result.metrics,
                changes=metric_differences(result, other, by_pairs=True) if comparable else {},
                collapsed_then=other.collapsed_seeds,
                collapsed_now=result.collapsed_seeds,
                failed_then=tuple(other.failures),
                failed_now=tuple(result.failures),
            )
        )
    return TreeComparison(
        experiment=now.experiment,
        then=where,
        models=tuple(changes),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _key(result: ModelResult) -> tuple[str, str]:
    return result.model, repr(sorted(result.point.items()))


def _environments(
    now: Mapping[str, tuple[str, ...]], then: Mapping[str, tuple[str, ...]]
) -> list[str]:
    differences = [
        f"{key} {' / '.join(then[key])} then, {' / '.join(values)} now"
        for key, values in now.items()
        if then.get(key, values) != values
    ]
    before, after = (" / ".join(name for name in BACKENDS if name in each) for each in (then, now))
    if before and after and before != after:
        differences.append(f"{before} then, {after} now")
    return [f"run in another environment: {difference}" for difference in differences]
