"""Which trials to run: widths matched, datasets loaded, models built, shards divided."""

import heapq
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from statistics import median

from involbench.errors import SettingError, SpecError, UsageError
from involbench.results.record import WidthMatch
from involbench.results.store import Store, ended
from involbench.results.tree import StoredRun
from involbench.spec.architectures import Match, Scalable
from involbench.spec.data import DataSpec
from involbench.spec.load import LoadedSpec, expand, expand_tuning, refuse_trials
from involbench.spec.trial import Trial, one_seed_each, shared_coordinates
from involbench.spec.yaml import Problem
from involbench.workers.handlers import check_trials, count_parameters, load_data, match_width
from involbench.workers.local import WorkerPool, WorkerProtocol
from involbench.workers.protocol import (
    Loaded,
    Notice,
    Show,
    dataset_key,
    source_key,
)

Faults = list[tuple[Trial, SettingError]]

# Further costs in multiply-accumulates, of which two CPU cores do about 1e10 in a second: five
# seconds to build and compile a network, and 0.1 ms for each image.
_PER_TRIAL = 5 * 10**10
_PER_IMAGE = 10**6
_FORWARD_AND_BACKWARD = 3


@dataclass(frozen=True)
class Shard:
    """Part `number`, from 1, of `count`."""

    number: int
    count: int

    def of(self, costs: Sequence[int]) -> list[int]:
        """The places of the trials in this part, in order.

        In order of falling cost, each trial goes to the part with the lowest sum so far. So the
        parts differ by less than the largest cost, and depend on nothing but the costs.
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
    show: Show,
) -> list[int]:
    """The cost of each trial in multiply-accumulates, the same on every machine.

    The worker builds one network of each kind, without weights.
    """
    show(Notice("starting Keras and counting what each model computes"))
    kinds: dict[str, Trial] = {}
    for trial in trials:
        kinds.setdefault(_network(trial), trial)
    counted = worker.call(count_parameters, show, tuple(kinds.values()))
    macs = dict(zip(kinds, (parameters.macs for parameters in counted), strict=True))
    costs = []
    for trial in trials:
        images = trial.training.epochs * (trial.data.train_size or loaded[trial.data].train_size)
        each = _FORWARD_AND_BACKWARD * macs[_network(trial)] + _PER_IMAGE
        costs.append(_PER_TRIAL + images * each)
    return costs


def _network(trial: Trial) -> str:
    """A key of the network: its architecture and dataset."""
    return trial.architecture.model_dump_json() + dataset_key(trial.data).model_dump_json()


def resolve_width_matches(
    trials: Sequence[Trial], worker: WorkerProtocol, show: Show
) -> list[Trial]:
    """The trials, with every `match` replaced by a width.

    Raises:
        SpecError: No width is near enough to a budget, or the budget is not unique.
    """
    matched, faults = match_widths(trials, worker, show)
    if faults:
        raise SpecError("\n".join(dict.fromkeys(str(error) for _, error in faults)))
    return matched


def match_widths(
    trials: Sequence[Trial], worker: WorkerProtocol, show: Show
) -> tuple[list[Trial], Faults]:
    """As `resolve_width_matches`, but returns the trials without a width, with the reasons."""
    found: dict[str, WidthMatch | SettingError] = {}
    by_model: dict[tuple[str, int], list[Trial]] = {}
    for trial in trials:
        by_model.setdefault((trial.model, trial.seed), []).append(trial)
    matched, faults = list[Trial](), list[tuple[Trial, SettingError]]()
    for trial in trials:
        architecture = trial.architecture
        if not isinstance(architecture, Scalable) or architecture.match is None:
            matched.append(trial)
            continue
        try:
            reference = _reference_trial(trial, architecture.match, by_model)
        except SettingError as error:
            faults.append((trial, error))
            continue
        question = f"{trial.model} {_network(trial)} {_network(reference)}"
        if question not in found:
            found[question] = _find_width(trial, reference, architecture.match, worker, show)
        width = found[question]
        if isinstance(width, SettingError):
            faults.append((trial, width))
        else:
            scaled = architecture.scaled(width.width)
            matched.append(trial.model_copy(update={"architecture": scaled}))
    return matched, faults


def _find_width(
    trial: Trial, reference: Trial, match: Match, worker: WorkerProtocol, show: Show
) -> WidthMatch | SettingError:
    """The width, or the reason why there is none."""
    show(Notice(f"{trial.model}: finding the width that matches {match.model}"))
    try:
        matched = worker.call(match_width, show, trial, reference)
    except SettingError as error:
        return error
    model = trial.model
    description = (
        f"{model}: width {matched.width} has {matched.count:,} {match.unit}, "
        f"{matched.relative_error:+.2%} from the {matched.budget:,} of {match.model}"
    )
    if abs(matched.relative_error) > match.tolerance:
        return SettingError(
            f"models.{model}.match",
            f"no width is within {100 * match.tolerance:.3g}% of {match.model}; "
            f"the nearest: {description}",
        )
    show(Notice(description))
    return matched


def _reference_trial(
    trial: Trial, match: Match, by_model: Mapping[tuple[str, int], Sequence[Trial]]
) -> Trial:
    """The trial of the model to match, with the same seed and sweep point."""
    others = [
        other
        for other in by_model.get((match.model, trial.seed), ())
        if shared_coordinates(other.coordinates) == shared_coordinates(trial.coordinates)
    ]
    if len(others) != 1:
        raise SettingError(
            f"models.{trial.model}.match",
            f"{match.model} is swept, so it has several sizes; remove models.{match.model} from "
            "the sweep",
        )
    return others[0]


@dataclass(frozen=True)
class PlannedTrial:
    """A trial with its run id."""

    trial: Trial
    run_id: str
    finished: bool
    elsewhere: bool = False
    """Whether it is in another part of the trials than this runner's."""


