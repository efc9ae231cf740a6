"""The steps of `involbench compare`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from involbench.cli._output import echo, rendered, warn
from involbench.comparison.compare import (
    compare_experiment,
    compare_groups,
    only_changed,
    sort_models,
)
from involbench.comparison.metrics import ACCURACY, SIZE, MetricSelection, suggestion
from involbench.comparison.schema import Comparison
from involbench.comparison.selection import NoSuchRun
from involbench.errors import ResultsError, UsageError
from involbench.reporting.tables.cells import COSTS, heading, warnings_of
from involbench.results.files import names_in, write_atomic
from involbench.results.paths import ResultsPath
from involbench.results.tree import ResultsTree
from involbench.text import first_of

if TYPE_CHECKING:
    from involbench.comparison.gates import Gate
    from involbench.reporting.tables.table import Page

Found = Sequence[tuple[ResultsTree, str]]
Groups = Sequence[Comparison]
"""One experiment: a comparison for each group of settings, the group with most runs first."""


@dataclass(frozen=True)
class Options:
    """The options of `compare`."""

    results: tuple[Path, ...]
    baseline: str | None
    metrics: tuple[str, ...]
    sort_by: str | None
    only_changed: bool
    against: Path | None
    format: str
    for_screen: bool
    gated: tuple[str, ...] = ()
    """The metrics in gates."""
    settings: tuple[str, ...] = ()
    """`KEY=VALUE` that the runs must have; empty for all runs."""

    @property
    def wanted(self) -> MetricSelection:
        """The metrics to read and to compare."""
        sorting = [self.sort_by] if self.sort_by else []
        named = frozenset([*self.metrics, *sorting, *self.gated])
        if self.format in ("json", "csv"):
            return MetricSelection(named=named)
        compared = frozenset([*self.metrics, ACCURACY, SIZE])
        return MetricSelection(compared.union(COSTS), compared, named)


def compared(options: Options, found: Found) -> tuple[Found, list[Groups]]:
    """The comparisons, sorted and filtered by the options. Prints their warnings on stderr.

    Returns:
        The experiments that have such runs, and the comparisons of each.

    Raises:
        UsageError: No run has the baseline, the metric or the settings.
    """
    found, experiments = grouped(found, options.settings, options.baseline, options.wanted)
    _check_metrics(options, list(chain.from_iterable(experiments)))
    for groups in experiments:
        _warn(groups[0].experiment, warnings_of(groups))
    arranged = list[Groups]()
    for groups in experiments:
        arranged.append([_arranged(options, comparison) for comparison in groups])
    return found, arranged


def grouped(
    found: Found, settings: Sequence[str], baseline: str | None, wanted: MetricSelection
) -> tuple[Found, list[Groups]]:
    """Compare each experiment that has runs with the settings, in its groups of settings.

    Raises:
        UsageError: No experiment has such runs, or none of the baseline.
    """
    kept, experiments, refused = [], list[Groups](), list[NoSuchRun]()
    for tree, name in found:
        try:
            groups = compare_groups(tree, name, baseline, wanted, settings)
        except NoSuchRun as error:
            refused.append(error)
            continue
        kept.append((tree, name))
        experiments.append([group.comparison for group in groups])
    if refused and not kept:
        raise refused[0]
    for each in refused:
        warn(str(each))
    return kept, experiments


def stated(experiments: Sequence[Groups], what: str) -> list[Comparison]:
    """For each experiment, the comparison on the settings in its spec.

    Args:
        experiments: The comparisons of each.
        what: The option that uses only these; a warning says so if there are others.
    """
    chosen = [each for groups in experiments for each in groups if each.is_stated]
    for groups, one in zip(experiments, chosen, strict=True):
        if len(groups) > 1:
            warn(f"{what} is about {heading(one)}; --set KEY=VALUE chooses another")
    return chosen


def document(options: Options, found: Found, experiments: Sequence[Groups]) -> str:
    """The whole text in the chosen format."""
    if options.against is not None:
        return _against(options, options.against, found, stated(experiments, "--against"))
    if options.format == "json":
        from involbench.reporting.tables.comparison import comparison_json

        return comparison_json(experiments)
    comparisons = list(chain.from_iterable(experiments))
    if options.format == "csv":
        from involbench.reporting.tables.comparison import comparison_csv

        return comparison_csv(comparisons)
    if options.format == "md":
        from involbench.reporting.tables.comparison import comparison_page
        from involbench.reporting.tables.writers import markdown

        return "\n".join(
            markdown(comparison_page(each, (), options.metrics, options.only_changed, full=True))
            for each in comparisons
        )
    return tables(experiments, found, options.for_screen, options.metrics, options.only_changed)


def tables(
    experiments: Sequence[Groups],
    found: Found,
    for_screen: bool,
    metrics: Sequence[str] = (ACCURACY,),
    only_changed: bool = False,
) -> str:
    """A page for each experiment: its groups of settings, and the plots of the first."""
    from involbench.reporting.tables.comparison import comparison_page

    parts = list["Page | str"]()
    for groups, (tree, name) in zip(experiments, found, strict=True):
        plots = _plots_of(tree.folder(name))
        for comparison in groups:
            drawn = plots if comparison is groups[0] else []
            parts += [comparison_page(comparison, drawn, metrics, only_changed), ""]
    return rendered(parts, for_screen)


def _plots_of(experiment: ResultsPath) -> list[ResultsPath]:
    folder = experiment / "plots"
    try:
        return [folder / name for name in names_in(folder) if name.endswith(".png")]
    except ResultsError:
        return []


def write(output: Path, text: str) -> None:
    """Write the text to a file, and print its name.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        write_atomic(output, text.encode())
    except ResultsError as error:
        raise UsageError(f"--output: {error}") from error
    echo(f"written: {output}", err=True)


