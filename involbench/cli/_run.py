"""The steps of `involbench run`."""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from involbench.cli._compare import tables
from involbench.cli._output import echo, warn
from involbench.cli.validate import echo_power, warn_of_claims
from involbench.errors import ResultsError
from involbench.optional_dependencies import require
from involbench.reporting.console import ConsoleReporter, LiveReporter
from involbench.reporting.experiment import or_warn, write_comparison, write_run_plots
from involbench.reporting.tables.cells import warnings_of
from involbench.reporting.tables.terminal import SafeConsole
from involbench.reporting.units import duration
from involbench.results.files import read_bytes
from involbench.results.limits import LOG
from involbench.results.store import Store
from involbench.results.tree import ResultsTree
from involbench.runner.plan import PlannedTrial, Shard, estimate, plan
from involbench.runner.runner import Event, Runner, TrialEnded
from involbench.spec.load import LoadedSpec, expand
from involbench.spec.schema import ResourcesSpec
from involbench.workers.environment import partition
from involbench.workers.local import WorkerPool, start_worker
from involbench.workers.protocol import Notice


@dataclass(frozen=True)
class Options:
    """The options of `run`."""

    results: Path
    device: str
    jobs: int | None
    gpus: tuple[int, ...]
    executor: Literal["local", "ray"]
    address: str | None
    """Address of a Ray cluster."""
    send_back: bool
    """Whether the nodes of the cluster send results back, since they share no folder."""
    part: tuple[int, int] | None
    """(part, number of parts): which part of the trials to run, counted from 1."""
    dry_run: bool
    force: bool
    fail_fast: bool
    tensorboard: Path | None
    quiet: bool
    verbose: bool


def run_experiment(loaded: LoadedSpec, options: Options) -> int:
    """Run the trials, print the comparison, and return the number of failed trials."""
    since = time.time()
    warn_of_claims(loaded.spec.claims)
    if not options.quiet:
        echo_power(loaded)
    board = None
    if options.tensorboard is not None:
        require("--tensorboard", "tensorboard")
        from involbench.reporting.integrations.tensorboard import TensorBoard

        board = TensorBoard(options.tensorboard, "--tensorboard")
    store, trials = Store(options.results, loaded.spec.name), expand(loaded)
    undrawn = list[str]()
    console = SafeConsole(stderr=True, quiet=options.quiet)
    is_live = console.is_terminal and not console.is_dumb_terminal
    reporter = LiveReporter if is_live else ConsoleReporter
    screen = reporter(console, loaded.spec.baseline, options.verbose)

    def show(event: Event) -> None:
        screen.show(event)
        if board is not None:
            board.show(event)
        if isinstance(event, TrialEnded) and not event.elsewhere:
            _after_trial(event, options.verbose, undrawn)

    with screen, _worker_pool(options, loaded.spec.resources, len(trials), show) as pool:
        device = "gpu" if options.gpus else options.device
        shard = Shard(*options.part) if options.part else None
        planned = plan(
            loaded, pool, store, device, show, shard, options.force, dry_run=options.dry_run
        )
        if not options.dry_run:
            store.prepare(loaded.source)
            argv = tuple(sys.argv[1:])
            runner = Runner(pool, store, argv, show, since, options.force, options.fail_fast)
            try:
                failed = runner.run(planned)
            except KeyboardInterrupt:
                show(Notice("stopping after the running step; Ctrl-C again stops at once"))
                raise
    if options.dry_run:
        for item in planned:
            echo(f"{item.run_id}  {'finished' if item.finished else 'to run'}")
        if todo := [item for item in planned if options.force or not item.finished]:
            echo(f"time: {_expected_time(todo, options.results)}", err=True)
        return 0
    warn(*undrawn)
    tree, name = ResultsTree(options.results), loaded.spec.name
    comparisons = write_comparison(tree, name)
    warn(*warnings_of(comparisons))
    echo(tables([comparisons], [(tree, name)], for_screen=True), nl=False)
    return failed


def _worker_pool(
    options: Options, needs: ResourcesSpec, trials: int, show: Callable[[Event], None]
) -> AbstractContextManager[WorkerPool]:
    if options.executor == "local":
        jobs = min(options.jobs or len(options.gpus) or 1, trials)
        return WorkerPool([*map(start_worker, partition(options.device, jobs, options.gpus))])
    require("--executor ray", "ray")
    show(Notice("connecting to Ray"))
    from involbench.workers.ray_pool import on_cluster

    return on_cluster(
        options.address,
        needs,
        options.device,
        min(options.jobs or trials, trials),
        options.results,
        options.send_back,
    )


def _after_trial(event: TrialEnded, verbose: bool, undrawn: list[str]) -> None:
    """Draw the plots of a finished trial; collect those that can't be drawn."""
    if event.record.status == "finished":
        with or_warn(f"the plots of {event.record.run_id}", undrawn.append):
            write_run_plots(event.run_dir)
    if verbose:
        try:
            echo(read_bytes(event.run_dir / "log.txt", LOG).decode(errors="replace"), err=True)
        except ResultsError as error:
            warn(str(error))


def _expected_time(todo: list[PlannedTrial], results: Path) -> str:
    """How long the trials will take one after another, estimated from earlier runs."""
    runs, _ = ResultsTree(results).runs(todo[0].trial.experiment)
    expected = estimate(todo, runs)
    if expected.unknown == len(todo):
        return "not known; no earlier run has these settings"
    least = f"at least {duration(expected.seconds)}; {expected.unknown} of {len(todo)} trials have "
    total = f"about {duration(expected.seconds)} for {len(todo)} trials, one after another"
    where = f"earlier runs were on {' and on '.join(expected.machines)}"
    what = f"{least}settings that no earlier run has" if expected.unknown else total
    return f"{what}; {where}"