def plan(
    spec: LoadedSpec,
    every: Sequence[Trial],
    pool: WorkerPool,
    store: Store,
    device: str,
    show: Show,
    shard: Shard | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> list[PlannedTrial]:
    """Match widths, load each dataset, name the trials, and build each model that will be trained.

    The first worker loads and builds; the others get ready to train, except in a dry run. With
    `force`, the models of finished trials are built too. With a shard, the trials of all other
    parts are marked.

    Raises:
        SpecError: A trial would fail for every seed. The message names all faults.
        UsageError: The device does not exist.
    """
    worker = pool.workers[0]
    trials, faults = match_widths(every, worker, show)
    loaded, missing = _load(trials, worker, show)
    # Several subsets of one dataset have the same remarks.
    for remark in dict.fromkeys(remark for each in loaded.values() for remark in each.remarks):
        show(Notice.of(remark.message, warning=remark.warning))
    faults += missing
    for warning in _short_trainings([each for each in trials if each.data in loaded], loaded):
        show(Notice(f"warning: {warning}"))
    planned = list[PlannedTrial]()
    for trial in (trial for trial in trials if trial.data in loaded):
        run_id = trial.run_id(loaded[trial.data].fingerprint)
        record = ended(store.run_dir(run_id), trial, lambda text: show(Notice(text)))
        planned.append(PlannedTrial(trial, run_id, record is not None))
    if force or not all(item.finished for item in planned):
        show(Notice("starting Keras and building each model once"))
        kinds = one_seed_each([item.trial for item in planned])
        if dry_run:
            faulty = worker.call(check_trials, show, kinds, device)
        else:
            faulty = pool.call(check_trials, show, (kinds, device), ((), device))
        faults += [(kinds[index], error) for index, error in faulty]
    _refuse(spec, every, faults)
    if shard is None:
        return planned
    costs = estimated_costs([item.trial for item in planned], loaded, worker, show)
    part = set(shard.of(costs))
    show(Notice(f"part {shard.number} of {shard.count}: {len(part)} of {len(planned)} trials"))
    return [replace(item, elsewhere=place not in part) for place, item in enumerate(planned)]


_FEW_STEPS = 100
"""Batch normalization with a momentum of 0.99 has then forgotten 63% of how it began."""


def _short_trainings(trials: Sequence[Trial], loaded: Mapping[DataSpec, Loaded]) -> list[str]:
    """A warning for each number of steps so small that a comparison says little."""
    models = dict[tuple[int, int], dict[str, None]]()
    for trial in trials:
        data, training = trial.data, trial.training
        images = data.train_size or loaded[data].train_size
        if not isinstance(data.validation, str):
            images -= round(data.validation * images)
        steps = ceil(images / training.batch_size)
        if steps * training.epochs < _FEW_STEPS and not trial.candidate:
            models.setdefault((steps, training.epochs), {})[trial.model] = None
    return [
        f"{', '.join(names)}: training steps in all: {steps * epochs} ({steps} an epoch), too few "
        "to tell what a network can learn; a smaller training.batch_size or more training.epochs "
        "makes more"
        for (steps, epochs), names in models.items()
    ]


def check_builds(spec: LoadedSpec, worker: WorkerProtocol, show: Show) -> None:
    """Match widths and build each model and optimizer, without images.

    Raises:
        SpecError: A model can't be built. The message names all faults.
    """
    every = [*expand_tuning(spec, spec.spec.tune.grid), *expand(spec)]
    trials, faults = match_widths(every, worker, show)
    kinds = one_seed_each(trials)
    faulty = worker.call(check_trials, show, kinds, "auto", as_run=False)
    faults += [(kinds[index], error) for index, error in faulty]
    _refuse(spec, every, faults)


def _load(
    trials: Sequence[Trial], worker: WorkerProtocol, show: Show
) -> tuple[dict[DataSpec, Loaded], Faults]:
    """The sizes of each dataset, and the faults of those that can't be loaded."""
    loaded, missing = dict[DataSpec, Loaded](), dict[DataSpec, SettingError]()
    for data in dict.fromkeys(trial.data for trial in trials):
        try:
            loaded[data] = worker.call(load_data, show, data)
        except UsageError as error:
            missing[data] = SettingError.of(source_key(data), error)
    return loaded, [(trial, missing[trial.data]) for trial in trials if trial.data in missing]


def _refuse(spec: LoadedSpec, trials: Sequence[Trial], faults: Faults) -> None:
    located = [
        (trial, Problem(tuple(error.key.split(".")), error.reason, names=error.names))
        for trial, error in faults
    ]
    refuse_trials(spec, trials, located)


@dataclass(frozen=True)
class Estimate:
    """The expected time of the trials to run, from earlier runs."""

    seconds: float
    """Time of one worker, for the trials with earlier runs."""
    unknown: int
    """The number of trials with settings that no finished run has."""
    machines: tuple[str, ...]
    """The machines of the earlier runs."""


def estimate(todo: Sequence[PlannedTrial], runs: Sequence[StoredRun]) -> Estimate:
    """Sum the median times of finished runs that differ from the trials only in their seed."""
    earlier: dict[str, list[StoredRun]] = {}
    for run in runs:
        if run.record.status == "finished" and run.record.data is not None:
            earlier.setdefault(_settings(run.record.trial), []).append(run)
    known = [earlier[key] for item in todo if (key := _settings(item.trial)) in earlier]
    hardware = (run.record.hardware for runs in known for run in runs)
    return Estimate(
        seconds=sum(median(run.record.seconds for run in runs) for runs in known),
        unknown=len(todo) - len(known),
        machines=tuple(dict.fromkeys(f"{h.trained_on}, {h.cpu}" for h in hardware if h)),
    )


def _settings(trial: Trial) -> str:
    """Everything that decides the result except the seed and the images."""
    return json.dumps(trial.settings(""), sort_keys=True)
