"""The trials of an experiment, those that are left to do, and the part of one shard."""

import heapq
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from involbench.errors import SettingError, SpecError, UsageError
from involbench.results.record import WidthMatch
from involbench.results.store import Store, ended
from involbench.results.tree import StoredRun
from involbench.spec.architectures import Match, Scalable
from involbench.spec.expand import expand, refuse_trials
from involbench.spec.load import LoadedSpec
from involbench.spec.schema import DataSpec
from involbench.spec.trial import Trial, one_seed_each, shared_coordinates
from involbench.spec.yaml import Problem
from involbench.workers.handlers import check_trials, count_parameters, load_data, match_width
from involbench.workers.local import WorkerPool, WorkerProtocol
from involbench.workers.protocol import (
    Fault,
    Loaded,
    Notice,
    Report,
    dataset_key,
    source_key,
)

# What a trial costs besides its multiply-accumulates, as so many of them: on two CPU cores, which
# do about 1e10 in a second, five seconds to build and compile a network, and 0.1 ms an image.
_A_TRIAL = 5 * 10**10
_AN_IMAGE = 10**6
_FORWARD_AND_BACKWARD = 3


@dataclass(frozen=True)
class Shard:
    """Part `number`, counted from 1, of `count`."""

    number: int
    count: int

    def of(self, costs: Sequence[int]) -> list[int]:
        """The places of what belongs to this part, in order.

        The dearest first, each goes to the part that has the least so far, so that the parts
        differ by less than what the dearest costs. It depends on the costs alone.
        """
        loads = [(0, part) for part in range(1, self.count + 1)]
        mine = []
        for place in sorted(range(len(costs)), key=lambda place: (-costs[place], place)):
            load, part = loads[0]
            heapq.heapreplace(loads, (load + costs[place], part))
            if part == self.number:
                mine.append(place)
        return sorted(mine)


def estimated_costs(
    trials: Sequence[Trial],
    loaded: Mapping[DataSpec, Loaded],
    worker: WorkerProtocol,
    show: Callable[[Report], None],
) -> list[int]:
    """What each trial costs, in multiply-accumulates: the same on every machine.

    Args:
        trials: Of one experiment.
        loaded: What is known of each trial's data.
        worker: Builds one network of each kind, without weights.
        show: Is told of it.
    """
    show(Notice("starting Keras and counting what each model computes"))
    kinds: dict[str, Trial] = {}
    for trial in trials:
        kinds.setdefault(_network(trial), trial)
    counted = worker.call(count_parameters, show, tuple(kinds.values()))
    macs = dict(zip(kinds, (parameters.macs for parameters in counted), strict=True))
    return [_cost(trial, macs[_network(trial)], loaded[trial.data]) for trial in trials]


def _cost(trial: Trial, macs: int, loaded: Loaded) -> int:
    images = trial.training.epochs * (trial.data.train_size or loaded.train_size)
    return _A_TRIAL + images * (_FORWARD_AND_BACKWARD * macs + _AN_IMAGE)


def _network(trial: Trial) -> str:
    """What decides the trial's network."""
    return trial.architecture.model_dump_json() + dataset_key(trial.data).model_dump_json()


TOLERANCE = 0.02


def resolve_width_matches(
    trials: Sequence[Trial], worker: WorkerProtocol, show: Callable[[Report], None]
) -> list[Trial]:
    """The trials, with every `match` replaced by the width that it stands for.

    Raises:
        SpecError: No width comes within 2% of a budget, or there is not one budget.
    """
    matched, faults = match_widths(trials, worker, show)
    if faults:
        raise SpecError("\n".join(dict.fromkeys(str(error) for _, error in faults)))
    return matched


def match_widths(
    trials: Sequence[Trial], worker: WorkerProtocol, show: Callable[[Report], None]
) -> tuple[list[Trial], list[tuple[Trial, SettingError]]]:
    """The same, and beside them the trials for which there is no width, each with the reason."""
    found: dict[str, WidthMatch | SettingError] = {}
    beside: dict[tuple[str, int], list[Trial]] = {}
    for trial in trials:
        beside.setdefault((trial.model, trial.seed), []).append(trial)
    matched, faults = list[Trial](), list[tuple[Trial, SettingError]]()
    for trial in trials:
        try:
            matched.append(_with_width(trial, beside, worker, show, found))
        except SettingError as error:
            faults.append((trial, error))
    return matched, faults


def _with_width(
    trial: Trial,
    beside: Mapping[tuple[str, int], Sequence[Trial]],
    worker: WorkerProtocol,
    show: Callable[[Report], None],
    found: dict[str, WidthMatch | SettingError],
) -> Trial:
    architecture = trial.architecture
    if not isinstance(architecture, Scalable) or architecture.match is None:
        return trial
    reference = _matched_by(trial, architecture.match, beside)
    question = "".join(
        each.model_copy(update={"seed": 0}).run_id("").rpartition("-")[2]
        for each in (trial, reference)
    )
    if question not in found:
        show(
            Notice(f"{trial.model}: looking for the width that matches {architecture.match.model}")
        )
        found[question] = _near_enough(trial, reference, architecture.match, worker, show)
    matched = found[question]
    if isinstance(matched, SettingError):
        raise matched
    return trial.model_copy(update={"architecture": architecture.scaled(matched.width)})


