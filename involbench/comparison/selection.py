"""Which runs of an experiment are compared: arms, and groups of arms with the same settings."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from involbench.comparison.settings import (
    SettingsFilter,
    describe_differences,
    distinguishing_settings,
    format_setting,
    full_settings,
    named_settings,
    settings_keys,
    shared_settings,
    trial_settings,
)
from involbench.errors import UsageError
from involbench.plugins import as_recorded
from involbench.results.paths import ResultsPath
from involbench.results.tree import ResultsTree, StoredRun, read_spec_summary
from involbench.results.tuning import NO_TUNING, Tuning
from involbench.spec.schema import ExperimentSpec
from involbench.spec.sweep import at_point
from involbench.spec.trial import shared_coordinates
from involbench.text import first_of

_UNKNOWN = ("fingerprint", "result_version", "backend")
"""Settings that the record of a run lacks if it failed early; the run fits any group."""

Settings = dict[str, Any]


@dataclass(frozen=True)
class Arm:
    """The runs of one model at one sweep point, with the same settings except for the seed."""

    model: str
    point: dict[str, Any]
    runs: tuple[StoredRun, ...]
    """One for each seed, in order of seed."""
    superseded: tuple[StoredRun, ...] = ()
    """Runs that a later run with the same settings and seed replaces."""
    tuned: Settings = field(default_factory=dict)
    """The keys that were tuned, with the values that were chosen; empty if it has others."""

    @property
    def place(self) -> "Place":
        """What it shares with arms that have other settings."""
        return self.model, _text(self.point)

    @property
    def finished(self) -> list[StoredRun]:
        return [run for run in self.runs if run.record.status == "finished"]

    @property
    def shared_point(self) -> dict[str, Any]:
        """The coordinates that concern every model."""
        return shared_coordinates(self.point)

    @property
    def example(self) -> StoredRun:
        """The last run with a complete record of its settings, if there is one."""
        return next((run for run in reversed(self.runs) if run.record.data), self.runs[-1])

    @property
    def ended(self) -> tuple[str, str]:
        """When its last run ended; a sort key."""
        return max(map(_ended, self.runs))

    @property
    def size(self) -> tuple[int, tuple[str, str]]:
        """Its number of runs, and when the last one ended; a sort key."""
        return len(self.runs), self.ended


@dataclass(frozen=True)
class SettingsGroup:
    """One arm for each model and sweep point, with the same settings as far as runs exist."""

    arms: tuple[Arm, ...]
    """Ordered by sweep point, then by model."""
    settings: Settings = field(default_factory=dict)
    """Key path -> value, where the groups differ; empty if there is only one group."""

    @property
    def runs(self) -> list[StoredRun]:
        return [run for arm in self.arms for run in arm.runs]

    @property
    def size(self) -> tuple[int, tuple[str, str]]:
        """Its number of runs, and when the last one ended; a sort key."""
        return len(self.runs), max(arm.ended for arm in self.arms)


Place = tuple[str, str]
"""A model, and a sweep point as text."""
ArmsByPlace = dict[Place, list[Arm]]
"""The arms of each model and sweep point, one for each of its settings."""


def select_groups(
    runs: Iterable[StoredRun], order: Sequence[str], tuning: Tuning = NO_TUNING
) -> list[SettingsGroup]:
    """Group the runs by their settings, the group with the most runs first.

    Every run is in a group, or superseded. If a model was run with several settings, each of its
    arms joins the arms of other models with the same data and training, but for what was tuned for
    each. A model that was run with only one joins every group that it fits. Models that are not in
    `order` follow by name.
    """
    known = list(runs)
    by_backend = len({run.record.run_id for run in known}) < len(known)
    by_place: dict[Place, list[StoredRun]] = {}
    for run in known:
        trial = run.record.trial
        point = _text(trial.point) if trial.point else "{}"
        by_place.setdefault((trial.model, point), []).append(run)
    places = {place: _arms(group, by_backend, tuning) for place, group in by_place.items()}
    if not places:
        return []
    if all(len(arms) == 1 for arms in places.values()):
        return [SettingsGroup(_sorted([arm for (arm,) in places.values()], order))]
    groups = [
        SettingsGroup(_sorted(arms, order))
        for part in _by_shared_settings(places, by_backend)
        for arms in _variants(part)
    ]
    groups.sort(key=lambda group: group.size, reverse=True)
    settings = distinguishing_settings(
        [[(arm.example, arm.point) for arm in group.arms] for group in groups], by_backend
    )
    return [replace(g, settings=each) for g, each in zip(groups, settings, strict=True)]


def left_out(groups: Sequence[SettingsGroup], chosen: SettingsGroup) -> list[str]:
    """A warning for each arm that has further runs in other groups only."""
    by_place: dict[Place, dict[ResultsPath, StoredRun]] = {}
    for arm in (arm for group in groups if group is not chosen for arm in group.arms):
        by_place.setdefault(arm.place, {}).update({run.path: run for run in arm.runs})
    found = []
    for arm in chosen.arms:
        these = {run.path for run in arm.runs}
        others = [run for path, run in by_place.get(arm.place, {}).items() if path not in these]
        found += [_left_out_warning(arm, others)] if others else []
    return found


def superseded(group: SettingsGroup) -> list[str]:
    """A warning for each arm with superseded runs."""
    return [_left_out_warning(arm, arm.superseded) for arm in group.arms if arm.superseded]


def _arms(group: list[StoredRun], by_backend: bool, tuning: Tuning) -> list[Arm]:
    """One arm for each settings among the runs of one model and sweep point."""
    by_settings: list[tuple[Settings, list[StoredRun]]] = []
    in_order = sorted(group, key=_ended)
    keyed = zip(settings_keys(in_order, by_backend), in_order, strict=True)
    # Runs with incomplete settings come last, so that they can join a complete arm.
    for key, run in sorted(keyed, key=lambda pair: None in (pair[0].get(k, "") for k in _UNKNOWN)):
        fitting = [runs for other, runs in by_settings if _same(key, other)]
        if fitting:
            max(fitting, key=lambda runs: _ended(runs[-1])).append(run)
        else:
            by_settings.append((key, [run]))
    return [_arm(runs, tuning) for _, runs in by_settings]


def _arm(runs: list[StoredRun], tuning: Tuning) -> Arm:
    kept: dict[int, StoredRun] = {}
    earlier = []
    for run in sorted(runs, key=_ended):
        seed = run.record.trial.seed
        if seed in kept:
            earlier.append(kept[seed])
        kept[seed] = run
    trial = runs[0].record.trial
    by_seed = tuple(kept[seed] for seed in sorted(kept))
    marked = next((run.record.trial for run in runs if run.record.trial.tuned), trial)
    return Arm(trial.model, trial.point, by_seed, tuple(earlier), tuning.tuned(marked))


def _by_shared_settings(places: ArmsByPlace, by_backend: bool) -> list[ArmsByPlace]:
    """The arms by their shared settings; parts without a place in common are joined.

    So a model that was run with other settings only is still compared, with a warning.
    """
    by_settings: dict[str, ArmsByPlace] = {}
    every = [(place, arm) for place, arms in places.items() for arm in arms]
    for place, arm in every:
        keys = {**arm.point, **arm.tuned}
        shared = _text([sorted(arm.tuned), shared_settings(arm.example, keys, by_backend)])
        by_settings.setdefault(shared, {}).setdefault(place, []).append(arm)
    for place, arm in every:  # The chosen values may be those that others have without `tune`.
        shared = _text([[], shared_settings(arm.example, arm.point, by_backend)])
        if arm.tuned and shared in by_settings:
            by_settings[shared].setdefault(place, []).append(arm)
    parts: list[ArmsByPlace] = []

    def size(part: ArmsByPlace) -> tuple[int, tuple[str, str]]:
        return SettingsGroup(tuple(chain.from_iterable(part.values()))).size

    for part in sorted(by_settings.values(), key=size, reverse=True):
        fitting = next((each for each in parts if each.keys().isdisjoint(part)), None)
        if fitting is None:
            parts.append(part)
        else:
            fitting.update(part)
    return parts


def _variants(places: ArmsByPlace) -> list[list[Arm]]:
    """Lists of one arm for each place: the largest of each, then variants with other arms.

    Arms of several models that differ from the largest in the same way are in one variant.
    """
    largest = {place: max(arms, key=lambda arm: arm.size) for place, arms in places.items()}
    changed: dict[str, dict[Place, Arm]] = {}
    for place, arms in places.items():
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


def _left_out_warning(arm: Arm, others: Sequence[StoredRun]) -> str:
    latest = max(arm.runs, key=_ended)
    what = describe_differences([full_settings(run) for run in others], full_settings(latest))
    noun = "run" if len(others) == 1 else "runs"
    reason = what or "made by another version of involbench"
    return f"left out {len(others)} {noun} of {arm.model} with other settings: {reason}"


def _same(settings: Settings, other: Settings) -> bool:
    """Whether all settings that both have are the same."""
    if settings is other or settings == other:
        return True
    unknown = [key for key in _UNKNOWN if None in (settings.get(key, ""), other.get(key, ""))]
    blank = dict.fromkeys(unknown)
    return bool(unknown) and {**settings, **blank} == {**other, **blank}


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
    """No run of an experiment has the settings that `--set` chooses."""


def choose_groups(
    experiment: str, groups: Sequence[SettingsGroup], overrides: Sequence[str]
) -> list[SettingsGroup]:
    """Keep the runs that have the settings of `--set`, see `SettingsFilter`.

    A setting of one model does not restrict the other models. If a setting is swept, only the
    sweep points that have it are kept.

    Raises:
        NoSuchRun: No run has these settings.
        UsageError, SpecError: See `SettingsFilter.matches`.
    """
    if not overrides or not groups:
        return list(groups)
    models = list(dict.fromkeys(arm.model for group in groups for arm in group.arms))
    settings, found = SettingsFilter(overrides, models), []
    for group in groups:
        kept = ((arm, tuple(filter(settings.matches, arm.runs))) for arm in group.arms)
        arms = tuple(replace(arm, runs=runs) for arm, runs in kept if runs)
        if arms and settings.required_models() <= {arm.model for arm in arms}:
            found.append(replace(group, arms=arms))
    if not found:
        reason = settings.fault or (
            f"no run of {experiment} has these settings; {_existing_values(groups, settings.keys)}"
        )
        raise NoSuchRun(f"--set {', '.join(overrides)}: {reason}")
    return found


def _existing_values(groups: Sequence[SettingsGroup], keys: Sequence[str]) -> str:
    """The values of some keys that runs have."""
    found: dict[str, dict[str, None]] = {key: {} for key in keys}
    for run in (arm.example for group in groups for arm in group.arms):
        settings = {**named_settings(run), "backend": run.record.backend}
        for key in keys:
            for name in (key, f"{key}.name"):
                if name in settings:
                    found[key][format_setting(settings[name])] = None
    known = [f"{key} {first_of(list(values), 8)}" for key, values in found.items() if values]
    return f"the runs have {'; '.join(known)}" if known else "`involbench show RUN` lists settings"


def stated_group(
    groups: Sequence[SettingsGroup], values: Mapping[str, Any], tuning: Tuning = NO_TUNING
) -> tuple[SettingsGroup, str | None]:
    """The group that has the settings of the spec, else the one whose last run ended last.

    `values` is the content of the spec, valid or not, and `tuning` what was chosen by it. Also
    returns how the group differs from the spec; None where the spec can't say.
    """
    differences = [_group_difference(group, values, tuning) for group in groups]
    stated = [group for group, how in zip(groups, differences, strict=True) if how == ""]
    chosen = max(stated or groups, key=lambda group: group.size[1])
    return chosen, differences[list(groups).index(chosen)]


def _group_difference(
    group: SettingsGroup, values: Mapping[str, Any], tuning: Tuning
) -> str | None:
    """How a group differs from the spec; None where the spec can't say."""
    arms: dict[str, Arm] = {}
    for arm in group.arms:  # Further arms of a model differ from it in swept values only.
        arms.setdefault(f"{arm.model} {sorted(arm.point)}", arm)
    phrases = [_arm_difference(arm, values, tuning) for arm in arms.values()]
    known = [phrase for phrase in phrases if phrase is not None]
    if not known:
        return None
    return "; ".join(dict.fromkeys("; ".join(filter(None, known)).split("; ")))


