"""The output of `involbench run`."""

import sys
from collections.abc import Callable
from pathlib import Path

from involbench.api.run import RunOptions, plan_experiment, run_experiment
from involbench.cli._compare import tables
from involbench.cli._output import echo, warn
from involbench.errors import ResultsError
from involbench.optional_dependencies import require
from involbench.reporting.console import ConsoleReporter
from involbench.reporting.tables.cells import label
from involbench.reporting.units import duration
from involbench.results.files import read_bytes
from involbench.results.limits import LOG
from involbench.results.tree import ResultsTree
from involbench.results.tuning import FOLDER as TUNING
from involbench.runner.plan import PlannedTrial, estimate
from involbench.runner.runner import Event, TrialEnded
from involbench.spec.load import LoadedSpec

Receiver = Callable[[Event], None]


def receivers_of(tensorboard: Path | None, verbose: bool) -> list[Receiver]:
    """What receives the events of a run beside the screen."""
    receivers = list[Receiver]()
    if tensorboard is not None:
        require("--tensorboard", "tensorboard")
        from involbench.reporting.integrations.tensorboard import TensorBoard

        receivers.append(TensorBoard(tensorboard, "--tensorboard").show)
    if verbose:
        receivers.append(_print_log)
    return receivers


def run_and_print(
    loaded: LoadedSpec, options: RunOptions, screen: ConsoleReporter, receivers: list[Receiver]
) -> int:
    """Run the trials, print the comparison, and return the number of failed trials."""
    outcome = run_experiment(loaded, options, screen, tuple(sys.argv[1:]), *receivers)
    warn(*outcome.warnings)
    found = [(ResultsTree(options.results), loaded.spec.name)]
    echo(tables([outcome.comparisons], found, for_screen=True), nl=False)
    return outcome.failed


def print_plan(loaded: LoadedSpec, options: RunOptions, screen: ConsoleReporter) -> None:
    """Check everything, and print the trials and how long they will take."""
    planned = plan_experiment(loaded, options, screen)
    for folder, items in ((f"{TUNING}/", planned.tuning), ("", planned.ready)):
        for item in items:
            echo(f"{folder}{item.run_id}  {'finished' if item.finished else 'to run'}")
    for trial in (item.trial for item in planned.without_choice):
        echo(f"{label(trial.model, trial.point)} seed {trial.seed}  to run after tuning")
    known = [
        item for item in (*planned.tuning, *planned.ready) if options.force or not item.finished
    ]
    if todo := [*known, *planned.without_choice]:
        echo(f"time: {_expected_time(todo, options.results)}", err=True)


def _print_log(event: Event) -> None:
    """Print the log of a trial that has ended."""
    if not isinstance(event, TrialEnded) or event.elsewhere:
        return
    try:
        echo(read_bytes(event.run_dir / "log.txt", LOG).decode(errors="replace"), err=True)
    except ResultsError as error:
        warn(str(error))


def _expected_time(todo: list[PlannedTrial], results: Path) -> str:
    """How long the trials will take one after another, estimated from earlier runs."""
    tree, name = ResultsTree(results), todo[0].trial.experiment
    runs = [run for each in tree.with_tuning([name]) for run in tree.runs(each)[0]]
    expected = estimate(todo, runs)
    if expected.unknown == len(todo):
        return "not known; no earlier run has these settings"
    least = f"at least {duration(expected.seconds)}; {expected.unknown} of {len(todo)} trials have "
    total = f"about {duration(expected.seconds)} for {len(todo)} trials, one after another"
    where = f"earlier runs were on {' and on '.join(expected.machines)}"
    what = f"{least}settings that no earlier run has" if expected.unknown else total
    return f"{what}; {where}"
