"""Several experiments on the same data as one comparison."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain

from involbench.comparison.compare import GroupComparison, compare, compare_stated
from involbench.comparison.differences import DEFAULT_RULE, Rule
from involbench.comparison.metrics import MetricSelection
from involbench.errors import UsageError
from involbench.results.tree import ResultsTree, SpecSummary, StoredRun, read_spec_summary
from involbench.text import first_of

Found = Sequence[tuple[ResultsTree, str]]
"""Experiments, each with the tree that it is in."""
_ALL_METRICS = MetricSelection()


def joined(
    found: Found,
    baseline: str | None = None,
    selection: MetricSelection = _ALL_METRICS,
    rule: Rule = DEFAULT_RULE,
) -> GroupComparison:
    """The comparison of several experiments in one, each with the settings of its spec.

    A model whose name several experiments have is called `<experiment>/<model>`.

    Raises:
        UsageError: They have different data, or no model is called as the baseline.
    """
    groups = {name: compare_stated(tree, name) for tree, name in found}
    title = " and ".join(groups)
    _check_same_data(groups)
    models = {name: _models(group) for name, group in groups.items()}
    taken = Counter(chain.from_iterable(models.values()))
    runs, order, warnings = list[StoredRun](), list[str](), list[str]()
    for name, group in groups.items():
        names = {each: f"{name}/{each}" if taken[each] > 1 else each for each in models[name]}
        runs += [_renamed(run, names[run.record.trial.model], title) for run in group.runs]
        order += names.values()
        warnings += [f"{name}: {text}" for text in group.left_out]
    tree, first = found[0]
    stated = read_spec_summary(tree.folder(first)).baseline or ""
    spec = SpecSummary(tuple(order), f"{first}/{stated}" if taken[stated] > 1 else stated or None)
    return compare(title, runs, baseline, warnings, spec, selection, (), rule)[0]


def _models(group: GroupComparison) -> list[str]:
    return list(dict.fromkeys(each.model for each in group.comparison.models))


def _check_same_data(groups: dict[str, GroupComparison]) -> None:
    """Raise UsageError unless the runs of all groups have the same datasets."""
    data = {
        name: sorted({run.record.data.fingerprint for run in group.runs if run.record.data})
        for name, group in groups.items()
    }
    (first, known), *others = data.items()
    for name, fingerprints in others:
        if fingerprints != known:
            these, those = (
                first_of([each[:12] for each in found]) or "none" for found in (known, fingerprints)
            )
            raise UsageError(
                f"{first} and {name} have different data, with the fingerprints {these} and "
                f"{those}; compare each by itself"
            )


def _renamed(run: StoredRun, model: str, experiment: str) -> StoredRun:
    trial = run.record.trial.model_copy(update={"model": model, "experiment": experiment})
    return StoredRun(run.path, run.record.model_copy(update={"trial": trial}))
