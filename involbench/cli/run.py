"""`involbench run`: train every trial of a spec that is not finished yet."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from involbench.cli.options import Device, Overrides, Results, SpecPath
from involbench.cli.stopping import stoppable

if TYPE_CHECKING:
    from involbench.execution.experiment import PlannedTrial
    from involbench.execution.messages import Event, TrialEnded
    from involbench.reporting.screen import PlainScreen
    from involbench.spec.load import LoadedSpec


def run(
    spec: SpecPath = None,
    overrides: Overrides = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="How many seeds; short for -S seeds=N.")
    ] = None,
    results: Results = Path("results"),
    device: Device = "auto",
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="List the trials and do nothing.")
    ] = False,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Repeat trials that are finished.")
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Print the libraries' output, and tracebacks.")
    ] = False,
) -> None:
    """Train every trial of a spec that is not finished yet, and compare the models."""
    from involbench.spec.load import load_spec

    loaded = load_spec(spec, [*(overrides or []), *([f"seeds={seeds}"] if seeds else [])])
    with stoppable("interrupted; what is finished stays, run again to go on"):
        failed = _run(loaded, results, device, dry_run, force, quiet, verbose)
    if failed:
        raise typer.Exit(1)


def _run(
    loaded: "LoadedSpec",
    results: Path,
    device: str,
    dry_run: bool,
    force: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Do it, print what came of it, and return how many trials failed."""
    from involbench.execution.client import Worker
    from involbench.execution.experiment import Runner, check, plan
    from involbench.execution.messages import Notice, TrialEnded
    from involbench.results.store import Store
    from involbench.spec.expand import expand

    store = Store(results, loaded.spec.name)
    with Worker(device) as worker, _screen(loaded.spec.baseline, quiet) as screen:
        planned = plan(expand(loaded), worker, store, screen.show)
        if dry_run:
            _print_plan(planned)
            return 0
        if force or not all(item.finished for item in planned):
            check(planned, worker, device, screen.show)
        store.prepare(loaded.source)

        def show(event: "Event") -> None:
            screen.show(event)
            if isinstance(event, TrialEnded):
                _after_trial(event, verbose)

        try:
            failed = Runner(worker, store, tuple(sys.argv[1:]), show).run(planned, force)
        except KeyboardInterrupt:
            screen.show(Notice("stopping after the running step; Ctrl-C again stops at once"))
            raise
    _print_comparison(results, loaded.spec.name)
    return failed


def _after_trial(event: "TrialEnded", verbose: bool) -> None:
    from involbench.reporting.experiment import write_run_plots

    if event.record.status == "finished":
        write_run_plots(event.run_dir)
    if verbose:
        typer.echo((event.run_dir / "log.txt").read_text(errors="replace"), err=True)


def _print_plan(planned: "list[PlannedTrial]") -> None:
    for item in planned:
        typer.echo(f"{item.run_id}  {'finished' if item.finished else 'to run'}")


def _print_comparison(results: Path, experiment: str) -> None:
    from involbench.cli.compare import tables
    from involbench.reporting.experiment import write_comparison
    from involbench.results.reading import ResultsTree

    tree = ResultsTree(results)
    comparison = write_comparison(tree, experiment)
    for warning in comparison.warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(tables([comparison], [(tree, experiment)], for_screen=True), nl=False)


def _screen(baseline: str, quiet: bool) -> "PlainScreen":
    from rich.console import Console

    from involbench.reporting.screen import LiveScreen, PlainScreen

    console = Console(stderr=True, quiet=quiet)
    kind = LiveScreen if console.is_terminal and not console.is_dumb_terminal else PlainScreen
    return kind(console, baseline)
