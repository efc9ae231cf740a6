"""What a run was made with, and how two of them differ."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from involbench.results.record import BACKENDS
from involbench.results.tree import StoredRun
from involbench.spec.overrides import EVERY
from involbench.spec.trial import NON_RESULT_FIELDS, Trial

_VERSIONS = ("involbench", "keras", *BACKENDS, "numpy")
_FINGERPRINT = "dataset fingerprint"
_UNSET = "unset"
_BACKEND = "backend"
_VERSION = "involbench"
_ARCHITECTURE = "architecture."

VARIABLES = "environment variables"
NONE = "none"
"""In place of environment variables where none was set that can change last digits."""


def settings_key(run: StoredRun, by_backend: bool = False) -> dict[str, Any]:
    """What runs of one arm have in common: everything that decides the result but the seed.

    A run's id is a hash of its settings. Where it is not the one that this version would give,
    the run was made by a version whose results are not the same.

    Args:
        run: The run.
        by_backend: Whether the backend is one of the settings, as where trials were run on several.
    """
    record = run.record
    fingerprint = record.data.fingerprint if record.data else None
    settings = record.trial.settings(fingerprint or "")
    current = record.trial.run_id_with(settings) == record.run_id if fingerprint else None
    backend = {_BACKEND: record.backend} if by_backend else {}
    return {**settings, "fingerprint": fingerprint, "result_version": current, **backend}


def shared_settings(run: StoredRun, point: Mapping[str, Any], by_backend: bool) -> dict[str, Any]:
    """What runs of several models have in common: how they were trained, but for what is swept."""
    settings = dict(_flatten({**settings_key(run, by_backend), "architecture": {}}))
    if any(key.startswith("data.") for key in point):
        del settings["fingerprint"]  # Other images may be what is swept.
    return _without(settings, point)


def full_settings(run: StoredRun) -> dict[str, Any]:
    """Key path -> value for everything that decides the result, defaults included."""
    settings = trial_settings(run.record.trial)
    if run.record.data:
        settings[_FINGERPRINT] = run.record.data.fingerprint[:12]
    return settings


def telling_apart(
    groups: Sequence[Sequence[tuple[StoredRun, Mapping[str, Any]]]], by_backend: bool
) -> list[dict[str, Any]]:
    """Key path -> value of the settings that not all groups of runs share, for each group.

    Args:
        groups: Of each group, a run of each model and sweep point, with the point.
        by_backend: Whether the backend is one of the settings.

    Returns:
        Keys as `run --set` takes them. A value is text, such as `20 and 2`, where a group has
        several; of a key that it does not have, it is `unset`.
    """
    found = [_values_of(group, by_backend) for group in groups]
    keys = [key for key in dict.fromkeys(chain.from_iterable(found)) if _is_telling(key, found)]
    if any(key.startswith("data.") for key in keys) and _FINGERPRINT in keys:
        keys.remove(_FINGERPRINT)
    return [
        {key: _together(values.get(key, {})) for key in keys if _concerns(key, values)}
        for values in found
    ]


def _values_of(
    group: Sequence[tuple[StoredRun, Mapping[str, Any]]], by_backend: bool
) -> dict[str, dict[str, Any]]:
    """Key path -> the values that a group has, by their text."""
    values: dict[str, dict[str, Any]] = {}
    for run, point in group:
        settings = _without(named_settings(run), point)
        if by_backend and run.record.backend:
            settings[_BACKEND] = run.record.backend
        current = settings_key(run)["result_version"]
        if current is not None:
            settings[_VERSION] = "this version" if current else "another version"
        for key, value in settings.items():
            values.setdefault(key, {})[shown(value)] = value
    return values


def named_settings(run: StoredRun) -> dict[str, Any]:
    """Key path -> value of a run's settings, by the keys that a spec has."""
    model = run.record.trial.model
    return {
        f"models.{model}.{key.removeprefix(_ARCHITECTURE)}"
        if key.startswith(_ARCHITECTURE)
        else key: value
        for key, value in full_settings(run).items()
    }


def _is_telling(key: str, found: Sequence[Mapping[str, Mapping[str, Any]]]) -> bool:
    """Whether groups have different values; one without the model of the key has none."""
    sets = {tuple(sorted(values.get(key, ()))) for values in found if _concerns(key, values)}
    return len(sets) > 1 and key.removeprefix("training.") not in NON_RESULT_FIELDS


def _concerns(key: str, values: Mapping[str, Any]) -> bool:
    model = key.split(".")[1] if key.startswith("models.") else ""
    return not model or f"models.{model}.architecture" in values


def _together(values: Mapping[str, Any]) -> Any:
    if len(values) == 1:
        return next(iter(values.values()))
    return " and ".join(values) or _UNSET


def _without(settings: dict[str, Any], point: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without those that are swept, of all models or of one."""
    swept = tuple(f"{key}." for key in point)
    return {key: value for key, value in settings.items() if not _is_below(key, swept)}


def _is_below(key: str, swept: tuple[str, ...]) -> bool:
    """Whether a key is swept, or part of something that is."""
    head, _, rest = key.partition(".")
    every = f"models.{EVERY}.{rest.partition('.')[2]}." if head == "models" else ""
    return f"{key}.".startswith(swept) or every.startswith(swept)


def trial_settings(trial: Trial) -> dict[str, Any]:
    """Key path -> value for everything that a trial says of model, data and training."""
    nested = trial.model_dump(
        mode="json",
        include={"architecture": True, "data": True, "training": True},
        exclude={"data": {"path"}},
    )
    tested = {"evaluate": trial.evaluate.model_dump(mode="json", exclude_defaults=True)}
    return dict(_flatten(nested | tested))


def protocol(run: StoredRun) -> dict[str, Any]:
    """The settings that models must share to be compared fairly: data and training."""
    settings = full_settings(run)
    return {key: value for key, value in settings.items() if not key.startswith("architecture")}


def environment(run: StoredRun) -> dict[str, str]:
    """The versions, variables and hardware that a run was made with, as far as recorded."""
    record = run.record
    found = {name: record.versions[name] for name in _VERSIONS if name in record.versions}
    if record.environment is not None:
        found[VARIABLES] = ", ".join(f"{k}={v}" for k, v in record.environment.items()) or NONE
    if record.hardware:
        cores = record.hardware.cores
        cpu = f"{record.hardware.cpu}, {cores} core{'' if cores == 1 else 's'}"
        found |= {"cpu": cpu, "device": record.hardware.trained_on}
    return found


def describe_differences(others: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any]) -> str:
    """One phrase a key, such as `training.epochs 2, not 20`; empty where nothing differs.

    A run that failed before it saw its data has no fingerprint, which is no difference.
    """
    phrases = []
    for key in dict.fromkeys([*wanted, *(key for other in others for key in other)]):
        sides = [wanted, *others]
        if key == _FINGERPRINT:
            sides = [side for side in sides if key in side]
        expected, *seen = (shown(side.get(key, _UNSET)) for side in sides)
        different = [value for value in dict.fromkeys(seen) if value != expected]
        if different:
            phrases.append(f"{key} {' and '.join(different)}, not {expected}")
    return "; ".join(phrases)


def _flatten(nested: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in nested.items():
        path = f"{prefix}.{key}".strip(".")
        if isinstance(value, dict):
            yield from _flatten(value, path)
        else:
            yield path, value


def shown(value: Any) -> str:
    """A setting's value, as tables and messages write it."""
    if value is None:
        return "default"
    return "[" + ", ".join(map(str, value)) + "]" if isinstance(value, list) else str(value)
