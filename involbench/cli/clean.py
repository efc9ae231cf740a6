"""`involbench clean`: remove what interrupted runs left behind."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from involbench.cli._options import Experiment, Results
from involbench.cli._output import echo, print_page, warn
from involbench.errors import ResultsError, UsageError

if TYPE_CHECKING:
    from involbench.results.cleanup import Leftover


def clean(
    experiment: Experiment = None,
    results: Results = Path("results"),
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="List what would be removed; remove nothing.")
    ] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Also remove failed runs.")] = False,
) -> None:
    """Remove what interrupted runs left behind, after asking.

    Never removes a finished run, a run that a process is training, or a file that involbench did
    not write.
    """
    from involbench.reporting.tables.runs import leftovers_page

    found = _find(results, experiment, failed)
    if not found:
        echo("nothing to clean")
        return
    print_page(leftovers_page(found, results))
    if dry_run:
        return
    if not yes and not sys.stdin.isatty():
        raise UsageError(
            "nothing removed: there is no terminal for the question; --yes removes without it"
        )
    try:
        agreed = yes or typer.confirm("Remove them?", err=True)
    except typer.Abort:
        echo("\nnothing removed", err=True)
        raise typer.Exit(130) from None
    if agreed:
        _remove(found, failed)
    else:
        echo("nothing removed", err=True)


def _find(results: Path, experiment: str | None, failed: bool) -> "list[Leftover]":
    from involbench.cli._runs import find_experiments
    from involbench.results.cleanup import find_leftovers

    found = []
    for tree, name in find_experiments(results, [experiment] if experiment else []):
        for each in tree.with_tuning([name]):
            leftovers, warnings = find_leftovers(tree, each, failed)
            found += leftovers
            warn(*warnings)
    return found


def _remove(found: "list[Leftover]", failed: bool) -> None:
    """Remove the files; exit with 1 if some can't be removed."""
    from involbench.reporting.tables.runs import total_of
    from involbench.results.cleanup import remove

    removed = []
    faults: list[str] = []
    for leftover in found:
        try:
            if remove(leftover, failed):
                removed.append(leftover)
            else:
                warn(f"{leftover.path}: kept, because a process has resumed it meanwhile")
        except ResultsError as error:
            faults.append(str(error))
    echo(f"removed {total_of(removed)}")
    if faults:
        raise ResultsError("; ".join(faults))
