"""Read a results tree: experiments, specs, runs and records.

Reading never changes, deletes or locks anything. A damaged file is left out with a warning that
names it, so that one bad file never hides the good ones.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import takewhile
from math import prod
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from involbench.errors import ResultsError
from involbench.results import limits
from involbench.results.files import read_bytes
from involbench.results.limits import SPEC
from involbench.results.parallel import gc_paused, map_many
from involbench.results.paths import LinkRefused, ResultsPath
from involbench.results.record import (
    RUN_ID,
    History,
    Parameters,
    RunRecord,
    check_history,
    check_record,
)
from involbench.results.record_parsing import fault, parse_record
from involbench.results.tuning import FOLDER as TUNING
from involbench.results.tuning import NO_TUNING, Tuning, read_tuning
from involbench.schema_types import StrictModel
from involbench.spec.claims import Claim, claim_faults
from involbench.spec.data import EARLIER_VALIDATION
from involbench.spec.messages import problems_of
from involbench.spec.schema import EvaluateSpec
from involbench.spec.sweep import MAX_TRIALS
from involbench.spec.yaml import NotYaml, parse
from involbench.text import KeyPath, dotted, first_of

_NO_QUESTION = re.compile(r"#\s*(Cost|Check|Run):")


@dataclass(frozen=True)
class SpecSummary:
    """The models, sweep, baseline and claims of a spec."""

    models: tuple[str, ...] = ()
    baseline: str | None = None
    sweep: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    """The valid claims."""
    faults: tuple[str, ...] = ()
    """Problems of the file or of its claims."""
    values: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """The whole document, valid or not."""
    tuning: Tuning = NO_TUNING
    """What was chosen, if the spec has `tune`."""

    @property
    def margin(self) -> float | None:
        """The difference in test accuracy that does not matter."""
        margin = self.values.get("margin")
        return margin if isinstance(margin, float) and 0 < margin < 1 else None

    @property
    def primary(self) -> str | None:
        """The model whose comparison with the baseline is tested first."""
        primary = self.values.get("primary")
        return primary if primary in self.models and primary != self.baseline else None


class _OneClaim(StrictModel):
    claims: tuple[Claim]


def read_spec_summary(experiment: ResultsPath) -> SpecSummary:
    """Read `spec.yaml` of an experiment folder.

    Results are compared by their own records. Without a valid spec, only the order of the rows, the
    baseline and the claims are missing.
    """
    path = experiment / "spec.yaml"
    if not path.exists():
        return SpecSummary()
    try:
        content = parse(read_bytes(path, SPEC).decode()).value
    except (ResultsError, UnicodeDecodeError, NotYaml) as error:
        return SpecSummary(faults=(f"spec.yaml is not used: {error}",))
    if not isinstance(content, dict):
        return SpecSummary(faults=("spec.yaml is not used: it is not a mapping",))
    models, baseline, sweep = (content.get(key) for key in ("models", "baseline", "sweep"))
    claims, faults = _claims(content)
    if isinstance(data := content.get("data"), dict):
        content["data"] = {"validation": EARLIER_VALIDATION, **data}
    tuning = NO_TUNING
    try:
        tuning = read_tuning(experiment) if content.get("tune") else tuning
    except ResultsError as error:
        faults.append(str(error))
    return SpecSummary(
        tuple(str(name) for name in models) if isinstance(models, dict) else (),
        baseline if isinstance(baseline, str) else None,
        _lists(sweep),
        tuple(claims),
        tuple(faults),
        content,
        tuning,
    )


def read_question(experiment: ResultsPath) -> str:
    """The comment above the first key of `spec.yaml`; empty if there is none.

    A spec opens with its question, then its cost and its commands, which are left out.
    """
    try:
        lines = read_bytes(experiment / "spec.yaml", SPEC).decode().splitlines()
    except (ResultsError, ValueError):
        return ""
    comment = takewhile(lambda line: line.startswith("#"), lines)
    question = takewhile(lambda line: not _NO_QUESTION.match(line), comment)
    return " ".join(line.lstrip("# ").strip() for line in question).strip()


def _claims(content: Mapping[str, Any]) -> tuple[list[Claim], list[str]]:
    """The valid claims, and problems of the others."""
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
    """Problems of claims about models, points and conditions that the spec does not have."""
    models = content.get("models")
    try:
        evaluate = EvaluateSpec.model_validate(content.get("evaluate") or {})
    except ValidationError:
        return []
    if not isinstance(models, dict):
        return []
    conditions = [each.name for each in evaluate.all_conditions]
    return claim_faults(claims, map(str, models), _lists(content.get("sweep")), conditions)


def _lists(sweep: object) -> dict[str, list[Any]]:
    """The readable part of a sweep; nothing of one that is too large."""
    given = sweep if isinstance(sweep, dict) else {}
    found = {str(key): values for key, values in given.items() if isinstance(values, list)}
    return found if prod(map(len, found.values())) <= MAX_TRIALS else {}


REFERENCE = "reference"
"""The folder of published experiments inside a results tree."""
_HISTORY: TypeAdapter[History] = TypeAdapter(History, config=ConfigDict(allow_inf_nan=False))


@dataclass(frozen=True)
class StoredRun:
    """A run folder and its record; larger files are read on demand."""

    path: ResultsPath
    record: RunRecord

    def history(self) -> History:
        """The values of every epoch. Raises ResultsError if they cannot be read."""
        history = read_history(self.path)
        try:
            check_history(self.record, history)
        except ResultsError as error:
            raise ResultsError(f"{self.path / 'history.json'}: {error}") from error
        return history

    def parameters(self) -> Parameters:
        """The parameter counts. Raises ResultsError if they cannot be read."""
        return read_parameters(self.path)


class ResultsTree:
    """`results/`: experiments, each a folder that holds a folder `runs`.

    Args:
        root: The results folder.
        others: More results folders, which are read as if all were one. A run that is in several
            counts once, from the first folder in which it has ended.
    """

    def __init__(self, root: Path, *others: Path) -> None:
        self.roots = (root, *others)

    def folder(self, experiment: str) -> ResultsPath:
        """The folder of an experiment, which may not exist; of several, one with a spec."""
        folders = [ResultsPath(root) / experiment for root in self.roots]
        return max(folders, key=lambda f: ((f / "runs").is_folder(), (f / "spec.yaml").exists()))

    def experiments(self) -> list[str]:
        """The names of the experiments, sorted; without the published ones."""
        roots = map(ResultsPath, self.roots)
        return sorted({name for root in roots for name in _experiments_in(root)})

    def references(self) -> list[str]:
        """The names of the published experiments, such as `reference/cifar10-jpeg`."""
        places = [ResultsPath(root) / REFERENCE for root in self.roots]
        names = {name for place in places for name in _experiments_in(place)}
        return [f"{REFERENCE}/{name}" for name in sorted(names)]

    def all_experiments(self) -> list[str]:
        """The names of the experiments, then those of the published ones."""
        return [*self.experiments(), *self.references()]

    def with_tuning(self, experiments: Iterable[str]) -> list[str]:
        """These names, and behind each that of the runs by which it was tuned, if it has any."""
        both = ((name, f"{name}/{TUNING}") for name in experiments)
        return [
            each
            for name, tuning in both
            for each in (name, tuning)
            if each == name or (self.folder(tuning) / "runs").is_folder()
        ]

    def links(self) -> list[str]:
        """A warning for each link in place of an experiment or its runs folder."""
        places = [ResultsPath(root) for root in self.roots]
        places += [place / REFERENCE for place in places]
        return [str(LinkRefused(path)) for place in places for path in _links_in(place)]

    def run_folders(self, experiment: str) -> tuple[list[ResultsPath], list[str]]:
        """The folders of its runs in any state, in order of name; and a warning for each link.

        Of several folders of one name, the first that has ended, and that of each other backend.
        """
        found, links = self._folders_by_name(experiment)
        folders = [path for name in sorted(found) for path in _one_a_backend(found[name])]
        return folders, [f"{LinkRefused(path)} (skipped)" for path in links]

    @contextmanager
    def kept_open(self, experiment: str) -> Iterator[None]:
        """Keep the folders that contain its runs open, for reading many runs fast."""
        with ExitStack() as stack:
            for root in self.roots:
                stack.enter_context((ResultsPath(root) / experiment / "runs").kept_open())
            yield

    def _folders_by_name(
        self, experiment: str
    ) -> tuple[dict[str, list[ResultsPath]], list[ResultsPath]]:
        """The run folders by name, and the links among them."""
        found, links = dict[str, list[ResultsPath]](), list[ResultsPath]()
        for root in dict.fromkeys(self.roots):
            folders, linked = _entries_in(ResultsPath(root) / experiment / "runs")
            links += linked
            for path in folders:
                found.setdefault(path.name, []).append(path)
        return found, links

    def runs(self, experiment: str) -> tuple[list[StoredRun], list[str]]:
        """Every run that has ended, in order of name, and a warning for each damaged record."""
        found, warnings, _ = self.all_runs(experiment)
        return found, warnings

    @gc_paused()
    def all_runs(self, experiment: str) -> tuple[list[StoredRun], list[str], list[str]]:
        """The same, and the names of the running and interrupted runs, which have no record."""
        with self.kept_open(experiment):
            folders, warnings = self.run_folders(experiment)
            results = map_many(_run_or_warning, folders)
        found = [result for result in results if isinstance(result, StoredRun)]
        warnings += [result for result in results if isinstance(result, str)]
        if len(self.roots) > 1:
            warnings += self._trained_again(experiment, found)
        unfinished = [
            folder.name
            for folder, result in zip(folders, results, strict=True)
            if result is None and RUN_ID.fullmatch(folder.name)
        ]
        return found, warnings, unfinished

    def _trained_again(self, experiment: str, taken: Iterable[StoredRun]) -> list[str]:
        """A warning for each run that was trained separately in several folders."""
        by_name, _ = self._folders_by_name(experiment)
        again: dict[str, None] = {}
        for run in taken:
            others = (path for path in by_name[run.path.name] if path != run.path)
            for path, other in ((path, _run_at(path)) for path in others):
                alike = other is not None and other.backend == run.record.backend
                if other is not None and alike and other.started != run.record.started:
                    again[str(path)] = None
        if not again:
            return []
        were = f"{len(again)} run{' was' if len(again) == 1 else 's were'}"
        return [
            f"{were} trained again in another results folder and left out, since the same run is "
            f"in one named before: {first_of(list(again))}"
        ]


def _run_or_warning(folder: ResultsPath) -> StoredRun | str | None:
    """The run of a folder, or what is wrong with it; None if it has not ended."""
    try:
        with folder.opened() as descriptor:
            return read_run(folder, descriptor)
    except OSError:
        return None
    except ResultsError as error:
        return f"{error} (skipped)" if (folder / "run.json").exists() else None


def _one_a_backend(folders: list[ResultsPath]) -> list[ResultsPath]:
    """Of folders of one name: the first that has ended, and that of each other backend."""
    if len(folders) == 1:
        return folders
    ended = [path for path in folders if (path / "run.json").exists()]
    first: dict[str | None, ResultsPath] = {}
    for path in ended:
        record = _run_at(path)
        first.setdefault(record.backend if record else None, path)
    if len(first) > 1:
        first.pop(None, None)
    return list(first.values()) or folders[:1]


def _run_at(folder: ResultsPath) -> RunRecord | None:
    """The record of a run folder, if it has one that can be read."""
    try:
        return read_run(folder).record
    except ResultsError:
        return None


def read_run(folder: ResultsPath, descriptor: int | None = None) -> StoredRun:
    """Read the record of one run folder.

    Args:
        folder: The folder.
        descriptor: Its descriptor, if it is open.

    Raises:
        ResultsError: The record is missing, damaged, or does not fit the folder.
    """
    path = folder / "run.json"
    text = read_bytes(path, limits.RECORD, descriptor)
    try:
        record = parse_record(text)
        check_record(record, folder.name)
    except ResultsError as error:
        raise type(error)(f"{path}: {error}") from error
    return StoredRun(folder, record)


def read_history(folder: ResultsPath) -> History:
    """Read `history.json` of a run folder. Raises ResultsError where it cannot be used."""
    path = folder / "history.json"
    text = read_bytes(path, limits.HISTORY)
    if text.count(b",") >= limits.scaled(limits.HISTORY_VALUES):
        raise ResultsError(f"{path}: {limits.too_large(limits.HISTORY_VALUES, 'numbers')}")
    try:
        return _HISTORY.validate_json(text)
    except ValidationError as error:
        raise ResultsError(f"{path}: {fault(error)}") from error


def read_parameters(folder: ResultsPath) -> Parameters:
    """Read `parameters.json` of a run folder. Raises ResultsError where it cannot be used."""
    path = folder / "parameters.json"
    try:
        return Parameters.model_validate_json(read_bytes(path, limits.RECORD))
    except ValidationError as error:
        raise ResultsError(f"{path}: {fault(error)}") from error


def _links_in(place: ResultsPath) -> Iterator[ResultsPath]:
    """The links in the place of an experiment, and of its folder `runs`."""
    folders, links = _entries_in(place)
    yield from links
    runs = (experiment / "runs" for experiment in folders)
    yield from (path for path in runs if path.kind() == "link")


def _entries_in(folder: ResultsPath) -> tuple[list[ResultsPath], list[ResultsPath]]:
    """The folders and the links in a folder, in order of name; none if it is a link itself."""
    folders, links = list[str](), list[str]()
    try:
        with folder.opened(to_list=True) as descriptor, os.scandir(descriptor) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                with suppress(OSError):
                    if entry.is_symlink():
                        links.append(entry.name)
                    elif entry.is_dir(follow_symlinks=False):
                        folders.append(entry.name)
    except (FileNotFoundError, NotADirectoryError, LinkRefused):
        return [], []
    except OSError as error:
        raise ResultsError(f"{folder}: cannot be listed: {error.strerror}") from error
    root, parts = folder.root, folder.parts
    below, linked = (
        [ResultsPath(root, (*parts, name)) for name in sorted(names)] for names in (folders, links)
    )
    return below, linked


def _experiments_in(folder: ResultsPath) -> list[str]:
    folders, _ = _entries_in(folder)
    return [entry.name for entry in folders if (entry / "runs").is_folder()]
