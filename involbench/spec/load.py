"""From the file of a spec, or a network named on the command line, to trials."""

import shlex
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from math import prod
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from involbench.errors import SpecError, UsageError
from involbench.plugins import imported, load_installed
from involbench.registry import architectures
from involbench.regular_file import open_regular
from involbench.spec.messages import problems_of
from involbench.spec.overrides import apply_overrides, as_yaml, plain_value, with_assignments
from involbench.spec.schema import EvaluateSpec, ExperimentSpec, baseline_fault
from involbench.spec.sweep import MAX_TRIALS, Point, at_point, blamed, grid_problems, sweep_points
from involbench.spec.trial import Trial, one_seed_each, plugins_of, relevant_coordinates
from involbench.spec.tune import Grid
from involbench.spec.yaml import Document, NotYaml, Problem, parse
from involbench.text import KeyPath, describe, nearest

BUILT_IN = "built-in digits"
MAX_BYTES = 2**18


@dataclass(frozen=True)
class LoadedSpec:
    """A valid spec, and the file that it was read from."""

    spec: ExperimentSpec
    source: str
    """The text of the file, with the overrides in it and its comments kept."""
    path: str
    """The file as messages name it."""
    document: Document
    """Where each key stands."""

    @property
    def source_for_results(self) -> str:
        """The source with `data.validation`; without, results are of an earlier version."""
        if "validation" in self.spec.data.model_fields_set:
            return self.source
        return with_assignments(self.source, [(("data", "validation"), self.spec.data.validation)])


def shipped_experiments() -> dict[str, Traversable]:
    """The experiment files that come with involbench, by name."""
    packaged = files("involbench") / "experiments"
    # A checkout has them beside the package.
    folder = packaged if packaged.is_dir() else Path(__file__).parents[2] / "experiments"
    found = list(folder.iterdir()) if folder.is_dir() else []
    return {
        each.name.removesuffix(".yaml"): each
        for each in sorted(found, key=lambda each: each.name)
        if each.name.endswith(".yaml")
    }


def load_spec(
    path: Path | None, overrides: Sequence[str] = (), origin: str = "--set"
) -> LoadedSpec:
    """Read and validate a spec; without a path, the built-in digits experiment.

    Args:
        path: The YAML file, or the name of an experiment that comes with involbench. A file of
            that name comes first.
        overrides: `KEY=VALUE` each, with a key path and a value in YAML.
        origin: What messages call an override.

    Raises:
        SpecError: The file cannot be read or the spec is not valid. The message has every
            problem, each with its place, the line it is in, and what was expected.
    """
    name = BUILT_IN if path is None else str(path)
    content = _read(path)
    try:
        source = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SpecError(f"{name}:{line}: not UTF-8 text; save the file as UTF-8") from None
    return _loaded(*_document(source, name), overrides, origin)


def load_mapping(
    values: Mapping[str, Any], overrides: Sequence[str] = (), origin: str = "--set"
) -> LoadedSpec:
    """Validate a spec that is no file; its `source` is YAML that says the same.

    Tuples and ranges are read as lists, paths as text, and numbers of NumPy as numbers.

    Raises:
        SpecError: As `load_spec`, with key paths and no lines.
    """
    name = "spec"
    try:
        source = as_yaml(plain_value(values))
    except ValueError as error:
        raise SpecError(f"{name}: {error}") from None
    document, problems = _document(source, name)
    for places in (document.keys, document.values):
        places.update(dict.fromkeys(places, name))
    problems = [replace(problem, place=None) for problem in problems]
    return _loaded(document, problems, overrides, origin)


def _loaded(
    document: Document, problems: list[Problem], overrides: Sequence[str], origin: str
) -> LoadedSpec:
    name = document.name
    problems += apply_overrides(document, overrides, origin)
    document.refuse(_missing_plugins(document.value, Path(name)))
    spec, invalid = _validated(document.value)
    if invalid and load_installed():
        spec, invalid = _validated(document.value)
    unread = {problem.path for problem in problems if problem.path and not problem.at_key}
    found = invalid + grid_problems(document.value, invalid)
    problems += [p for p in found if p.at_key or not _follows(p.path, unread, document)]
    document.refuse(problems)
    assert spec is not None  # else there was a problem
    kinds = len(spec.models) * prod(map(len, spec.sweep.values()))
    tuned = len(spec.tune.seeds) * prod(map(len, spec.tune.grid.values())) if spec.tune.grid else 0
    trials = kinds * (len(spec.seeds) + tuned)
    if trials > MAX_TRIALS:
        raise SpecError(f"{name}: {trials} trials; an experiment has at most {MAX_TRIALS}")
    source = with_assignments(document.text, document.assigned)
    return LoadedSpec(spec, source, name, document)


