"""What can be said of an experiment's spec without validating it."""

import re
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from involbench.errors import ResultsError
from involbench.results.files import read_bytes
from involbench.spec.claims import Claim
from involbench.spec.training import TrainingSpec
from involbench.spec.yaml_source import NotYaml, parse

_NO_QUESTION = re.compile(r"#\s*(Cost|Check|Run):")


@dataclass(frozen=True)
class Outline:
    """What the spec tells of the order of the models, the baseline, and how long they train."""

    models: tuple[str, ...] = ()
    baseline: str | None = None
    epochs: int | None = None
    """None where they are not the same for all trials."""
    claims: tuple[Claim, ...] = ()
    """Those that are valid in themselves."""


def read_outline(experiment: Path) -> Outline:
    """Read `spec.yaml` of an experiment folder.

    Results are compared by their own records, so a spec that is missing, damaged or of another
    version costs nothing but the order of the rows: the outline is then empty.
    """
    try:
        text = read_bytes(experiment / "spec.yaml").decode()
        content = yaml.safe_load(text)
    except (ResultsError, ValueError, yaml.YAMLError, RecursionError):
        return Outline()
    if not isinstance(content, dict):
        return Outline()
    models, baseline = content.get("models"), content.get("baseline")
    return Outline(
        tuple(str(name) for name in models) if isinstance(models, dict) else (),
        baseline if isinstance(baseline, str) else None,
        _epochs(content),
        _claims(text) if content.get("claims") else (),
    )


def read_question(experiment: Path) -> str:
    """What `spec.yaml` of an experiment folder says above its first key; empty where it is silent.

    A spec opens with its question, then its cost and its commands, which are left out.
    """
    try:
        lines = read_bytes(experiment / "spec.yaml").decode().splitlines()
    except (ResultsError, ValueError):
        return ""
    comment = takewhile(lambda line: line.startswith("#"), lines)
    said = takewhile(lambda line: not _NO_QUESTION.match(line), comment)
    return " ".join(line.lstrip("# ").strip() for line in said).strip()


def _claims(text: str) -> tuple[Claim, ...]:
    """Read as a spec is read, in which `1e1` is a number."""
    claims = []
    try:
        given = parse(text).value.get("claims")
    except NotYaml:
        return ()
    for item in given if isinstance(given, list) else []:
        with suppress(ValidationError):
            claims.append(Claim.model_validate(item))
    return tuple(claims)


def _epochs(content: dict[Any, Any]) -> int | None:
    training, sweep = content.get("training"), content.get("sweep")
    if isinstance(sweep, dict) and "training.epochs" in sweep:
        return None
    if training is None:
        training = {}
    if not isinstance(training, dict):
        return None
    epochs = training.get("epochs", TrainingSpec().epochs)
    return epochs if type(epochs) is int and epochs > 0 else None
