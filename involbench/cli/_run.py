"""What `involbench run` does with its options."""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from involbench.cli._output import echo, warn
from involbench.cli.validate import warn_of_claims
from involbench.errors import ResultsError
from involbench.optional_dependencies import require
from involbench.results.files import read_bytes
from involbench.results.limits import LOG
from involbench.results.store import Store
from involbench.runner.plan import PlannedTrial, Shard, plan
from involbench.runner.runner import Event, Runner, TrialEnded
from involbench.spec.expand import expand
from involbench.spec.load import LoadedSpec
from involbench.spec.schema import ResourcesSpec
from involbench.workers.local import Worker, WorkerPool
from involbench.workers.protocol import Notice
from involbench.workers.resources import partition

if TYPE_CHECKING:
    from involbench.reporting.console import ConsoleReporter
    from involbench.reporting.integrations.tensorboard import TensorBoard


@dataclass(frozen=True)
class Options:
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


def run_experiment(loaded: LoadedSpec, asked: Options) -> int:
    """Do it, print what came of it, and return how many trials failed."""
    since = time.time()
    warn_of_claims(loaded.spec.claims)
    board = _board(asked.tensorboard)
    store, trials = Store(asked.results, loaded.spec.name), expand(loaded)
    undrawn = list[str]()
    screen = _screen(loaded.spec.baseline, asked.quiet, asked.verbose)

    def show(event: Event) -> None:
        screen.show(event)
        if board is not None:
            board.show(event)
        if isinstance(event, TrialEnded) and not event.elsewhere:
            _after_trial(event, asked.verbose, undrawn)

    with screen, _crew(asked, loaded.spec.resources, len(trials), show) as crew:
        device = "gpu" if asked.gpus else asked.device
        planned = plan(
            loaded, crew, store, device, show, asked.shard, asked.force, only_look=asked.dry_run
        )
        if not asked.dry_run:
            store.prepare(loaded.source)
            argv = tuple(sys.argv[1:])
            runner = Runner(crew, store, argv, show, since, asked.force, asked.fail_fast)
            failed = _train(runner, planned)
    if asked.dry_run:
        _print_plan(planned, asked)
        return 0
    for warning in undrawn:
        warn(warning)
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
    asked: Options, needs: ResourcesSpec, trials: int, show: Callable[[Event], None]
) -> AbstractContextManager[WorkerPool]:
    if asked.executor == "local":
        jobs = min(asked.jobs or len(asked.gpus) or 1, trials)
        return WorkerPool([Worker(share) for share in partition(asked.device, jobs, asked.gpus)])
    require("--executor ray", "ray")
    show(Notice("connecting to Ray"))
    from involbench.workers.ray.pool import on_cluster

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
    require("--tensorboard", "tensorboard")
    from involbench.reporting.integrations.tensorboard import TensorBoard

    return TensorBoard(folder, "--tensorboard")


def _after_trial(event: TrialEnded, verbose: bool, undrawn: list[str]) -> None:
    """Draw the plots of a trial that is finished; say at the end which could not be drawn."""
    from involbench.reporting.experiment import or_warn, write_run_plots

    if event.record.status == "finished":
        with or_warn(f"the plots of {event.record.run_id}", undrawn.append):
            write_run_plots(event.run_dir)
    if verbose:
        try:
            echo(read_bytes(event.run_dir / "log.txt", LOG).decode(errors="replace"), err=True)
        except ResultsError as error:
            warn(str(error))


def _print_plan(planned: list[PlannedTrial], asked: Options) -> None:
    for item in planned:
        echo(f"{item.run_id}  {'finished' if item.finished else 'to run'}")
    todo = [item for item in planned if asked.force or not item.finished]
    if todo:
        echo(f"time: {_expected_time(todo, asked.results)}", err=True)


def _expected_time(todo: list[PlannedTrial], results: Path) -> str:
    """How long the trials will take, one after another, if earlier runs tell."""
    from involbench.reporting.units import duration
    from involbench.results.tree import ResultsTree
    from involbench.runner.plan import estimate

    runs, _ = ResultsTree(results).runs(todo[0].trial.experiment)
    expected = estimate(todo, runs)
    if expected.unknown == len(todo):
        return "not known; no earlier run has these settings"
    least = f"at least {duration(expected.seconds)}; {expected.unknown} of {len(todo)} trials have "
    total = f"about {duration(expected.seconds)} for {len(todo)} trials, one after another"
    where = f"earlier runs were on {' and on '.join(expected.machines)}"
    what = f"{least}settings that no earlier run has" if expected.unknown else total
    return f"{what}; {where}"


def _print_comparison(results: Path, experiment: str) -> None:
    from involbench.cli._compare import tables
    from involbench.reporting.experiment import write_comparison
    from involbench.reporting.tables.cells import warnings_of
    from involbench.results.tree import ResultsTree

    tree = ResultsTree(results)
    comparisons = write_comparison(tree, experiment)
    for warning in warnings_of(comparisons):
        echo(f"warning: {warning}", err=True)
    echo(tables([comparisons], [(tree, experiment)], for_screen=True), nl=False)


def _screen(baseline: str, quiet: bool, verbose: bool) -> "ConsoleReporter":
    from involbench.reporting.console import ConsoleReporter, LiveReporter
    from involbench.reporting.tables.writers import SafeConsole

    console = SafeConsole(stderr=True, quiet=quiet)
    kind = LiveReporter if console.is_terminal and not console.is_dumb_terminal else ConsoleReporter
    return kind(console, baseline, verbose)
