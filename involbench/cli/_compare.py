"""The output of `involbench compare`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import typer

from involbench.api.compare import (
    Groups,
    check_gates,
    check_metrics,
    compare_with,
    grouped,
    selection_of,
)
from involbench.cli._output import echo, rendered, warn
from involbench.cli._runs import find_experiments
from involbench.cli._worker import status_line
from involbench.comparison.compare import compare_experiment, only_changed, sort_models
from involbench.comparison.differences import DEFAULT_RULE, Rule
from involbench.comparison.gates import Gate
from involbench.comparison.join import Found, joined
from involbench.comparison.metrics import ACCURACY, SIZE, MetricSelection
from involbench.comparison.schema import Comparison
from involbench.errors import ResultsError, UsageError
from involbench.reporting.tables import Page, markdown
from involbench.reporting.tables.cells import heading, label, warnings_of
from involbench.reporting.tables.comparison import (
    comparison_csv,
    comparison_json,
    comparison_page,
    trees_json,
    trees_page,
)
from involbench.results.files import names_in
from involbench.results.paths import ResultsPath


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
    rule: Rule = DEFAULT_RULE
    """How models are compared."""
    join: bool = False
    """Whether all experiments are one comparison."""

    @property
    def wanted(self) -> MetricSelection:
        """The metrics to read and to compare."""
        named = [*([self.sort_by] if self.sort_by else []), *self.gated]
        if self.format in ("json", "csv"):
            return MetricSelection(named=frozenset([*self.metrics, *named]))
        return selection_of(self.metrics, *named)


def compared(options: Options, found: Found) -> tuple[Found, list[Groups]]:
    """The experiments that have such runs, and the comparisons of each, sorted and filtered.

    Prints their warnings on stderr. Raises UsageError for a metric that no run has.
    """
    refused = list[str]()
    with status_line("comparing models"):
        if options.join and len(found) > 1:
            one = joined(found, options.baseline, options.wanted, options.rule).comparison
            found, experiments = [(found[0][0], one.experiment)], list[Groups]([[one]])
        else:
            found, experiments, refused = grouped(
                found, options.settings, options.baseline, options.wanted, options.rule
            )
    warn(*refused)
    named = {f"--metric {name}": name for name in options.metrics}
    if options.sort_by:
        named[f"--sort-by {options.sort_by}"] = options.sort_by
    check_metrics(chain.from_iterable(experiments), named)
    for groups in experiments:
        _warn(groups[0].experiment, warnings_of(groups))
    return found, [[_arranged(options, each) for each in groups] for groups in experiments]


def stated(experiments: Sequence[Groups], what: str) -> list[Comparison]:
    """For each experiment, the comparison on the settings in its spec.

    If there are runs with other settings, a warning says that the option `what` leaves them out.
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
        return comparison_json(experiments)
    comparisons = list(chain.from_iterable(experiments))
    if options.format == "csv":
        return comparison_csv(comparisons)
    if options.format == "md":
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
    pages = []
    for groups, (tree, name) in zip(experiments, found, strict=True):
        plots = _plots_of(tree.folder(name))
        for comparison in groups:
            drawn = plots if comparison is groups[0] else []
            pages.append(comparison_page(comparison, drawn, metrics, only_changed))
    return _on_terminal(pages, for_screen)


def _on_terminal(pages: Iterable[Page], for_screen: bool) -> str:
    """The pages, with an empty line below each."""
    return rendered((part for page in pages for part in (page, "")), for_screen)


def _plots_of(experiment: ResultsPath) -> list[ResultsPath]:
    folder = experiment / "plots"
    try:
        return [folder / name for name in names_in(folder) if name.endswith(".png")]
    except ResultsError:
        return []


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


def _against(options: Options, other: Path, found: Found, comparisons: Sequence[Comparison]) -> str:
    """Each experiment against itself in another results folder."""
    if options.format == "csv":
        raise UsageError("--against has no CSV; use --json or --md")
    pairs, warnings = compare_with(other, found, comparisons, options.wanted, options.settings)
    for name, warning in warnings:
        _warn(name, [warning])
    if options.only_changed:
        pairs = [pair.without_equals(options.metrics) for pair in pairs]
    if options.format == "json":
        return trees_json(pairs)
    pages = [trees_page(pair, options.metrics) for pair in pairs]
    if options.format == "md":
        return "\n".join(map(markdown, pages))
    return _on_terminal(pages, options.for_screen)


def _warn(experiment: str, warnings: Iterable[str]) -> None:
    for warning in warnings:
        warn(f"{experiment}: {warning}")


def end_on_failed_gate(
    gates: Sequence[Gate], comparisons: Sequence[Comparison], options: Options, strict: bool
) -> None:
    """Print the result of each gate on stderr, and exit with 3 if one failed."""

    def lookup(name: str) -> Comparison:
        ((tree, found),) = find_experiments(options.results, [name])
        return compare_experiment(tree, found, None, options.wanted)

    outcomes, refused = check_gates(gates, comparisons, lookup, strict)
    for outcome in outcomes:
        state = "failed" if outcome.failed else "passed"
        where = label(outcome.experiment, outcome.point)
        echo(f"gate {state}: {outcome.gate.text}: {where}: {outcome.reason}", err=True)
    if refused:
        raise UsageError("\n".join(refused))
    if any(outcome.failed for outcome in outcomes):
        raise typer.Exit(3)
