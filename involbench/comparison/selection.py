"""Which runs of an experiment belong together, by their settings."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from involbench.comparison.settings import (
    describe_differences,
    full_settings,
    settings_key,
    shared_settings,
    telling_apart,
)
from involbench.results.paths import ResultsPath
from involbench.results.tree import StoredRun
from involbench.spec.trial import shared_coordinates

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
