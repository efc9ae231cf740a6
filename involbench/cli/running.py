"""What `involbench run` does with its options."""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from involbench.cli.page import warn
from involbench.cli.validate import warn_of_claims
from involbench.errors import ResultsError
from involbench.execution.budgets import with_widths
from involbench.execution.client import Worker
from involbench.execution.crew import Crew
from involbench.execution.events import Event, TrialEnded
from involbench.execution.extras import require
from involbench.execution.messages import Notice
from involbench.execution.plan import PlannedTrial, check, plan
from involbench.execution.runner import Runner
from involbench.execution.shards import Shard
from involbench.execution.shares import divide
from involbench.results.files import read_bytes
from involbench.results.limits import LOG
from involbench.results.store import Store
from involbench.spec.expand import expand
from involbench.spec.load import LoadedSpec
from involbench.spec.schema import ResourcesSpec

if TYPE_CHECKING:
    from involbench.reporting.screen import PlainScreen
    from involbench.reporting.trackers.tensorboard import TensorBoard


@dataclass(frozen=True)
class Asked:
    """The options of `run`."""

    results: Path
    device: str
    jobs: int | None
    gpus: tuple[int, ...]
    executor: Literal["local", "ray"]
    address: str | None
    """Of a cluster."""
    send_back: bool
    """The cluster's nodes do not see the results folder."""
    part: tuple[int, int] | None
    """Which part of the trials, counted from 1, of how many."""
    dry_run: bool
    force: bool
    fail_fast: bool
    tensorboard: Path | None
    quiet: bool
    verbose: bool

    @property
    def shard(self) -> Shard | None:
        """The part, where one is asked for."""
        return Shard(*self.part) if self.part else None


def run_experiment(loaded: LoadedSpec, asked: Asked) -> int:
    """Do it, print what came of it, and return how many trials failed."""
    since = time.time()
    warn_of_claims(loaded.spec.claims)
    board = _board(asked.tensorboard)
    store, trials = Store(asked.results, loaded.spec.name), expand(loaded)
    screen = _screen(loaded.spec.baseline, asked.quiet)

    def show(event: Event) -> None:
        screen.show(event)
        if board is not None:
            board.show(event)
        if isinstance(event, TrialEnded) and not event.elsewhere:
            _after_trial(event, asked.verbose)

    with screen, _crew(asked, loaded.spec.resources, len(trials), show) as crew:
        trials = with_widths(trials, crew.workers[0], show)
        planned = plan(trials, crew.workers[0], store, show, asked.shard)
        if not asked.dry_run:
            if not all(item.finished and not asked.force for item in planned):
                check(planned, crew, "gpu" if asked.gpus else asked.device, show)
            store.prepare(loaded.source)
            argv = tuple(sys.argv[1:])
            runner = Runner(crew, store, argv, show, since, asked.force, asked.fail_fast)
            failed = _train(runner, planned)
    if asked.dry_run:
        _print_plan(planned)
        return 0
    _print_comparison(asked.results, loaded.spec.name)
    return failed


def _train(runner: Runner, planned: list[PlannedTrial]) -> int:
    """How many trials failed."""
    try:
        return runner.run(planned)
    except KeyboardInterrupt:
        runner.show(Notice("stopping after the running step; Ctrl-C again stops at once"))
        raise


def _crew(
    asked: Asked, needs: ResourcesSpec, trials: int, show: Callable[[Event], None]
) -> AbstractContextManager[Crew]:
    if asked.executor == "local":
        jobs = min(asked.jobs or len(asked.gpus) or 1, trials)
        return Crew([Worker(share) for share in divide(asked.device, jobs, asked.gpus)])
    require("ray", "Ray", "ray", "--executor ray")
    show(Notice("connecting to Ray"))
    from involbench.execution.cluster.hiring import on_cluster

    return on_cluster(
        asked.address,
        needs,
        asked.device,
        min(asked.jobs or trials, trials),
        asked.results,
        asked.send_back,
    )


def _board(folder: Path | None) -> "TensorBoard | None":
    if folder is None:
        return None
    from involbench.reporting.trackers.tensorboard import TensorBoard

    return TensorBoard(folder, "--tensorboard")


def _after_trial(event: TrialEnded, verbose: bool) -> None:
    from involbench.reporting.experiment import write_run_plots

    if event.record.status == "finished":
        try:
            write_run_plots(event.run_dir)
        except ResultsError as error:
            warn(f"no plots: {error}")
    if verbose:
        try:
            text = read_bytes(event.run_dir / "log.txt", LOG).decode(errors="replace")
            typer.echo(text, err=True)
        except ResultsError as error:
            warn(str(error))


def _print_plan(planned: list[PlannedTrial]) -> None:
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
