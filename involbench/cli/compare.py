"""`involbench compare`: how the models of each experiment differ."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from involbench.cli.options import Results

if TYPE_CHECKING:
    from rich.console import RenderableType

    from involbench.analysis.comparison import Comparison
    from involbench.results.reading import ResultsTree


def compare(
    experiments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[EXPERIMENT...]", help="Names or folders of experiments; default: all of them."
        ),
    ] = None,
    results: Results = Path("results"),
    baseline: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Compare with this model; default: the spec's."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every number, as JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A line a model and metric.")] = False,
    as_md: Annotated[bool, typer.Option("--md", help="A Markdown table.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write to this file instead."),
    ] = None,
) -> None:
    """Compare the models of each experiment: accuracy, loss, parameters, time.

    Runs are paired by seed. A run whose accuracy never left chance is counted and named.
    """
    from involbench.analysis.compare import compare_experiment
    from involbench.cli.experiments import find_experiments
    from involbench.cli.page import warn

    chosen = _format(as_json, as_csv, as_md)
    found = find_experiments(results, experiments or [])
    comparisons = [compare_experiment(tree, name, baseline) for tree, name in found]
    for comparison in comparisons:
        for warning in comparison.warnings:
            warn(f"{comparison.experiment}: {warning}")
    text = _text(chosen, comparisons, found, for_screen=output is None)
    if output is not None:
        _write(output, text)
    else:
        typer.echo(text, nl=False)


def _format(as_json: bool, as_csv: bool, as_md: bool) -> str:
    from involbench.errors import UsageError

    wanted = [name for name, on in (("json", as_json), ("csv", as_csv), ("md", as_md)) if on]
    if len(wanted) > 1:
        flags = " and ".join(f"--{name}" for name in wanted)
        raise UsageError(f"{flags} exclude each other: choose one")
    return wanted[0] if wanted else "text"


def _write(output: Path, text: str) -> None:
    from involbench.errors import ResultsError, UsageError
    from involbench.results.files import write_atomic

    try:
        write_atomic(output, text.encode())
    except ResultsError as error:
        raise UsageError(f"--output: {error}") from error
    typer.echo(f"written: {output}", err=True)


def _text(
    chosen: str,
    comparisons: "list[Comparison]",
    found: "list[tuple[ResultsTree, str]]",
    for_screen: bool,
) -> str:
    """The whole document in the format chosen."""
    if chosen == "json":
        from involbench.reporting.tables_json import comparison_json

        return comparison_json(comparisons)
    if chosen == "csv":
        from involbench.reporting.tables_csv import comparison_csv

        return comparison_csv(comparisons)
    if chosen == "md":
        from involbench.reporting.tables_markdown import comparison_markdown

        return "\n".join(map(comparison_markdown, comparisons))
    return tables(comparisons, found, for_screen)


def tables(
    comparisons: "list[Comparison]", found: "list[tuple[ResultsTree, str]]", for_screen: bool
) -> str:
    """A page of tables for each experiment."""
    from involbench.cli.page import rendered
    from involbench.reporting.tables import comparison_view

    parts: list[RenderableType] = []
    for comparison, (tree, name) in zip(comparisons, found, strict=True):
        plots = sorted((tree.folder(name) / "plots").glob("*.png"))
        parts += [*comparison_view(comparison, plots), ""]
    return rendered(parts, for_screen)
