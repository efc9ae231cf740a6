"""What can be said of an experiment's spec without validating it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from math import prod
from typing import Any

from pydantic import ValidationError

from involbench.errors import ResultsError
from involbench.results.files import read_bytes
from involbench.results.limits import SPEC
from involbench.results.paths import ResultsPath
from involbench.spec.claims import Claim, claim_faults
from involbench.spec.evaluate import EvaluateSpec
from involbench.spec.explain import problems_of
from involbench.spec.section import Section
from involbench.spec.sweep import MAX_TRIALS
from involbench.spec.wording import KeyPath, dotted
from involbench.spec.yaml_source import NotYaml, parse

_NO_QUESTION = re.compile(r"#\s*(Cost|Check|Run):")


@dataclass(frozen=True)
class Outline:
    """What the spec tells of the models, the sweep, the baseline and the claims."""

    models: tuple[str, ...] = ()
    baseline: str | None = None
    sweep: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    """Those that are valid in themselves."""
    faults: tuple[str, ...] = ()
    """What is wrong with the file or its claims."""
    values: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """All that it says, valid or not."""


class _OneClaim(Section):
    claims: tuple[Claim]


def read_outline(experiment: ResultsPath) -> Outline:
    """Read `spec.yaml` of an experiment folder.

    Results are compared by their own records, so a spec that is missing, damaged or of another
    version costs no more than the order of the rows, the baseline and the claims.
    """
    path = experiment / "spec.yaml"
    if not path.exists():
        return Outline()
    try:
        content = parse(read_bytes(path, SPEC).decode()).value
    except (ResultsError, UnicodeDecodeError, NotYaml) as error:
        return Outline(faults=(f"nothing is taken from spec.yaml: {error}",))
    if not isinstance(content, dict):
        return Outline(faults=("nothing is taken from spec.yaml: it is no mapping",))
    models, baseline, sweep = (content.get(key) for key in ("models", "baseline", "sweep"))
    claims, faults = _claims(content)
    return Outline(
        tuple(str(name) for name in models) if isinstance(models, dict) else (),
        baseline if isinstance(baseline, str) else None,
        _lists(sweep),
        tuple(claims),
        tuple(faults),
        content,
    )


def read_question(experiment: ResultsPath) -> str:
    """What `spec.yaml` of an experiment folder says above its first key; empty where it is silent.

    A spec opens with its question, then its cost and its commands, which are left out.
    """
    try:
        lines = read_bytes(experiment / "spec.yaml", SPEC).decode().splitlines()
    except (ResultsError, ValueError):
        return ""
    comment = takewhile(lambda line: line.startswith("#"), lines)
    said = takewhile(lambda line: not _NO_QUESTION.match(line), comment)
    return " ".join(line.lstrip("# ").strip() for line in said).strip()


def _claims(content: Mapping[str, Any]) -> tuple[list[Claim], list[str]]:
    """Those that are valid in themselves, and what is wrong with any of them."""
    given, claims = content.get("claims"), dict[int, Claim]()
    found = list[tuple[int, KeyPath, str]]()
    for place, item in enumerate(given if isinstance(given, list) else []):
        try:
            (claims[place],) = _OneClaim.model_validate({"claims": (item,)}).claims
        except ValidationError as error:
            unread = "; the claim is not judged"
            found += [(place, each.path[2:], each.message + unread) for each in problems_of(error)]
    places = list(claims)
    for (index, *path), text in _faults(list(claims.values()), content):
        found.append((places[int(index)], tuple(path), text))
    found.sort(key=lambda fault: fault[0])
    return list(claims.values()), [
        f"spec.yaml: {dotted(('claims', place, *path))}: {text}" for place, path, text in found
    ]


def _faults(claims: Sequence[Claim], content: Mapping[str, Any]) -> list[tuple[KeyPath, str]]:
    """What they say of models, points and conditions that the spec has not."""
    models = content.get("models")
    try:
        evaluate = EvaluateSpec.model_validate(content.get("evaluate") or {})
    except ValidationError:
        return []
    if not isinstance(models, dict):
        return []
    conditions = [each.name for each in evaluate.conditions]
    return claim_faults(claims, map(str, models), _lists(content.get("sweep")), conditions)


def _lists(sweep: object) -> dict[str, list[Any]]:
    """What of a sweep can be read; nothing of one that is too large."""
    given = sweep if isinstance(sweep, dict) else {}
    found = {str(key): values for key, values in given.items() if isinstance(values, list)}
    return found if prod(map(len, found.values())) <= MAX_TRIALS else {}
