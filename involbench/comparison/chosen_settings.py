"""Which settings are asked for: by `--set` of a command, or by the spec of an experiment."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from involbench.comparison.selection import Arm, SettingsGroup, left_out, select_groups
from involbench.comparison.settings import (
    describe_differences,
    named_settings,
    shown,
    trial_settings,
)
from involbench.errors import UsageError
from involbench.results.record import BACKENDS
from involbench.results.tree import ResultsTree, StoredRun, read_spec_summary
from involbench.spec.messages import problems_of
from involbench.spec.overrides import EVERY, apply_overrides
from involbench.spec.schema import ExperimentSpec
from involbench.spec.sweep import at_point
from involbench.spec.trial import Trial
from involbench.spec.yaml import Document
from involbench.text import dotted, first_of, suggest


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
