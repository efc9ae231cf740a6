"""`involbench run`: train every trial of a spec that is not finished yet."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from involbench.cli.options import Device, Overrides, Results, SpecPath
from involbench.cli.stopping import stoppable

if TYPE_CHECKING:
    from involbench.execution.events import Event, TrialEnded
    from involbench.execution.plan import PlannedTrial
    from involbench.reporting.screen import PlainScreen
    from involbench.reporting.trackers.tensorboard import TensorBoard
    from involbench.spec.load import LoadedSpec


def run(
    spec: SpecPath = None,
    overrides: Overrides = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="How many seeds; short for -S seeds=N.")
    ] = None,
    results: Results = Path("results"),
    device: Device = "auto",
    jobs: Annotated[
        int | None,
        typer.Option("-j", "--jobs", min=1, help="Trials at a time; default: 1, or one a GPU."),
    ] = None,
    gpus: Annotated[
        str | None, typer.Option(metavar="I,J,...", help="GPUs to divide among the jobs.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="List the trials and do nothing.")
    ] = False,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Repeat trials that are finished.")
    ] = False,
    keep_going: Annotated[
        bool,
        typer.Option(
            "-k/",
            "--keep-going/--fail-fast",
            show_default=False,
            help="When a trial fails: do the others, as is usual, or stop.",
        ),
    ] = True,
    tensorboard: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write every epoch for TensorBoard too, below DIR."),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Print the libraries' output, and tracebacks.")
    ] = False,
) -> None:
    """Train every trial of a spec that is not finished yet, and compare the models."""
    from involbench.spec.load import load_spec

    indices = _gpu_indices(gpus)
    loaded = load_spec(spec, [*(overrides or []), *([f"seeds={seeds}"] if seeds else [])])
    wanted = _Wanted(
        results,
        device,
        jobs or len(indices) or 1,
        indices,
        dry_run,
        force,
        not keep_going,
        tensorboard,
    )
    with stoppable("interrupted; what is finished stays, run again to go on"):
        failed = _run(loaded, wanted, quiet, verbose)
    if failed:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Wanted:
    """What the options say."""

    results: Path
    device: str
    jobs: int
    gpus: tuple[int, ...]
    dry_run: bool
    force: bool
    fail_fast: bool
    tensorboard: Path | None


def _run(loaded: "LoadedSpec", wanted: _Wanted, quiet: bool, verbose: bool) -> int:
    """Do it, print what came of it, and return how many trials failed."""
    from involbench.execution.budgets import with_widths
    from involbench.execution.crew import Crew
    from involbench.execution.events import TrialEnded
    from involbench.execution.messages import Notice
    from involbench.execution.plan import check, plan
    from involbench.execution.runner import Runner
    from involbench.execution.shares import divide
    from involbench.results.store import Store
    from involbench.spec.expand import expand

    since = time.time()
    board = _board(wanted.tensorboard)
    store, trials = Store(wanted.results, loaded.spec.name), expand(loaded)
    shares = divide(wanted.device, min(wanted.jobs, len(trials)), wanted.gpus)
    with Crew(shares) as crew, _screen(loaded.spec.baseline, quiet) as screen:
        trials = with_widths(trials, crew.workers[0], screen.show)
        planned = plan(trials, crew.workers[0], store, screen.show)
        if wanted.dry_run:
            _print_plan(planned)
            return 0
        if wanted.force or not all(item.finished for item in planned):
            check(planned, crew, wanted.device, screen.show)
        store.prepare(loaded.source)

        def show(event: "Event") -> None:
            screen.show(event)
            if board is not None:
                board.show(event)
            if isinstance(event, TrialEnded) and not event.elsewhere:
                _after_trial(event, verbose)

        argv = tuple(sys.argv[1:])
        try:
            failed = Runner(crew, store, argv, show, since, wanted.force, wanted.fail_fast).run(
                planned
            )
        except KeyboardInterrupt:
            screen.show(Notice("stopping after the running step; Ctrl-C again stops at once"))
            raise
    _print_comparison(wanted.results, loaded.spec.name)
    return failed


def _board(folder: Path | None) -> "TensorBoard | None":
    if folder is None:
        return None
    from involbench.reporting.trackers.tensorboard import TensorBoard

    return TensorBoard(folder, "--tensorboard")


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
    from involbench.cli.comparing import tables
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


def _gpu_indices(text: str | None) -> tuple[int, ...]:
    parts = text.split(",") if text is not None else []
    if not all(part.strip().isdigit() for part in parts):
        raise typer.BadParameter(
            f"{text!r} is not a list of indices such as 0,1", param_hint="--gpus"
        )
    return tuple(int(part) for part in parts)
