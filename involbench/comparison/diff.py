"""The same experiment in two results trees: yesterday against today."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from involbench.comparison.compare import all_equal
from involbench.comparison.pairing import made_otherwise, metric_differences, same_images
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
    """Seeds; they are part of every mean."""
    collapsed_now: tuple[int, ...] = ()
    failed_then: tuple[int, ...] = ()
    failed_now: tuple[int, ...] = ()


class TreeComparison(Record):
    """One experiment then and now."""

    schema_version: Literal[3] = COMPARISON_VERSION
    experiment: str
    then: str
    """Where the older results are."""
    models: tuple[Change, ...]
    warnings: tuple[str, ...]

    def without_equals(self, metrics: Sequence[str]) -> "TreeComparison":
        """Only the models that have changed in one of these metrics, or cannot be compared."""
        kept = [change for change in self.models if not all_equal(change.changes, metrics)]
        return self.model_copy(update={"models": tuple(kept)})


def compare_trees(now: Comparison, then: Comparison, where: str) -> TreeComparison:
    """Hold each model of an experiment against itself in another results tree.

    Args:
        now: The experiment.
        then: The same in the other tree.
        where: The other tree, as the user named it.
    """
    before = {_key(result): result for result in then.models}
    after = {_key(result): result for result in now.models}
    said = [*now.warnings, *(f"{where}: {warning}" for warning in then.warnings)]
    said += _only_in(set(after) - set(before), f"not in {where}")
    said += _only_in(set(before) - set(after), f"only in {where}")
    said += _environments(now.environment, then.environment)
    changes = []
    for key, result in after.items():
        if key not in before:
            continue
        other = before[key]
        alike = same_images(result, other)
        if not alike:
            said.append(f"{result.model} has no change: its images then were others")
        elif unlike := made_otherwise(result, other):
            said.append(f"{result.model} is not made as it was then: {unlike}")
        changes.append(_change(result, other, alike))
    said = list(dict.fromkeys(said))
    return TreeComparison(
        experiment=now.experiment, then=where, models=tuple(changes), warnings=tuple(said)
    )


def _change(now: ModelResult, then: ModelResult, alike: bool) -> Change:
    return Change(
        model=now.model,
        point=now.point,
        then=then.metrics,
        now=now.metrics,
        changes=metric_differences(now, then) if alike else {},
        collapsed_then=then.collapsed_seeds,
        collapsed_now=now.collapsed_seeds,
        failed_then=tuple(then.failures),
        failed_now=tuple(now.failures),
    )


def _key(result: ModelResult) -> tuple[str, str]:
    return result.model, repr(sorted(result.point.items()))


def _only_in(keys: set[tuple[str, str]], where: str) -> list[str]:
    models = sorted({model for model, _ in keys})
    return [f"{', '.join(models)}: {where}"] if models else []


def _environments(
    now: Mapping[str, tuple[str, ...]], then: Mapping[str, tuple[str, ...]]
) -> list[str]:
    unlike = [
        f"{key} {' / '.join(then[key])} then, {' / '.join(values)} now"
        for key, values in now.items()
        if then.get(key, values) != values
    ]
    was, is_now = (" / ".join(name for name in BACKENDS if name in found) for found in (then, now))
    if was and is_now and was != is_now:
        unlike.append(f"{was} then, {is_now} now")
    return [f"made in another environment: {what}" for what in unlike]
