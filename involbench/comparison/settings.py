"""The settings of a run: how two runs differ, and which runs have given settings."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from pydantic import ValidationError

from involbench.errors import UsageError
from involbench.results.record import BACKENDS, RunRecord
from involbench.results.tree import StoredRun
from involbench.spec.messages import problems_of
from involbench.spec.overrides import EVERY, apply_overrides
from involbench.spec.schema import ExperimentSpec
from involbench.spec.trial import NON_RESULT_FIELDS, Trial, run_ids
from involbench.spec.yaml import Document
from involbench.text import dotted, suggest

_VERSIONS = ("involbench", "keras", *BACKENDS, "numpy")
_FINGERPRINT = "dataset fingerprint"
_UNSET = "unset"
_BACKEND = "backend"
_VERSION = "involbench"
_ARCHITECTURE = "architecture."
_CODE = "code of "
_SECTIONS = ("data", "training", "evaluate")

VARIABLES = "environment variables"
NONE = "none"
"""In place of environment variables, where none was set that can change the last digits."""


def trial_settings(trial: Trial) -> dict[str, Any]:
    """Key path -> value for the model, data and training of a trial, and for its plugins."""
    nested = trial.model_dump(
        mode="json",
        include={"architecture": True, "data": True, "training": True},
        exclude={"data": {"path"}},
    )
    tested = {"evaluate": trial.evaluate.model_dump(mode="json", exclude_defaults=True)}
    code = {f"{_CODE}{name}": sha256[:12] for name, sha256 in trial.plugins.items()}
    return dict(_flatten(nested | tested)) | code


def full_settings(run: StoredRun) -> dict[str, Any]:
    """Key path -> value for everything that decides the result, defaults included."""
    settings = trial_settings(run.record.trial)
    if run.record.data:
        settings[_FINGERPRINT] = run.record.data.fingerprint[:12]
    return settings


def named_settings(run: StoredRun) -> dict[str, Any]:
    """The full settings of a run, with the keys that a spec has."""
    model = f"models.{run.record.trial.model}."
    settings = full_settings(run)
    return {
        model + key.removeprefix(_ARCHITECTURE) if key.startswith(_ARCHITECTURE) else key: value
        for key, value in settings.items()
    }


def protocol(run: StoredRun) -> dict[str, Any]:
    """The settings of data and training, which should be the same for all models."""
    settings = full_settings(run)
    of_the_model = ("architecture", _CODE)
    return {key: value for key, value in settings.items() if not key.startswith(of_the_model)}


def settings_keys(runs: Sequence[StoredRun], by_backend: bool = False) -> list[dict[str, Any]]:
    """For each run, all that decides its result except the seed: the same in all runs of an arm.

    A run id is a hash of the settings. If this version computes another id, an earlier version
    made the run, and its results are not comparable. Records that were read together have the same
    objects in their trials; their runs get the same object here.
    """
    known, found = dict[tuple[object, ...], Any](), list[dict[str, Any]]()
    for record in (run.record for run in runs):
        trial, fingerprint = record.trial, record.data.fingerprint if record.data else None
        backend = {_BACKEND: record.backend} if by_backend else {}
        objects = trial.architecture, trial.data, trial.training, trial.evaluate, trial.plugins
        same = (*map(id, objects), fingerprint, *backend.values())
        if same not in known:
            settings = trial.settings(fingerprint or "")
            keys = {
                current: {
                    **settings,
                    "fingerprint": fingerprint,
                    "result_version": current,
                    **backend,
                }
                for current in (True, False, None)
            }
            known[same] = run_ids(settings), keys
        run_id, keys = known[same]
        found.append(keys[run_id(trial) == record.run_id if fingerprint else None])
    return found


def shared_settings(run: StoredRun, point: Mapping[str, Any], by_backend: bool) -> dict[str, Any]:
    """The settings that runs of several models can share: no architecture, nothing swept."""
    of_the_model: dict[str, Any] = {"architecture": {}, "plugins": {}}
    settings = dict(_flatten({**settings_keys([run], by_backend)[0], **of_the_model}))
    if any(key.startswith("data.") for key in point):
        del settings["fingerprint"]  # The sweep may change the images.
    return without_keys(settings, point)


def environment(record: RunRecord) -> dict[str, str]:
    """The recorded versions, environment variables and hardware of a run."""
    found = {name: record.versions[name] for name in _VERSIONS if name in record.versions}
    if record.environment is not None:
        found[VARIABLES] = ", ".join(f"{k}={v}" for k, v in record.environment.items()) or NONE
    if record.hardware:
        cores = record.hardware.cores
        cpu = f"{record.hardware.cpu}, {cores} core{'' if cores == 1 else 's'}"
        found |= {"cpu": cpu, "device": record.hardware.trained_on}
    return found


def describe_differences(others: Sequence[Mapping[str, Any]], expected: Mapping[str, Any]) -> str:
    """One phrase for each key, such as `training.epochs 2, not 20`; empty without differences.

    A run that failed before it read its data has no fingerprint. That is no difference.
    """
    phrases = []
    for key in dict.fromkeys(chain(expected, *others)):
        sides = [expected, *others]
        if key == _FINGERPRINT:
            sides = [side for side in sides if key in side]
        first, *values = (format_setting(side.get(key, _UNSET)) for side in sides)
        different = [value for value in dict.fromkeys(values) if value != first]
        if different:
            phrases.append(f"{key} {' and '.join(different)}, not {first}")
    return "; ".join(phrases)


def format_setting(value: Any) -> str:
    """The value of a setting in tables and messages."""
    if value is None:
        return "default"
    return "[" + ", ".join(map(str, value)) + "]" if isinstance(value, list) else str(value)


def distinguishing_settings(
    groups: Sequence[Sequence[tuple[StoredRun, Mapping[str, Any]]]], by_backend: bool
) -> list[dict[str, Any]]:
    """For each group of runs, key path -> value of the settings in which the groups differ.

    A group has a run of each model and sweep point, with the point. Keys are as `run --set` takes
    them. The value is text, such as `20 and 2`, where a group has several, and `unset` where it
    does not have the key.
    """
    found = [_group_values(group, by_backend) for group in groups]
    keys = []
    for key in dict.fromkeys(chain.from_iterable(found)):
        sets = {tuple(sorted(each.get(key, ()))) for each in found if _applies(key, each)}
        if len(sets) > 1 and key.removeprefix("training.") not in NON_RESULT_FIELDS:
            keys.append(key)
    if any(key.startswith("data.") for key in keys) and _FINGERPRINT in keys:
        keys.remove(_FINGERPRINT)

    def joined(values: Mapping[str, Any]) -> Any:
        only = next(iter(values.values()), _UNSET)
        return only if len(values) < 2 else " and ".join(values)

    return [
        {key: joined(values.get(key, {})) for key in keys if _applies(key, values)}
        for values in found
    ]


def _group_values(
    group: Sequence[tuple[StoredRun, Mapping[str, Any]]], by_backend: bool
) -> dict[str, dict[str, Any]]:
    """Key path -> the values in a group, by their text."""
    values: dict[str, dict[str, Any]] = {}
    for run, point in group:
        settings = without_keys(named_settings(run), point)
        if by_backend and run.record.backend:
            settings[_BACKEND] = run.record.backend
        current = settings_keys([run])[0]["result_version"]
        if current is not None:
            settings[_VERSION] = "this version" if current else "another version"
        for key, value in settings.items():
            values.setdefault(key, {})[format_setting(value)] = value
    return values


def _applies(key: str, values: Mapping[str, Any]) -> bool:
    model = key.split(".")[1] if key.startswith("models.") else ""
    return not model or f"models.{model}.architecture" in values


def without_keys(settings: Mapping[str, Any], point: Iterable[str]) -> dict[str, Any]:
    """The settings without those at some key paths, for one model or for all, and below them."""
    swept = tuple(f"{key}." for key in point)

    def is_swept(key: str) -> bool:
        head, _, rest = key.partition(".")
        every = f"models.{EVERY}.{rest.partition('.')[2]}." if head == "models" else ""
        return f"{key}.".startswith(swept) or every.startswith(swept)

    return {key: value for key, value in settings.items() if not is_swept(key)}


def _flatten(nested: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in nested.items():
        path = f"{prefix}.{key}".strip(".")
        if isinstance(value, dict):
            yield from _flatten(value, path)
        else:
            yield path, value


class SettingsFilter:
    """The runs that `--set` chooses: those whose trials would stay the same with it.

    The overrides are `KEY=VALUE`, as `run --set` takes them, or `backend=NAME`.
    """

    def __init__(self, overrides: Sequence[str], models: Sequence[str]) -> None:
        self.keys = [override.partition("=")[0].strip() for override in overrides]
        """The keys that are set."""
        self.fault = ""
        """Why the settings are not valid for the first run of which they are not."""
        self._overrides = overrides
        self._models = models
        self._cached: dict[str, bool] = {}

    def required_models(self) -> set[str]:
        """The models that have settings of their own in the filter."""
        paths = (key.split(".") for key in self.keys)
        return {path[1] for path in paths if path[0] == "models" and path[1:2] != [EVERY]}

    def matches(self, run: StoredRun) -> bool:
        """Whether a run has the settings.

        Raises:
            SpecError: An override is not of the form `KEY=VALUE`.
            UsageError: Its key can't choose runs.
        """
        trial = run.record.trial.model_dump_json(exclude={"seed", "point", "experiment"})
        key = f"{run.record.backend} {trial}"
        if key not in self._cached:
            self._cached[key] = self._matches(run.record.trial, run.record.backend)
        return self._cached[key]

    def _matches(self, trial: Trial, backend: str | None) -> bool:
        given = trial.model_dump(exclude_unset=True)
        values = {"models": {trial.model: given["architecture"]}, "backend": backend}
        values |= {section: given.get(section, {}) for section in _SECTIONS}
        document = Document("", "", dict(values))
        document.refuse(apply_overrides(document, self._overrides))
        new = document.value
        self._check_keys(new, values)
        kept = {section: new[section] for section in _SECTIONS if new[section] is not None}
        architecture = new["models"].get(trial.model)
        try:
            changed = Trial.model_validate({**given, **kept, "architecture": architecture})
        except ValidationError:
            spec = {"name": trial.experiment, **kept, "models": new["models"]}
            try:
                ExperimentSpec.model_validate(spec)
            except ValidationError as error:
                faults = (f"{dotted(each.path)}: {each.message}" for each in problems_of(error))
                self.fault = self.fault or "; ".join(faults)
            self.fault = self.fault or "not valid"
            return False
        return changed == trial and new["backend"] == backend

    def _check_keys(self, new: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        for key in new:
            if key not in known:
                hint = suggest(key, list(known))
                raise UsageError(f"--set {key}: runs can't be chosen by this key; {hint}")
        if not isinstance(new["models"], dict):
            raise UsageError("--set models: expected models.NAME.KEY")
        for model in new["models"]:
            if model not in self._models:
                hint = suggest(model, self._models)
                raise UsageError(f"--set models.{model}: no run of that model; {hint}")
        if new["backend"] not in (None, *BACKENDS):
            raise UsageError(f"--set backend={new['backend']}: expected {', '.join(BACKENDS)}")
