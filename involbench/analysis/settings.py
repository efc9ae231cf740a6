"""What a run was made with, and how two of them differ."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from involbench.results.reading import StoredRun
from involbench.results.record import BACKENDS
from involbench.spec.trial import Trial

_VERSIONS = ("involbench", "keras", *BACKENDS, "numpy")
_FINGERPRINT = "dataset fingerprint"
_UNSET = "unset"

VARIABLES = "environment variables"
NONE = "none"
"""In place of environment variables where none was set that can change last digits."""


def settings_key(run: StoredRun) -> dict[str, Any]:
    """What runs of one arm have in common: everything that decides the result but the seed.

    A run's id is a hash of its settings. Where it is not the one that this version would give,
    the run was made by a version whose results are not the same.
    """
    record = run.record
    fingerprint = record.data.fingerprint if record.data else None
    settings = record.trial.settings(fingerprint or "")
    current = fingerprint is None or record.trial.run_id_with(settings) == record.run_id
    return {**settings, "fingerprint": fingerprint, "result_version": current}


def full_settings(run: StoredRun) -> dict[str, Any]:
    """Key path -> value for everything that decides the result, defaults included."""
    settings = trial_settings(run.record.trial)
    if run.record.data:
        settings[_FINGERPRINT] = run.record.data.fingerprint[:12]
    return settings


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
