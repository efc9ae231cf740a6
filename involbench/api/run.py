"""`run`: train every trial of a spec that is not finished yet, and compare the models."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal

from involbench.api.experiment import Experiment
from involbench.comparison.claims import NO_INTERACTION, can_interact
from involbench.comparison.metrics import known_metrics, suggestion
from involbench.comparison.schema import Comparison
from involbench.errors import UsageError
from involbench.optional_dependencies import require
from involbench.plugins import is_importing, load_plugin
from involbench.reporting.console import ConsoleReporter, reporter
from involbench.reporting.experiment import or_warn, write_comparison, write_run_plots
from involbench.reporting.prose import power_sentence
from involbench.reporting.tables.cells import warnings_of
from involbench.reporting.units import counted
from involbench.results.files import user_path
from involbench.results.paths import ResultsPath
from involbench.results.store import Store
from involbench.results.tree import ResultsTree
from involbench.results.tuning import FOLDER as TUNING
from involbench.results.tuning import write_tuning
from involbench.runner.plan import PlannedTrial, Shard, plan
from involbench.runner.runner import Event, Runner, TrialEnded
from involbench.runner.tuning import TuningOutcome, tune, tuned_trials
from involbench.spec.claims import Claim
from involbench.spec.load import LoadedSpec, expand, expand_tuning, load_mapping, load_spec
from involbench.spec.overrides import flow_text, plain_value
from involbench.spec.trial import Trial, shared_coordinates
from involbench.text import describe
from involbench.workers.environment import is_device, partition
from involbench.workers.local import WorkerPool, start_worker
from involbench.workers.protocol import Notice

Spec = str | PathLike[str] | Mapping[str, Any]
Overrides = Iterable[str] | Mapping[str, Any]


def run(
    spec: Spec,
    *,
    overrides: Overrides = (),
    plugins: Iterable[str | PathLike[str]] = (),
    results: str | PathLike[str] = "results",
    jobs: int = 1,
    device: str = "auto",
    gpus: Sequence[int] = (),
    force: bool = False,
    fail_fast: bool = False,
    progress: bool = True,
) -> Experiment:
    """Train every trial of a spec that is not finished yet, and compare the models.

    Trials run in worker processes, so that this process imports no framework. A trial that fails
    does not stop the others; `Experiment.failed` lists it with its error. After an interrupt, the
    same call resumes the trials, and so does `involbench run` with the spec.yaml in the folder of
    the experiment.

    Args:
        spec: The path of a YAML file, the name of an experiment that comes with involbench, such as
            `"smoke"`, or a mapping with the keys of such a file.
        overrides: Keys to set: `"training.epochs=2"` each, or a mapping
            `{"training.epochs": 2}`.
        plugins: Python files to import, which runs them; the spec can use what they register.
        results: The results folder.
        jobs: How many trials run at a time.
        device: `"auto"`, `"cpu"`, `"gpu"` or `"gpu:<index>"`.
        gpus: Indices of GPUs to divide among the jobs.
        force: Repeat finished trials.
        fail_fast: Stop when a trial fails.
        progress: Print on stderr what `involbench run` prints there. Otherwise nothing is printed.

    Returns:
        The experiment with all its runs, earlier ones too.

    Raises:
        SpecError: The spec is not valid; the message has every problem with its place.
        UsageError: A plugin can't be imported; the message has its line.
        UsageError: The device does not exist, or the results folder cannot be written.
        KeyboardInterrupt: As raised, after every worker has saved its state.

    Example:
        >>> import involbench
        >>> experiment = involbench.run("smoke", overrides=["seeds=3"])
        >>> experiment.compare().models[1].differences["test_accuracy"].verdict
    """
    if is_importing():
        raise UsageError(
            "a plugin may not train networks while it is imported: in a notebook, put "
            'run() into another cell; in a script, put it below `if __name__ == "__main__":`'
        )
    if jobs < 1:
        raise UsageError(f"jobs={jobs}: expected at least 1")
    if not is_device(device):
        raise UsageError(f"device={device!r}: expected auto, cpu, gpu or gpu:INDEX")
    texts = override_texts(overrides)
    options = RunOptions(
        user_path(fspath(results)), device, jobs, tuple(gpus), force=force, fail_fast=fail_fast
    )
    named = [user_path(fspath(file)) for file in plugins]
    for file in named:
        load_plugin(file)
    loaded, arguments = _loaded(spec, texts, options.results)
    screen = reporter(loaded.spec.baseline, quiet=not progress)
    screen.warn(*claim_warnings(loaded.spec.claims))
    needed = [word for file in named for word in ("--plugin", str(file))]
    outcome = run_experiment(loaded, options, screen, ("run", *arguments, *needed))
    screen.warn(*outcome.warnings)
    return Experiment(ResultsTree(options.results), loaded.spec.name)


def override_texts(overrides: Overrides) -> list[str]:
    """The overrides as `KEY=VALUE`, with values in YAML.

    Raises:
        UsageError: One is no text, or a value is none of a spec.
    """
    if isinstance(overrides, str):
        raise UsageError(f'overrides: expected a list or a mapping, got the text "{overrides}"')
    if not isinstance(overrides, Mapping):
        return list(overrides)
    try:
        plain = plain_value(overrides)
    except ValueError as error:
        raise UsageError(f"overrides: {error}") from None
    return [f"{key}={flow_text(value)}" for key, value in plain.items()]


def _loaded(
    spec: Spec, overrides: Sequence[str], results: Path
) -> tuple[LoadedSpec, tuple[str, ...]]:
    """The spec, and the arguments with which `involbench run` would run it."""
    origin = "overrides:"
    if isinstance(spec, Mapping):
        loaded = load_mapping(spec, overrides, origin)
        path, texts = str(results / loaded.spec.name / "spec.yaml"), list[str]()
    elif isinstance(spec, str | PathLike):
        file = user_path(fspath(spec))
        path, texts = str(file), list(overrides)
        loaded = load_spec(file, overrides, origin)
    else:
        raise UsageError(f"spec: expected a path or a mapping, got {describe(spec)}")
    settings = [word for text in texts for word in ("--set", text)]
    where = [] if str(results) == "results" else ["--results", str(results)]
    return loaded, (path, *settings, *where)


@dataclass(frozen=True)
class RunOptions:
    """How the trials of a spec are run."""

    results: Path
    device: str = "auto"
    jobs: int | None = None
    """Trials at a time; None: one, or one a GPU."""
    gpus: tuple[int, ...] = ()
    executor: Literal["local", "ray"] = "local"
    address: str | None = None
    """Address of a Ray cluster."""
    send_back: bool = False
    """Whether the nodes of the cluster send results back, since they share no folder."""
    part: tuple[int, int] | None = None
    """(part, number of parts): which part of the trials to run, counted from 1."""
    force: bool = False
    fail_fast: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a run of an experiment gave."""

    failed: int
    """The number of trials that failed in this run."""
    comparisons: list[Comparison]
    """Of all runs of the experiment, one for each group of settings."""
    warnings: tuple[str, ...]
    """Plots that can't be drawn, and caveats of the comparison."""