def _arm_difference(arm: Arm, values: Mapping[str, Any], tuning: Tuning) -> str | None:
    choice = tuning.choice(arm.model, arm.point)
    tuned = choice.values if choice else arm.tuned if values.get("tune") else {}
    try:
        with as_recorded():
            spec = ExperimentSpec.model_validate(at_point(dict(values), {**arm.point, **tuned}))
    except ValueError:
        return None
    if arm.model not in spec.models:
        return None
    trial = arm.example.record.trial
    architecture = spec.models[arm.model]
    if getattr(architecture, "match", None) is not None:
        architecture = trial.architecture  # The spec does not have the width that was found.
    sections = {name: getattr(spec, name) for name in ("data", "training", "evaluate")}
    stated = trial.model_copy(update={"architecture": architecture, **sections})
    if stated.settings("") == trial.settings(""):
        return ""
    return describe_differences([trial_settings(trial)], trial_settings(stated))


Block = list[tuple[Arm, StoredRun]]


def seed_blocks(tree: ResultsTree, experiment: str) -> tuple[list[Block], list[str]]:
    """For each seed that every model has finished, its runs, the baseline first; and warnings.

    Raises:
        UsageError: There is no such seed.
        ResultsError: The experiment can't be read.
    """
    runs, warnings = tree.runs(experiment)
    summary = read_spec_summary(tree.folder(experiment))
    groups, arms, others = (
        select_groups(runs, summary.models, summary.tuning),
        list[Arm](),
        list[str](),
    )
    if groups:
        chosen, _ = stated_group(groups, summary.values, summary.tuning)
        arms = sorted(chosen.arms, key=lambda arm: arm.model != summary.baseline)
        others = left_out(groups, chosen)
    by_seed = [{run.record.trial.seed: run for run in arm.finished} for arm in arms]
    common = sorted(set.intersection(*map(set, by_seed))) if by_seed else []
    if not common:
        raise UsageError(f"{experiment}: no seed has a finished run of every model")
    if incomplete := sorted({seed for each in by_seed for seed in each} - set(common)):
        some = ", ".join(map(str, incomplete))
        warnings.append(f"{experiment}: left out seed {some}: not every model has finished it")
    blocks = [
        [(arm, each[seed]) for arm, each in zip(arms, by_seed, strict=True)] for seed in common
    ]
    return blocks, [*warnings, *others]
