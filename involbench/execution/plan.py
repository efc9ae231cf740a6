"""What an experiment consists of, what of it is left to do, and what is wrong with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from involbench.errors import SettingError, UsageError
from involbench.execution.budgets import match_widths
from involbench.execution.crew import Crew, Works
from involbench.execution.messages import Notice, Report
from involbench.execution.requests import CheckTrials, Fault, LoadData, Loaded
from involbench.execution.shards import Shard, estimated_costs
from involbench.execution.sources import source_key
from involbench.results.store import Store, ended
from involbench.spec.data import DataSpec
from involbench.spec.document import Problem
from involbench.spec.expand import expand, refuse_trials
from involbench.spec.load import LoadedSpec
from involbench.spec.trial import Trial, one_seed_each

Faults = list[tuple[Trial, SettingError]]
Show = Callable[[Report], None]


@dataclass(frozen=True)
class PlannedTrial:
    """A trial with its name on disk."""

    trial: Trial
    run_id: str
    finished: bool


def plan(
    spec: LoadedSpec,
    crew: Crew,
    store: Store,
    device: str,
    show: Show,
    shard: Shard | None = None,
    force: bool = False,
    only_look: bool = False,
) -> list[PlannedTrial]:
    """Match widths, load each dataset, name the trials, and build what is not finished.

    Args:
        spec: The experiment.
        crew: Its first worker loads and builds; afterwards all are ready to train.
        store: The experiment's folder.
        device: What each worker must have.
        show: Takes what is reported.
        shard: The part of the trials to plan; None for all.
        force: Build what is finished too.
        only_look: Nothing is to be trained, so that one worker is enough.

    Raises:
        SpecError: Something would fail for every seed; the message has all that would.
        UsageError: The device is not there.
    """
    worker, every = crew.workers[0], expand(spec)
    trials, faults = match_widths(every, worker, show)
    loaded, missing = _load(trials, worker, show)
    # Several sizes or subsets of one dataset have the same to say.
    for remark in dict.fromkeys(said for each in loaded.values() for said in each.remarks):
        show(Notice.of(remark.message, warning=remark.warning))
    faults += missing
    planned = [
        _planned(trial, loaded[trial.data], store, show) for trial in trials if trial.data in loaded
    ]
    if force or not all(item.finished for item in planned):
        show(Notice("starting Keras and building each model once"))
        kinds, ready = one_seed_each([item.trial for item in planned]), CheckTrials((), device)
        request = CheckTrials(kinds, device)
        found = worker.ask(request, show) if only_look else crew.ask(request, ready, show)
        faults += _of(kinds, found)
    _refuse(spec, every, faults)
    if shard is None:
        return planned
    costs = estimated_costs([item.trial for item in planned], loaded, worker, show)
    part = [planned[place] for place in shard.of(costs)]
    show(Notice(f"part {shard.number} of {shard.count}: {len(part)} of {len(planned)} trials"))
    return part


def check_builds(spec: LoadedSpec, worker: Works, show: Show) -> None:
    """Match widths and build each model and optimizer, without images.

    Raises:
        SpecError: Something cannot be built; the message has all that cannot.
    """
    every = expand(spec)
    trials, faults = match_widths(every, worker, show)
    kinds = one_seed_each(trials)
    faults += _of(kinds, worker.ask(CheckTrials(kinds, "auto", as_run=False), show))
    _refuse(spec, every, faults)


def _load(
    trials: Sequence[Trial], worker: Works, show: Show
) -> tuple[dict[DataSpec, Loaded], Faults]:
    """What is known of each dataset, and of those that cannot be loaded the reason."""
    loaded, missing = dict[DataSpec, Loaded](), dict[DataSpec, SettingError]()
    for data in dict.fromkeys(trial.data for trial in trials):
        try:
            loaded[data] = worker.ask(LoadData(data), show)
        except UsageError as error:
            missing[data] = SettingError.of(source_key(data), error)
    return loaded, [(trial, missing[trial.data]) for trial in trials if trial.data in missing]


def _planned(trial: Trial, loaded: Loaded, store: Store, show: Show) -> PlannedTrial:
    run_id = trial.run_id(loaded.fingerprint)
    record = ended(store.run_dir(run_id), trial, lambda text: show(Notice(text)))
    return PlannedTrial(trial, run_id, record is not None)


def _of(trials: Sequence[Trial], found: Sequence[Fault]) -> Faults:
    return [(trials[each.trial], SettingError(each.key, each.reason, each.names)) for each in found]


def _refuse(spec: LoadedSpec, trials: Sequence[Trial], faults: Faults) -> None:
    located = [(t, _problem(error)) for t, error in faults]
    refuse_trials(spec, trials, located)


def _problem(error: SettingError) -> Problem:
    return Problem(tuple(error.key.split(".")), error.reason, names=error.names)
