"""`compare`: how the models of one experiment, or of several on the same data, differ."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from involbench.comparison import schema
from involbench.comparison.compare import compare_experiment, compare_groups
from involbench.comparison.diff import TreeComparison, compare_trees
from involbench.comparison.differences import DEFAULT_RULE, Rule
from involbench.comparison.gates import Gate, Outcome, check_gate
from involbench.comparison.join import Found, joined
from involbench.comparison.metrics import ACCURACY, SIZE, MetricSelection, suggestion
from involbench.comparison.selection import NoSuchRun
from involbench.errors import UsageError
from involbench.reporting.tables import terminal_text
from involbench.reporting.tables.cells import COSTS
from involbench.reporting.tables.comparison import comparison_page
from involbench.results.tree import ResultsTree
from involbench.text import first_of

if TYPE_CHECKING:
    from involbench.api.experiment import Experiment

Groups = Sequence[schema.Comparison]
"""One experiment: a comparison for each group of settings, the group with most runs first."""


class Comparison(schema.Comparison):
    """The models of one table: differences, intervals, p-values and verdicts.

    `print` shows what `involbench compare` prints, a notebook the same as a table; the numbers are
    in `models`, as in comparison.json.
    """

    metric: str = Field(ACCURACY, exclude=True)
    """What the table compares."""

    def __str__(self) -> str:
        return terminal_text([comparison_page(self, metrics=[self.metric])], plain=True)

    def _repr_html_(self) -> str:
        from involbench.reporting.html import comparison_html

        return comparison_html(self, self.metric)


def compare(
    *experiments: "Experiment",
    metric: str = ACCURACY,
    baseline: str | None = None,
    paired: bool = False,
    margin: float | None = None,
) -> Comparison:
    """Compare the models of one experiment, or of several on the same data in one table.

    Runs with other settings than spec.yaml states are left out with a warning. A model whose name
    several experiments have is called `<experiment>/<model>`.

    Args:
        experiments: From `involbench.load` or `involbench.run`.
        metric: What to compare, such as `test_loss` or `latency`.
        baseline: Compare with this model; default: the one of the first experiment's spec.
        paired: Compare the runs of the same seed, by sign-flips, not two samples of runs.
        margin: A difference in test accuracy that does not matter, a fraction such as 0.02;
            default: the spec's.

    Returns:
        `models`, a result each, with `metrics` and `differences` by name of the metric; `warnings`,
        whatever makes the comparison unfair.

    Raises:
        UsageError: The experiments have different data, no run has the metric or is of the
            baseline, or the margin is no fraction.

    Example:
        >>> ours, theirs = involbench.load("ours"), involbench.load("theirs")
        >>> comparison = involbench.compare(ours, theirs, metric="test_loss")
        >>> print(comparison)
    """
    if not experiments:
        raise UsageError("compare: name an experiment, such as involbench.load('smoke')")
    check_margin(margin, "margin=")
    selection, rule = MetricSelection(named=frozenset([metric])), Rule(paired, margin)
    found = [(each.tree, each.name) for each in experiments]
    if len(found) > 1:
        compared = joined(found, baseline, selection, rule).comparison
    else:
        compared = compare_experiment(*found[0], baseline, selection, (), rule)
    check_metrics([compared], {f"metric {metric!r}": metric})
    return Comparison.model_construct(**dict(compared), metric=metric)


def check_margin(margin: float | None, called: str) -> None:
    """Raise UsageError for a margin that is no fraction."""
    if margin is not None and not 0 < margin < 1:
        hint = f"; write {margin / 100:g} for {margin:g} points" if 1 <= margin < 100 else ""
        raise UsageError(f"{called}{margin:g}: expected a fraction above 0 and below 1{hint}")


def selection_of(metrics: Iterable[str], *named: str) -> MetricSelection:
    """The metrics of a table: those compared, the costs beside them, and others that are named."""
    compared = frozenset([*metrics, ACCURACY, SIZE])
    return MetricSelection(compared.union(COSTS), compared, frozenset([*metrics, *named]))


def grouped(
    found: Found,
    settings: Sequence[str],
    baseline: str | None,
    selection: MetricSelection,
    rule: Rule = DEFAULT_RULE,
) -> tuple[Found, list[Groups], list[str]]:
    """Compare each experiment that has runs with the settings, in its groups of settings.

    Returns:
        The experiments, the comparisons of each, and a warning for each experiment left out.

    Raises:
        UsageError: No experiment has such runs.
    """
    kept, experiments, refused = [], list[Groups](), list[NoSuchRun]()
    for tree, name in found:
        try:
            groups = compare_groups(tree, name, baseline, selection, settings, rule)
        except NoSuchRun as error:
            refused.append(error)
            continue
        kept.append((tree, name))
        experiments.append([group.comparison for group in groups])
    if refused and not kept:
        raise refused[0]
    return kept, experiments, list(map(str, refused))


def check_metrics(comparisons: Iterable[schema.Comparison], named: dict[str, str]) -> None:
    """Check that each metric was measured in some run, if any run is finished.

    Args:
        comparisons: The comparisons.
        named: What a message calls a metric, and its name.

    Raises:
        UsageError: No run has a metric.
    """
    results = [result for comparison in comparisons for result in comparison.models]
    if not any(result.n_finished for result in results):
        return
    known = {name for r in results for name, summary in r.metrics.items() if summary.n}
    for called, name in named.items():
        if name not in known:
            hint = suggestion(name)
            raise UsageError(f"{called}: no run has that metric{'; ' if hint else ''}{hint}")


def compare_with(
    other: Path,
    found: Found,
    comparisons: Iterable[schema.Comparison],
    selection: MetricSelection,
    settings: Sequence[str],
) -> tuple[list[TreeComparison], list[tuple[str, str]]]:
    """Each experiment against itself in another results folder.

    Returns:
        A comparison for each experiment that is in both, and warnings with their experiments.

    Raises:
        UsageError: The folder has none of them.
    """
    tree, pairs, warnings = ResultsTree(other), list[TreeComparison](), list[tuple[str, str]]()
    missing = [name for _, name in found if not (tree.folder(name) / "runs").is_folder()]
    if missing and len(missing) == len(found):
        raise UsageError(f"--against {other}: it has no experiment {first_of(missing)}")
    for (_, name), now in zip(found, comparisons, strict=True):
        if name in missing:
            warnings.append((name, f"not in {other}"))
            continue
        then = compare_experiment(tree, name, None, selection, settings)
        pair = compare_trees(now, then, str(other))
        warnings += [(name, text) for text in pair.warnings[len(now.warnings) :]]
        pairs.append(pair)
    return pairs, warnings


def check_gates(
    gates: Iterable[Gate],
    comparisons: Sequence[schema.Comparison],
    lookup: Callable[[str], schema.Comparison],
    strict: bool,
) -> tuple[list[Outcome], list[str]]:
    """The outcomes of all gates, and a message for each gate that could not be checked.

    Args:
        gates: The gates.
        comparisons: What they are about.
        lookup: Finds the comparison of another experiment that a gate names.
        strict: Whether an undecided gate fails.
    """
    outcomes, refused = list[Outcome](), list[str]()
    for gate in gates:  # An error in one gate must not hide the results of the others.
        try:
            outcomes += check_gate(gate, comparisons, lookup, strict)
        except UsageError as error:
            refused.append(str(error))
    return outcomes, refused