def _read(path: Path | None) -> bytes:
    if path is None:
        return shipped_experiments()["digits"].read_bytes()
    try:
        with open_regular(path) as file:
            content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError) as error:
        shipped = shipped_experiments() if path.parts == (path.name,) else {}
        if path.name in shipped:
            return shipped[path.name].read_bytes()
        if isinstance(error, IsADirectoryError):
            raise SpecError(f"{path}: is a folder; give the YAML file itself") from None
        names = list[str]()
        with suppress(OSError):
            entries = sorted(entry.name for entry in path.parent.iterdir())
            names = [name for name in entries if name.endswith((".yaml", ".yml"))]
        own = f"{path.name}.yaml"
        near = own if own in names else nearest(path.name, [*names, *shipped])
        remedy = f"did you mean {path.parent / near}?" if near else "check the path"
        raise SpecError(f"{path}: no such file; {remedy}") from None
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise SpecError(f"{path}: larger than 256 KiB, too large to be an experiment")
    return content


def _document(source: str, name: str) -> tuple[Document, list[Problem]]:
    document = Document(name, source)
    try:
        parsed = parse(source)
    except NotYaml as error:
        raise SpecError(document.located(str(error), error.place)) from None
    if parsed.value is None and not parsed.problems:
        raise SpecError(f"{name}: empty; `involbench init` writes a spec to start from")
    if not isinstance(parsed.value, dict):
        what = "expected a mapping with the keys name, data and models"
        found = f"{what}, got {describe(parsed.value)}"
        raise SpecError(document.located(found, parsed.values[()]))
    document.value = parsed.value
    document.keys.update(parsed.keys)
    document.values.update(parsed.values)
    return document, parsed.problems


def _missing_plugins(values: dict[str, Any], path: Path | None) -> list[Problem]:
    """The plugins that a spec needs and that are not imported, which only the user may do."""
    names = {file.path.name for file in imported().files}
    needed, folder = values.get("plugins"), path.parent if path else Path()
    return [
        Problem(
            ("plugins", index),
            f"this plugin is not imported, for a spec runs no code by itself; if you trust the "
            f"file, add --plugin {shlex.quote(str(folder / name))}",
        )
        for index, name in enumerate(needed if isinstance(needed, list) else [])
        if isinstance(name, str) and Path(name).name not in names
    ]


def _validated(values: dict[str, Any]) -> tuple[ExperimentSpec | None, list[Problem]]:
    try:
        return ExperimentSpec.model_validate(values), []
    except ValidationError as error:
        problems = problems_of(error)
    # pydantic does not look at the baseline when one of the models is wrong.
    models, baseline = values.get("models"), values.get("baseline")
    if isinstance(models, dict) and isinstance(baseline, str):
        fault = baseline_fault(baseline, list(models))
        problems += [Problem(("baseline",), fault)] if fault else []
    return None, problems


def _follows(path: KeyPath, unread: Set[KeyPath], document: Document) -> bool:
    """Whether a problem follows from another, which is named already.

    A value that could not be read stands as nothing, and a key that could not be read is missing.
    """
    return path in unread or (path[:-1] in unread and path not in document.values)


def adhoc_trial(text: str) -> tuple[str, Trial]:
    """A network for 32x32 colour images of ten classes, and what to call it.

    The text is the name of an architecture, or what a spec has below the name of a model, such as
    `{architecture: rednet, depth: 26}`.

    Raises:
        UsageError: It is neither.
    """
    given: Any = {"architecture": text}
    if text.lstrip().startswith("{"):
        try:
            given = parse(text).value
        except NotYaml as error:
            raise UsageError(f"{text}: not valid YAML: {error}") from None
        if not isinstance(given, dict) or "architecture" not in given:
            example = "{architecture: rednet, depth: 26}"
            raise UsageError(f"{text}: expected a mapping such as {example}")
    values = {"name": "bench", "data": {"dataset": "digits"}, "models": {"model": given}}
    spec, problems = _validated(values)
    if problems and load_installed():
        spec, problems = _validated(values)
    if spec is None:
        raise UsageError(f"{text}: {'; '.join(problem.message for problem in problems)}")
    rest = (
        "-".join(map(str, value)) if isinstance(value, list) else str(value)
        for key, value in given.items()
        if key != "architecture"
    )
    return " ".join([given["architecture"], *rest]), _one_of_each_model(spec, {}, 0)[0]