def run_experiment(
    loaded: LoadedSpec,
    options: RunOptions,
    screen: ConsoleReporter,
    argv: tuple[str, ...],
    *receivers: Callable[[Event], None],
) -> Outcome:
    """Run the trials, draw their plots and write the comparison.

    Args:
        loaded: The spec.
        options: How to run it.
        screen: Shows the progress.
        argv: The command line, for the records.
        receivers: Receive every event, too.
    """
    since, undrawn = time.time(), list[str]()

    def show(event: Event) -> None:
        for receive in (screen.show, *receivers):
            receive(event)
        if isinstance(event, TrialEnded) and not event.elsewhere:
            _draw(event, undrawn)

    store = Store(options.results, loaded.spec.name)
    with screen, _worker_pool(loaded, options, show) as pool:
        _show_power(loaded, show)

        def train(into: Store, planned: Sequence[PlannedTrial]) -> int:
            """Train trials that are not finished; returns how many failed."""
            store.prepare(loaded.source_for_results)
            others = (ResultsPath(options.results) / name for name in loaded.spec.reuse)
            runner = Runner(
                pool,
                into,
                argv,
                show,
                since,
                options.force,
                options.fail_fast,
                tuple(each if into is store else each / TUNING for each in others),
            )
            return runner.run(list(planned), more_follow=into is not store)

        try:
            tuned = _tuned(loaded, options, pool, show, train)
            failed = tuned.failed
            if not (failed and options.fail_fast):
                planned = _plan_tuned(loaded, tuned, options, pool, show)
                failed += len(planned.without_choice) if not tuned.waiting else 0
                failed += train(store, planned.ready)
        except KeyboardInterrupt:
            show(Notice("stopping after the running step; Ctrl-C again stops at once"))
            raise
    comparisons = write_comparison(ResultsTree(options.results), loaded.spec.name)
    return Outcome(failed, comparisons, (*undrawn, *warnings_of(comparisons)))


@dataclass(frozen=True)
class ExperimentPlan:
    """The trials of an experiment that this runner is to run, finished or not."""

    tuning: tuple[PlannedTrial, ...]
    """Those of `tune`, which come first."""
    ready: tuple[PlannedTrial, ...]
    """Those of the experiment, with what was chosen for them."""
    without_choice: tuple[PlannedTrial, ...] = ()
    """Those for which nothing is chosen yet; their run ids will be others."""


def plan_experiment(
    loaded: LoadedSpec, options: RunOptions, screen: ConsoleReporter
) -> ExperimentPlan:
    """Check everything and name the trials, without training."""
    with screen, _worker_pool(loaded, options, screen.show) as pool:
        _show_power(loaded, screen.show)
        tuned = _tuned(loaded, options, pool, screen.show)
        return _plan_tuned(loaded, tuned, options, pool, screen.show, dry_run=True)