def _near_enough(
    trial: Trial,
    reference: Trial,
    match: Match,
    worker: WorkerProtocol,
    show: Callable[[Report], None],
) -> WidthMatch | SettingError:
    """The width, or why there is none."""
    try:
        matched = worker.call(match_width, show, trial, reference)
    except SettingError as error:
        return error
    model = trial.model
    said = _said(model, match, matched)
    if abs(matched.excess) > TOLERANCE:
        return SettingError(
            f"models.{model}.match",
            f"no width comes within {TOLERANCE:.0%} of {match.model}; the nearest possible: {said}",
        )
    show(Notice(said))
    return matched


def _matched_by(
    trial: Trial, match: Match, beside: Mapping[tuple[str, int], Sequence[Trial]]
) -> Trial:
    """The trial of the other model, of the same seed and at the same point of the sweep."""
    others = [
        other
        for other in beside.get((match.model, trial.seed), ())
        if shared_coordinates(other.point) == shared_coordinates(trial.point)
    ]
    if len(others) != 1:
        raise SettingError(
            f"models.{trial.model}.match",
            f"{match.model} is swept, so that there is not one size to match; take "
            f"models.{match.model} out of the sweep",
        )
    return others[0]


def _said(model: str, match: Match, matched: WidthMatch) -> str:
    unit = "trainable parameters" if match.what == "parameters" else "MACs"
    return (
        f"{model}: width {matched.width} has {matched.count:,} {unit}, {matched.excess:+.2%} of "
        f"{match.model}'s {matched.budget:,}"
    )


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
    crew: WorkerPool,
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
        kinds = one_seed_each([item.trial for item in planned])
        if only_look:
            found = worker.call(check_trials, show, kinds, device)
        else:
            found = crew.call(check_trials, show, (kinds, device), ((), device))
        faults += _of(kinds, found)
    _refuse(spec, every, faults)
    if shard is None:
        return planned
    costs = estimated_costs([item.trial for item in planned], loaded, worker, show)
    part = [planned[place] for place in shard.of(costs)]
    show(Notice(f"part {shard.number} of {shard.count}: {len(part)} of {len(planned)} trials"))
    return part


def check_builds(spec: LoadedSpec, worker: WorkerProtocol, show: Show) -> None:
    """Match widths and build each model and optimizer, without images.

    Raises:
        SpecError: Something cannot be built; the message has all that cannot.
    """
    every = expand(spec)
    trials, faults = match_widths(every, worker, show)
    kinds = one_seed_each(trials)
    faults += _of(kinds, worker.call(check_trials, show, kinds, "auto", as_run=False))
    _refuse(spec, every, faults)


def _load(
    trials: Sequence[Trial], worker: WorkerProtocol, show: Show
) -> tuple[dict[DataSpec, Loaded], Faults]:
    """What is known of each dataset, and of those that cannot be loaded the reason."""
    loaded, missing = dict[DataSpec, Loaded](), dict[DataSpec, SettingError]()
    for data in dict.fromkeys(trial.data for trial in trials):
        try:
            loaded[data] = worker.call(load_data, show, data)
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


@dataclass(frozen=True)
class Estimate:
    """What earlier runs tell of the trials to run."""

    seconds: float
    """One worker's time for the trials that are known."""
    unknown: int
    """How many trials have settings that no finished run has."""
    machines: tuple[str, ...]
    """What the earlier runs were trained on."""


def estimate(todo: Sequence[PlannedTrial], runs: Sequence[StoredRun]) -> Estimate:
    """Add up the median times of finished runs that differ from the trials in their seed alone.

    Args:
        todo: The trials to run.
        runs: Of the same experiment.
    """
    earlier: dict[str, list[StoredRun]] = {}
    for run in runs:
        if run.record.status == "finished" and run.record.data is not None:
            earlier.setdefault(_settings(run.record.trial), []).append(run)
    alike = [earlier[key] for item in todo if (key := _settings(item.trial)) in earlier]
    hardware = (run.record.hardware for runs in alike for run in runs)
    return Estimate(
        seconds=sum(median(run.record.seconds for run in runs) for runs in alike),
        unknown=len(todo) - len(alike),
        machines=tuple(dict.fromkeys(f"{h.trained_on}, {h.cpu}" for h in hardware if h)),
    )


def _settings(trial: Trial) -> str:
    """What decides the result but the seed and the images themselves."""
    return json.dumps(trial.settings(""), sort_keys=True)
