"""Which of an experiment's runs belong together, and which are left over from other settings."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from involbench.analysis.settings import describe_differences, full_settings, settings_key
from involbench.results.reading import StoredRun
from involbench.spec.trial import shared_coordinates


@dataclass(frozen=True)
class Arm:
    """The runs of one model at one point of the sweep: alike in everything but the seed."""

    model: str
    point: dict[str, Any]
    runs: tuple[StoredRun, ...]
    """In order of seed, one a seed."""

    @property
    def finished(self) -> list[StoredRun]:
        return [run for run in self.runs if run.record.status == "finished"]

    @property
    def shared_point(self) -> dict[str, Any]:
        """The coordinates that concern every model, so that arms of it are side by side."""
        return shared_coordinates(self.point)


def select_arms(runs: Iterable[StoredRun], order: Sequence[str]) -> tuple[list[Arm], list[str]]:
    """Group the runs by model and sweep point, keeping of each the settings that ran last.

    Args:
        runs: All runs of one experiment.
        order: Models in the order wanted; others follow by name.

    Returns:
        The arms, by sweep point and then in order of the models, and a warning for each arm of
        which runs with other settings were left out.
    """
    places: dict[tuple[str, str], list[StoredRun]] = {}
    for run in runs:
        trial = run.record.trial
        places.setdefault((trial.model, _text(trial.point)), []).append(run)
    arms, warnings = [], []
    for group in places.values():
        arm, left_out = _latest_settings(group)
        arms.append(arm)
        warnings += left_out
    rank = {model: place for place, model in enumerate(order)}
    arms.sort(
        key=lambda arm: (
            _point_order(arm.shared_point),
            rank.get(arm.model, len(rank)),
            arm.model,
            _point_order(arm.point),
        )
    )
    return arms, warnings


def _latest_settings(group: Sequence[StoredRun]) -> tuple[Arm, list[str]]:
    """The runs that share their settings with the one that ended last."""
    latest = max(group, key=_ended)
    wanted = settings_key(latest)
    kept: dict[int, StoredRun] = {}
    others: list[StoredRun] = []
    for run in sorted(group, key=_ended):
        if not _same(settings_key(run), wanted):
            others.append(run)
            continue
        seed = run.record.trial.seed
        if seed in kept:
            others.append(kept[seed])
        kept[seed] = run
    trial = latest.record.trial
    arm = Arm(trial.model, trial.point, tuple(kept[seed] for seed in sorted(kept)))
    return arm, [_left_out(trial.model, others, latest)] if others else []


def _left_out(model: str, others: Sequence[StoredRun], latest: StoredRun) -> str:
    noun = "run" if len(others) == 1 else "runs"
    what = describe_differences([full_settings(run) for run in others], full_settings(latest))
    reason = what or "made by another version of involbench"
    return f"{len(others)} {noun} of {model} with other settings left out: {reason}"


def _same(settings: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether they agree. A run that failed before it saw its data has no fingerprint to differ."""
    if settings["fingerprint"] is None or wanted["fingerprint"] is None:
        settings, wanted = ({**each, "fingerprint": None} for each in (settings, wanted))
    return settings == wanted


def _ended(run: StoredRun) -> tuple[str, str]:
    return run.record.ended, run.record.run_id


def _text(point: dict[str, Any]) -> str:
    return json.dumps(point, sort_keys=True)


def _point_order(point: dict[str, Any]) -> list[tuple[str, int, float, str]]:
    """A sort key: numbers by size, everything else as text."""
    return [
        (key, 0, float(value), "")
        if isinstance(value, int | float)
        else (key, 1, 0.0, json.dumps(value))
        for key, value in sorted(point.items())
    ]