def _tuned(
    loaded: LoadedSpec,
    options: RunOptions,
    pool: WorkerPool,
    show: Callable[[Event], None],
    train: Callable[[Store, Sequence[PlannedTrial]], int] | None = None,
) -> TuningOutcome:
    """Run the trials of `tune`, if the spec has any, and write down what is chosen by them.

    Without `train`, as in a dry run, choose only by those that are finished.
    """
    if not loaded.spec.tune.grid:
        return TuningOutcome()
    store = Store(options.results, f"{loaded.spec.name}/{TUNING}")
    dry_run = train is None

    def planned(trials: Sequence[Trial]) -> list[PlannedTrial]:
        return _plan(loaded, trials, store, options, pool, show, dry_run)

    tuned = tune(loaded, store, planned, partial(train, store) if train else None)
    if tuned.tuning.choices and not dry_run:
        write_tuning(Store(options.results, loaded.spec.name).folder, tuned.tuning)
    for choice in tuned.tuning.choices:
        show(Notice(choice.summary))
    return tuned


def _plan_tuned(
    loaded: LoadedSpec,
    tuned: TuningOutcome,
    options: RunOptions,
    pool: WorkerPool,
    show: Callable[[Event], None],
    dry_run: bool = False,
) -> ExperimentPlan:
    """Plan the trials of the experiment, with what was chosen for them."""
    store, trials = Store(options.results, loaded.spec.name), tuned_trials(loaded, tuned.tuning)
    planned = _plan(loaded, trials, store, options, pool, show, dry_run)
    own = [item for item in planned if not item.elsewhere]
    needs_choice = bool(loaded.spec.tune.grid)
    ready = [item for item in own if item.trial.tuned or not needs_choice]
    waiting = [item for item in own if needs_choice and not item.trial.tuned]
    if waiting and not dry_run:
        why = "no candidate has a result"
        if tuned.waiting:
            why = f"{counted(tuned.waiting, 'trial')} of tune have not ended; then run this again"
        show(Notice(f"warning: {counted(len(waiting), 'trial')} cannot be trained yet: {why}"))
    of_tune = (item for item in tuned.planned if not item.elsewhere)
    return ExperimentPlan(tuple(of_tune), tuple(ready), tuple(waiting))


def power_line(loaded: LoadedSpec) -> str:
    """Which differences the seeds of a spec can find; empty without a comparison."""
    spec = loaded.spec
    arms = {
        (repr(shared_coordinates(trial.point)), trial.model, repr(trial.point))
        for trial in expand(loaded)
        if trial.model != spec.baseline
    }
    # Comparisons are corrected for each table, which has the models of one sweep point.
    by_table = Counter(table for table, *_ in arms)
    return power_sentence(len(spec.seeds), max(by_table.values())) if by_table else ""


def _show_power(loaded: LoadedSpec, show: Callable[[Event], None]) -> None:
    if power := power_line(loaded):
        show(Notice(power))


def claim_warnings(claims: Sequence[Claim]) -> list[str]:
    """A warning for each claim that can never be decided, because of its metric."""
    found = list[str]()
    for index, claim in enumerate(claims):
        where = f"claims[{index}].metric"
        if claim.metric.partition("@")[0] not in known_metrics():
            text = f"no run measures {claim.metric}; {suggestion(claim.metric)}"
            found.append(f"{where}: {text}")
        elif claim.interaction and not can_interact(claim.metric):
            found.append(f"{where}: {NO_INTERACTION}")
    return found


def _plan(
    loaded: LoadedSpec,
    trials: Sequence[Trial],
    store: Store,
    options: RunOptions,
    pool: WorkerPool,
    show: Callable[[Event], None],
    dry_run: bool,
) -> list[PlannedTrial]:
    device = "gpu" if options.gpus else options.device
    shard = Shard(*options.part) if options.part else None
    return plan(loaded, trials, pool, store, device, show, shard, options.force, dry_run=dry_run)


def _worker_pool(
    loaded: LoadedSpec, options: RunOptions, show: Callable[[Event], None]
) -> AbstractContextManager[WorkerPool]:
    trials = max(len(expand(loaded)), len(expand_tuning(loaded, loaded.spec.tune.grid)))
    if options.executor == "local":
        jobs = min(options.jobs or len(options.gpus) or 1, trials)
        return WorkerPool([*map(start_worker, partition(options.device, jobs, options.gpus))])
    require("--executor ray", "ray")
    show(Notice("connecting to Ray"))
    from involbench.workers.ray_pool import on_cluster

    return on_cluster(
        options.address,
        loaded.spec.resources,
        options.device,
        min(options.jobs or trials, trials),
        options.results,
        options.send_back,
    )


def _draw(event: TrialEnded, undrawn: list[str]) -> None:
    """Draw the plots of a finished trial; collect those that can't be drawn."""
    if event.record.status == "finished":
        with or_warn(f"the plots of {event.record.run_id}", undrawn.append):
            write_run_plots(event.run_dir, event.record.trial.data.validated_on)