def _arranged(options: Options, comparison: Comparison) -> Comparison:
    if options.sort_by:
        comparison = sort_models(comparison, options.sort_by)
    if options.only_changed and options.against is None:
        comparison, left_out = only_changed(comparison, [*options.metrics, SIZE])
        for model in left_out:
            echo(
                f"{comparison.experiment}: {model} left out: equal to {comparison.baseline}",
                err=True,
            )
    return comparison


def _check_metrics(options: Options, comparisons: Sequence[Comparison]) -> None:
    """Raise UsageError for a metric that no run has, if any run is finished."""
    results = [result for comparison in comparisons for result in comparison.models]
    if not any(result.n_finished for result in results):
        return
    known = {name for r in results for name, summary in r.metrics.items() if summary.n}
    for flag, name in [
        *(("--metric", name) for name in options.metrics),
        *([("--sort-by", options.sort_by)] if options.sort_by else []),
    ]:
        if name in known:
            continue
        hint = suggestion(name)
        raise UsageError(f"{flag} {name}: no run has that metric{'; ' if hint else ''}{hint}")


def _against(options: Options, other: Path, found: Found, comparisons: Sequence[Comparison]) -> str:
    """Each experiment against itself in another results folder."""
    from involbench.comparison.diff import compare_trees
    from involbench.reporting.tables.comparison import trees_json, trees_page
    from involbench.reporting.tables.writers import markdown

    if options.format == "csv":
        raise UsageError("--against has no CSV; use --json or --md")
    tree, pairs = ResultsTree(other), []
    missing = [name for _, name in found if not (tree.folder(name) / "runs").is_folder()]
    if missing and len(missing) == len(found):
        raise UsageError(f"--against {other}: it has no experiment {first_of(missing)}")
    for (_, name), now in zip(found, comparisons, strict=True):
        if name in missing:
            _warn(name, [f"not in {other}"])
            continue
        then = compare_experiment(tree, name, None, options.wanted, options.settings)
        pair = compare_trees(now, then, str(other))
        _warn(name, pair.warnings[len(now.warnings) :])
        pairs.append(pair.without_equals(options.metrics) if options.only_changed else pair)
    if options.format == "json":
        return trees_json(pairs)
    if options.format == "md":
        return "\n".join(markdown(trees_page(pair, options.metrics)) for pair in pairs)
    parts = list["Page | str"]()
    for pair in pairs:
        parts += [trees_page(pair, options.metrics), ""]
    return rendered(parts, options.for_screen)


def _warn(experiment: str, warnings: Iterable[str]) -> None:
    for warning in warnings:
        warn(f"{experiment}: {warning}")


_FAILED = 3


def gates_of(texts: Sequence[str], strict: bool) -> "list[Gate]":
    """Parse the gates, before anything is printed.

    Raises:
        UsageError: A gate is malformed, or --strict is given without one.
    """
    from involbench.comparison.gates import parse_gate
    from involbench.errors import UsageError

    if strict and not texts:
        raise UsageError("--strict needs --fail-if")
    return [parse_gate(text) for text in texts]


def end_on_failed_gate(
    gates: "Sequence[Gate]", comparisons: Sequence[Comparison], options: "Options", strict: bool
) -> None:
    """Print the result of each gate on stderr, and exit with 3 if one failed.

    Raises:
        UsageError: A gate names something that has no results.
    """
    from involbench.cli._runs import find_experiments
    from involbench.comparison.compare import compare_experiment
    from involbench.comparison.gates import Outcome, check_gate
    from involbench.errors import UsageError
    from involbench.reporting.tables.cells import label

    def lookup(name: str) -> Comparison:
        ((tree, found),) = find_experiments(options.results, [name])
        return compare_experiment(tree, found, None, options.wanted)

    outcomes, refused = list[Outcome](), list[UsageError]()
    for gate in gates:  # An error in one gate must not hide the results of the others.
        try:
            outcomes += check_gate(gate, comparisons, lookup, strict)
        except UsageError as error:
            refused.append(error)
    for outcome in outcomes:
        state = "failed" if outcome.failed else "passed"
        where = label(outcome.experiment, outcome.point)
        echo(f"gate {state}: {outcome.gate.text}: {where}: {outcome.reason}", err=True)
    if refused:
        raise UsageError("\n".join(map(str, refused)))
    if any(outcome.failed for outcome in outcomes):
        raise typer.Exit(_FAILED)