def is_architecture(text: str) -> bool:
    """Whether it is what `adhoc_trial` takes."""
    if text.lstrip().startswith("{") or text in architectures():
        return True
    return load_installed() and text in architectures()


def near_architecture(text: str) -> str | None:
    """The architecture whose name is nearest to a text, if one is near."""
    return nearest(text, architectures())


def expand(loaded: LoadedSpec) -> list[Trial]:
    """All trials, seed by seed, then point by point of the sweep, then model by model.

    A swept key of one model does not concern the others: their trials carry a `point` without
    it and are listed once. The order and the trials depend on nothing but the spec.

    Raises:
        SpecError: An operator does not fit the channels of its layers.
    """
    as_given = loaded.spec.model_dump(exclude_unset=True)
    first, trials = loaded.spec.seeds[0], dict[str, Trial]()
    of_first_seed = [
        trial
        for point in sweep_points(loaded.spec.sweep)
        for trial in _one_of_each_model(
            ExperimentSpec.model_validate(at_point(as_given, point)), point, first
        )
    ]
    for seed in loaded.spec.seeds:
        for each in of_first_seed:
            trial = each.model_copy(update={"seed": seed})
            trials.setdefault(trial.model_dump_json(exclude={"point"}), trial)
    found = list(trials.values())
    refuse_trials(
        loaded,
        found,
        [
            (trial, Problem(("models", trial.model, *path), text))
            for trial in one_seed_each(found)
            for path, text in trial.architecture.misfits.items()
        ],
    )
    return found


def expand_tuning(loaded: LoadedSpec, grid: Grid) -> list[Trial]:
    """The trials of `tune`: of each model and sweep point every candidate, seed by seed.

    Their results are used for a choice by validation images alone, so `evaluate` is left out.

    Args:
        loaded: The spec.
        grid: That of `tune`, or a larger one.
    """
    kinds = one_seed_each(expand(loaded))
    epochs = {"training.epochs": e} if (e := loaded.spec.tune.epochs) else {}
    return [
        trial.model_copy(
            update={
                "training": trial.training_with({**epochs, **candidate}),
                "evaluate": EvaluateSpec(),
                "seed": seed,
                "candidate": candidate,
            }
        )
        for seed in loaded.spec.tune.seeds
        for trial in kinds
        for candidate in (sweep_points(grid) if grid else [])
    ]


def refuse_trials(
    loaded: LoadedSpec, trials: Sequence[Trial], found: Sequence[tuple[Trial, Problem]]
) -> None:
    """Raise one `SpecError` with what is wrong with trials, if anything is.

    Each problem stands at the key that it is about, or at the swept values that bring it.
    """

    def concerned(problem: Problem) -> list[Point]:
        """The points of the trials that could have it: of its model, if it is about one."""
        model = problem.path[1] if problem.path[:1] == ("models",) else None
        return [trial.coordinates for trial in trials if model in (None, trial.model)]

    grids = {"sweep": loaded.spec.sweep, "tune": loaded.spec.tune.grid}
    with_it: dict[Problem, list[Point]] = {}
    for trial, problem in found:
        with_it.setdefault(problem, []).append(trial.coordinates)
    loaded.document.refuse(
        [
            each
            for problem, bad in with_it.items()
            for each in blamed(problem, bad, concerned(problem), grids)
        ]
    )


def _one_of_each_model(experiment: ExperimentSpec, point: Point, seed: int) -> list[Trial]:
    return [
        Trial(
            experiment=experiment.name,
            model=model,
            architecture=architecture,
            data=experiment.data,
            training=experiment.training,
            evaluate=experiment.evaluate,
            seed=seed,
            point=relevant_coordinates(point, model),
            plugins=plugins_of(architecture, experiment.data),
        )
        for model, architecture in experiment.models.items()
    ]
