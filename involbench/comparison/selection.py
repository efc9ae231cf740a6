"""Which runs of an experiment belong together, by their settings and seeds."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from pydantic import ValidationError

from involbench.comparison.settings import (
    describe_differences,
    full_settings,
    named_settings,
    settings_key,
    shared_settings,
    shown,
    telling_apart,
    trial_settings,
)
from involbench.errors import UsageError
from involbench.results.paths import ResultsPath
from involbench.results.record import BACKENDS
from involbench.results.tree import ResultsTree, StoredRun, read_spec_summary
from involbench.spec.messages import problems_of
from involbench.spec.overrides import EVERY, apply_overrides
from involbench.spec.schema import ExperimentSpec
from involbench.spec.sweep import at_point
from involbench.spec.trial import Trial, shared_coordinates
from involbench.spec.yaml import Document
from involbench.text import dotted, first_of, suggest

_UNKNOWN = ("fingerprint", "result_version", "backend")
"""What a run that failed early does not know of itself; it may be of any group."""

Settings = dict[str, Any]


@dataclass(frozen=True)
class Arm:
    """The runs of one model at one point of the sweep: alike in everything but the seed."""

    model: str
    point: dict[str, Any]
    runs: tuple[StoredRun, ...]
    """In order of seed, one a seed."""
    superseded: tuple[StoredRun, ...] = ()
    """Runs with the same settings and seed as a later one."""

    @property
    def place(self) -> "Place":
        """What it has in common with arms of other settings."""
        return self.model, _text(self.point)

    @property
    def finished(self) -> list[StoredRun]:
        return [run for run in self.runs if run.record.status == "finished"]

    @property
    def shared_point(self) -> dict[str, Any]:
        """The coordinates that concern every model, so that arms of it are side by side."""
        return shared_coordinates(self.point)

    @property
    def example(self) -> StoredRun:
        """A run that knows its settings, where one does."""
        return next((run for run in reversed(self.runs) if run.record.data), self.runs[-1])

    @property
    def ended(self) -> tuple[str, str]:
        """When the last of its runs ended; a sort key."""
        return max(map(_ended, self.runs))


@dataclass(frozen=True)
class SettingsGroup:
    """One arm for each model and sweep point, made alike as far as the runs allow."""

    arms: tuple[Arm, ...]
    """By sweep point, and then in the order of the models."""
    settings: Settings = field(default_factory=dict)
    """Key path -> value of what sets it apart from the other groups; empty if it is alone."""

    @property
    def runs(self) -> list[StoredRun]:
        return [run for arm in self.arms for run in arm.runs]

    @property
    def ended(self) -> tuple[str, str]:
        """When the last of its runs ended; a sort key."""
        return max(arm.ended for arm in self.arms)


Place = tuple[str, str]
"""A model, and a sweep point as text."""
ArmsByPlace = dict[Place, list[Arm]]
"""The arms of each model and sweep point, one for each of its settings."""


def select_groups(runs: Iterable[StoredRun], order: Sequence[str]) -> list[SettingsGroup]:
    """Group the runs by their settings, so that nothing that was run is left out.

    Where a model has runs with several settings, those made like the runs of other models stand
    with these. A model that has only one kind of runs stands in every group that they fit.

    Args:
        runs: All runs of one experiment.
        order: Models in the order wanted; others follow by name.

    Returns:
        The groups, the one with the most runs first; none where there are no runs.
    """
    known = list(runs)
    by_backend = len({run.record.run_id for run in known}) < len(known)
    places = _arms_by_place(known, by_backend)
    if not places:
        return []
    if all(len(arms) == 1 for arms in places.values()):
        return [SettingsGroup(_sorted([arm for (arm,) in places.values()], order))]
    groups = [
        SettingsGroup(_sorted(arms, order))
        for alike in _by_shared_settings(places, by_backend)
        for arms in _variants(alike)
    ]
    groups.sort(key=lambda group: (len(group.runs), group.ended), reverse=True)
    apart = telling_apart(
        [[(arm.example, arm.point) for arm in group.arms] for group in groups], by_backend
    )
    return [replace(g, settings=settings) for g, settings in zip(groups, apart, strict=True)]


def left_out(groups: Sequence[SettingsGroup], chosen: SettingsGroup) -> list[str]:
    """A warning for each arm of a group of which runs with other settings are not part of it."""
    by_place: dict[Place, dict[ResultsPath, StoredRun]] = {}
    for arm in (arm for group in groups if group is not chosen for arm in group.arms):
        by_place.setdefault(arm.place, {}).update({run.path: run for run in arm.runs})
    found = []
    for arm in chosen.arms:
        these = {run.path for run in arm.runs}
        others = [run for path, run in by_place.get(arm.place, {}).items() if path not in these]
        found += [_left_out(arm, others)] if others else []
    return found


def superseded(group: SettingsGroup) -> list[str]:
    """A warning for each arm of which a seed was run again with the same settings."""
    return [_left_out(arm, arm.superseded) for arm in group.arms if arm.superseded]


def _arms_by_place(runs: list[StoredRun], by_backend: bool) -> ArmsByPlace:
    """The arms of each model and sweep point, one for each of its settings."""
    places: dict[Place, list[StoredRun]] = {}
    for run in runs:
        trial = run.record.trial
        places.setdefault((trial.model, _text(trial.point)), []).append(run)
    return {place: _arms(group, by_backend) for place, group in places.items()}


def _arms(group: list[StoredRun], by_backend: bool) -> list[Arm]:
    """Those of the runs of one place: the runs of each settings are one arm."""
    alike: list[tuple[Settings, list[StoredRun]]] = []
    keyed = [(settings_key(run, by_backend), run) for run in sorted(group, key=_ended)]
    # Those that do not know all of their settings come last, to find the others there.
    for key, run in sorted(keyed, key=lambda pair: _has_unknown(pair[0])):
        known = [runs for other, runs in alike if _same(key, other)]
        if known:
            max(known, key=lambda runs: _ended(runs[-1])).append(run)
        else:
            alike.append((key, [run]))
    return [_arm(runs) for _, runs in alike]


def _arm(runs: list[StoredRun]) -> Arm:
    kept: dict[int, StoredRun] = {}
    earlier = []
    for run in sorted(runs, key=_ended):
        seed = run.record.trial.seed
        if seed in kept:
            earlier.append(kept[seed])
        kept[seed] = run
    trial = runs[0].record.trial
    by_seed = tuple(kept[seed] for seed in sorted(kept))
    return Arm(trial.model, trial.point, by_seed, tuple(earlier))


def _by_shared_settings(places: ArmsByPlace, by_backend: bool) -> list[ArmsByPlace]:
    """The arms by what they share; parts that have no place in common are put together.

    A model that was run in one way only is so compared with the others, made unlike it or not.
    """
    by_settings: dict[str, ArmsByPlace] = {}
    for place, arms in places.items():
        for arm in arms:
            shared = _text(shared_settings(arm.example, arm.point, by_backend))
            part = by_settings.setdefault(shared, {})
            part.setdefault(place, []).append(arm)
    parts: list[ArmsByPlace] = []
    for part in sorted(by_settings.values(), key=_size, reverse=True):
        beside = next((each for each in parts if each.keys().isdisjoint(part)), None)
        if beside is None:
            parts.append(part)
        else:
            beside.update(part)
    return parts


def _variants(alike: ArmsByPlace) -> list[list[Arm]]:
    """One arm for each place: first the largest of each, then with others in their stead.

    Arms of several models that differ in the same way from the largest stand together.
    """
    largest = {place: max(arms, key=_arm_size) for place, arms in alike.items()}
    changed: dict[str, dict[Place, Arm]] = {}
    for place, arms in alike.items():
        usual = full_settings(largest[place].example)
        for arm in arms:
            if arm is not largest[place]:
                how = describe_differences([full_settings(arm.example)], usual)
                changed.setdefault(how, {})[place] = arm
    return [list({**largest, **others}.values()) for others in ({}, *changed.values())]


def _sorted(arms: list[Arm], order: Sequence[str]) -> tuple[Arm, ...]:
    rank = {model: place for place, model in enumerate(order)}
    arms.sort(
        key=lambda arm: (
            _point_order(arm.shared_point),
            rank.get(arm.model, len(rank)),
            arm.model,
            _point_order(arm.point),
        )
    )
    return tuple(arms)


def _left_out(arm: Arm, others: Sequence[StoredRun]) -> str:
    noun = "run" if len(others) == 1 else "runs"
    wanted = max(arm.runs, key=_ended)
    what = describe_differences([full_settings(run) for run in others], full_settings(wanted))
    reason = what or "made by another version of involbench"
    return f"{len(others)} {noun} of {arm.model} with other settings left out: {reason}"


def _same(settings: Settings, other: Settings) -> bool:
    """Whether they agree, as far as both are known."""
    if settings == other:
        return True
    unknown = [key for key in _UNKNOWN if None in (settings.get(key, ""), other.get(key, ""))]
    left = dict.fromkeys(unknown)
    return bool(unknown) and {**settings, **left} == {**other, **left}


def _has_unknown(settings: Settings) -> bool:
    return any(settings.get(key, "") is None for key in _UNKNOWN)


def _size(arms_by_place: ArmsByPlace) -> tuple[int, tuple[str, str]]:
    arms = list(chain.from_iterable(arms_by_place.values()))
    return sum(len(arm.runs) for arm in arms), max(arm.ended for arm in arms)


def _arm_size(arm: Arm) -> tuple[int, tuple[str, str]]:
    return len(arm.runs), arm.ended


def _ended(run: StoredRun) -> tuple[str, str]:
    return run.record.ended, run.record.run_id


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _point_order(point: dict[str, Any]) -> list[tuple[str, int, float, str]]:
    """A sort key: numbers by size, everything else as text."""
    return [
        (key, 0, float(value), "")
        if isinstance(value, int | float)
        else (key, 1, 0.0, json.dumps(value))
        for key, value in sorted(point.items())
    ]


class NoSuchRun(UsageError):
    """No run of an experiment has the settings that were chosen."""


_PARTS = ("data", "training", "evaluate")


def choose_groups(
    experiment: str, groups: Sequence[SettingsGroup], overrides: Sequence[str]
) -> list[SettingsGroup]:
    """The groups of runs that have what is set: those whose trials would be the same with it.

    What is set of one model alone is no matter of the others. Where it is swept, the sweep points
    that have it are what is left of a group.

    Args:
        experiment: The experiment's name, for messages.
        groups: Of its runs.
        overrides: `KEY=VALUE` each, as `run --set` takes them, or `backend=NAME`.

    Raises:
        SpecError: One of them is not of this form.
        NoSuchRun: No run has these settings.
        UsageError: They are not such that tell runs apart.
    """
    if not overrides or not groups:
        return list(groups)
    models = list(dict.fromkeys(arm.model for group in groups for arm in group.arms))
    answers: dict[str, bool] = {}
    faults: list[str] = []

    def has(run: StoredRun) -> bool:
        key = _settings_text(run)
        if key not in answers:
            answers[key] = _has(run, overrides, models, faults)
        return answers[key]

    found = []
    for group in groups:
        kept = ((arm, tuple(filter(has, arm.runs))) for arm in group.arms)
        arms = tuple(replace(arm, runs=runs) for arm, runs in kept if runs)
        if arms and _models_set(overrides) <= {arm.model for arm in arms}:
            found.append(replace(group, arms=arms))
    if not found:
        none = f"no run of {experiment} has this; {_there_are(groups, overrides)}"
        raise NoSuchRun(f"--set {', '.join(overrides)}: {faults[0] if faults else none}")
    return found


def stated_group(
    groups: Sequence[SettingsGroup], values: Mapping[str, Any]
) -> tuple[SettingsGroup, str | None]:
    """The group of the settings that a spec states.

    Args:
        groups: Of the experiment, at least one.
        values: What the spec says, valid or not.

    Returns:
        The group. Where no runs were made so, or the spec does not tell, that of the run that
        ended last. And in what it differs from the spec; None where the spec does not tell.
    """
    differences = [_difference(group, values) for group in groups]
    stated = [group for group, how in zip(groups, differences, strict=True) if how == ""]
    chosen = max(stated or groups, key=lambda group: group.ended)
    return chosen, differences[list(groups).index(chosen)]


def _models_set(overrides: Sequence[str]) -> set[str]:
    """The models of which something is set."""
    paths = (override.partition("=")[0].strip().split(".") for override in overrides)
    return {path[1] for path in paths if path[0] == "models" and path[1:2] != [EVERY]}


def _settings_text(run: StoredRun) -> str:
    trial = run.record.trial
    return f"{run.record.backend} {trial.model_dump_json(exclude={'seed', 'point', 'experiment'})}"


def _has(
    run: StoredRun, overrides: Sequence[str], models: Sequence[str], faults: list[str]
) -> bool:
    """Whether a run has what is set; what makes it invalid for this run goes to `faults`."""
    trial, backend = run.record.trial, run.record.backend
    given = trial.model_dump(exclude_unset=True)
    values = {"models": {trial.model: given["architecture"]}, "backend": backend}
    values |= {part: given.get(part, {}) for part in _PARTS}
    document = Document("", "", dict(values))
    document.refuse(apply_overrides(document, overrides))
    new = document.value
    _check_keys(new, values, models)
    kept = {part: new[part] for part in _PARTS if new[part] is not None}
    asked = {**given, **kept, "architecture": new["models"].get(trial.model)}
    try:
        other = Trial.model_validate(asked)
    except ValidationError:
        faults.append(_fault({"name": trial.experiment, **kept, "models": new["models"]}))
        return False
    return other == trial and new["backend"] == backend


def _fault(values: dict[str, Any]) -> str:
    """What is wrong with an experiment of these settings."""
    try:
        ExperimentSpec.model_validate(values)
    except ValidationError as error:
        return "; ".join(f"{dotted(each.path)}: {each.message}" for each in problems_of(error))
    return "not valid"


def _check_keys(new: Mapping[str, Any], values: Mapping[str, Any], models: Sequence[str]) -> None:
    for key in new:
        if key not in values:
            text = f"--set {key}: does not tell runs apart; {suggest(key, list(values))}"
            raise UsageError(text)
    if not isinstance(new["models"], dict):
        raise UsageError("--set models: expected models.NAME.KEY")
    for model in new["models"]:
        if model not in models:
            near = suggest(model, models)
            raise UsageError(f"--set models.{model}: no run of that model; {near}")
    if new["backend"] not in (None, *BACKENDS):
        raise UsageError(f"--set backend={new['backend']}: expected {', '.join(BACKENDS)}")


def _there_are(groups: Sequence[SettingsGroup], overrides: Sequence[str]) -> str:
    """The values that runs have of the keys that are set."""
    keys = [override.partition("=")[0].strip() for override in overrides]
    found: dict[str, dict[str, None]] = {key: {} for key in keys}
    for run in (arm.example for group in groups for arm in group.arms):
        settings = {**named_settings(run), "backend": run.record.backend}
        for key in keys:
            for name in (key, f"{key}.name"):
                if name in settings:
                    found[key][shown(settings[name])] = None
    known = [f"{key} {first_of(list(values), 8)}" for key, values in found.items() if values]
    return (
        f"there are {'; '.join(known)}" if known else "`involbench show RUN` lists those of a run"
    )


def _difference(group: SettingsGroup, values: Mapping[str, Any]) -> str | None:
    """How a group differs from what the spec states; None where the spec does not tell."""
    kinds: dict[str, Arm] = {}
    for arm in group.arms:  # Others of a model differ from it in the values of the sweep alone.
        kinds.setdefault(f"{arm.model} {sorted(arm.point)}", arm)
    phrases = [_arm_difference(arm, values) for arm in kinds.values()]
    known = [phrase for phrase in phrases if phrase is not None]
    if not known:
        return None
    return "; ".join(dict.fromkeys("; ".join(filter(None, known)).split("; ")))


def _arm_difference(arm: Arm, values: Mapping[str, Any]) -> str | None:
    try:
        spec = ExperimentSpec.model_validate(at_point(dict(values), arm.point))
    except ValueError:
        return None
    if arm.model not in spec.models:
        return None
    trial = arm.example.record.trial
    architecture = spec.models[arm.model]
    if getattr(architecture, "match", None) is not None:
        architecture = trial.architecture  # Its width is found when it is run.
    stated = trial.model_copy(
        update={
            "architecture": architecture,
            "data": spec.data,
            "training": spec.training,
            "evaluate": spec.evaluate,
        }
    )
    if stated.settings("") == trial.settings(""):
        return ""
    return describe_differences([trial_settings(trial)], trial_settings(stated))


Block = list[tuple[Arm, StoredRun]]


def seed_blocks(tree: ResultsTree, experiment: str) -> tuple[list[Block], list[str]]:
    """The runs of each seed that every model has finished, the baseline's first, and warnings.

    Raises:
        UsageError: There is no such seed.
        ResultsError: The experiment cannot be read.
    """
    runs, warnings = tree.runs(experiment)
    outline = read_spec_summary(tree.folder(experiment))
    groups = select_groups(runs, outline.models)
    arms, others = [], list[str]()
    if groups:
        chosen, _ = stated_group(groups, outline.values)
        arms = sorted(chosen.arms, key=lambda arm: arm.model != outline.baseline)
        others = left_out(groups, chosen)
    found = [{run.record.trial.seed: run for run in arm.finished} for arm in arms]
    seeds = [sorted(each) for each in found]
    common = sorted(set.intersection(*map(set, seeds))) if seeds else []
    if not common:
        raise UsageError(f"{experiment}: there is no seed that all its models have finished")
    if lacking := sorted({seed for each in seeds for seed in each} - set(common)):
        some = ", ".join(map(str, lacking))
        warnings.append(f"{experiment}: left out, since not every model has finished: seed {some}")
    blocks = [[(arm, each[seed]) for arm, each in zip(arms, found, strict=True)] for seed in common]
    return blocks, [*warnings, *others]
