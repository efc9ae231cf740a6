"""A spec's file and what was set on the command line -> a valid experiment."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from importlib.resources import files
from math import prod
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from involbench.errors import SpecError
from involbench.regular_file import open_regular
from involbench.spec.messages import problems_of
from involbench.spec.overrides import apply_overrides
from involbench.spec.schema import ExperimentSpec, baseline_fault
from involbench.spec.sweep import MAX_TRIALS, sweep_problems
from involbench.spec.yaml import Document, NotYaml, Problem, parse
from involbench.spec.yaml_edit import with_assignments
from involbench.text import KeyPath, describe, nearest

BUILT_IN = "built-in digits"
MAX_BYTES = 2**18


@dataclass(frozen=True)
class LoadedSpec:
    """A valid spec, and the file that it was read from."""

    spec: ExperimentSpec
    source: str
    """The text of the file, with what was set on the command line in it and its comments kept."""
    path: str
    """The file as messages name it."""
    document: Document
    """Where each key stands."""


def load_spec(path: Path | None, overrides: Sequence[str] = ()) -> LoadedSpec:
    """Read and validate a spec.

    Args:
        path: The YAML file; None for the built-in digits experiment.
        overrides: `KEY=VALUE` each, with a key path and a value in YAML.

    Raises:
        SpecError: The file cannot be read or the spec is not valid. The message has every
            problem, each with its place, the line it is in, and what was expected.
    """
    shown = BUILT_IN if path is None else str(path)
    source = _decoded(_read(path), shown)
    document, problems = _document(source, shown)
    problems += apply_overrides(document, overrides)
    spec, invalid = _validated(document.value)
    unread = {problem.path for problem in problems if problem.path and not problem.at_key}
    found = invalid + sweep_problems(document.value, invalid)
    problems += [p for p in found if p.at_key or not _follows(p.path, unread, document)]
    document.refuse(problems)
    assert spec is not None  # else there was a problem
    _check_size(spec, shown)
    return LoadedSpec(spec, with_assignments(source, document.assigned), shown, document)


def _read(path: Path | None) -> bytes:
    if path is None:
        return (files("involbench.spec") / "digits.yaml").read_bytes()
    try:
        with open_regular(path) as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        near = nearest(path.name, _names_beside(path))
        remedy = f"did you mean {path.parent / near}?" if near else "check the path"
        raise SpecError(f"{path}: no such file; {remedy}") from None
    except IsADirectoryError:
        raise SpecError(f"{path}: is a folder; give the YAML file itself") from None
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise SpecError(f"{path}: larger than 256 KiB, too large to be an experiment")
    return content


def _names_beside(path: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in path.parent.iterdir())
    except OSError:
        return []


def _decoded(content: bytes, shown: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SpecError(f"{shown}:{line}: not UTF-8 text; save the file as UTF-8") from None


def _document(source: str, shown: str) -> tuple[Document, list[Problem]]:
    document = Document(shown, source)
    try:
        parsed = parse(source)
    except NotYaml as error:
        raise SpecError(document.located(str(error), error.place)) from None
    if parsed.value is None and not parsed.problems:
        raise SpecError(f"{shown}: empty; `involbench init` writes a spec to start from")
    if not isinstance(parsed.value, dict):
        what = "expected a mapping with the keys name, data and models"
        found = f"{what}, got {describe(parsed.value)}"
        raise SpecError(document.located(found, parsed.values[()]))
    document.value = parsed.value
    document.keys.update(parsed.keys)
    document.values.update(parsed.values)
    return document, parsed.problems


def _validated(values: dict[str, Any]) -> tuple[ExperimentSpec | None, list[Problem]]:
    try:
        return ExperimentSpec.model_validate(values), []
    except ValidationError as error:
        return None, problems_of(error) + _hidden_baseline_problem(values)


def _follows(path: KeyPath, unread: Set[KeyPath], document: Document) -> bool:
    """Whether a problem follows from another, which is named already.

    A value that could not be read stands as nothing, and a key that could not be read is missing.
    """
    return path in unread or (path[:-1] in unread and path not in document.values)


def _hidden_baseline_problem(values: dict[str, Any]) -> list[Problem]:
    """A wrong baseline, which pydantic does not look at when one of the models is wrong."""
    models, baseline = values.get("models"), values.get("baseline")
    if not isinstance(models, dict) or not isinstance(baseline, str):
        return []
    fault = baseline_fault(baseline, list(models))
    return [Problem(("baseline",), fault)] if fault else []


def _check_size(spec: ExperimentSpec, shown: str) -> None:
    trials = len(spec.models) * len(spec.seeds) * prod(map(len, spec.sweep.values()))
    if trials > MAX_TRIALS:
        raise SpecError(f"{shown}: {trials} trials; an experiment has at most {MAX_TRIALS}")
