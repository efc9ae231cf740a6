"""Reading a results tree: which experiments and runs there are, and what they recorded.

Reading never changes, deletes or locks anything. What is damaged is left out with a warning that
names the file, so that one bad file never hides the good ones.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from involbench.errors import ResultsError
from involbench.results.record import SCHEMA_VERSION, History, Parameters, RunRecord

REFERENCE = "reference"
"""The folder of published experiments inside a results tree."""

_HISTORY: TypeAdapter[History] = TypeAdapter(History)


@dataclass(frozen=True)
class StoredRun:
    """A run folder and its record; what is bigger is read when it is asked for."""

    path: Path
    record: RunRecord

    def history(self) -> History:
        """The values of every epoch. Raises ResultsError where they cannot be read."""
        return read_history(self.path)

    def parameters(self) -> Parameters:
        """The parameter counts. Raises ResultsError where they cannot be read."""
        path = self.path / "parameters.json"
        try:
            return Parameters.model_validate_json(_read(path))
        except ValidationError as error:
            raise ResultsError(f"{path}: {_fault(error)}") from error


class ResultsTree:
    """`results/`: experiments, each a folder that holds a folder `runs`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, experiment: str) -> Path:
        """Where the experiment is, whether or not it exists."""
        return self.root / experiment

    def experiments(self) -> list[str]:
        """The names of the experiments, sorted; without the published ones."""
        return _experiments_in(self.root)

    def references(self) -> list[str]:
        """The names of the published experiments, such as `reference/cifar10-jpeg`."""
        return [f"{REFERENCE}/{name}" for name in _experiments_in(self.root / REFERENCE)]

    def runs(self, experiment: str) -> tuple[list[StoredRun], list[str]]:
        """Every run that has ended, in order of name, and a warning for each that is damaged.

        A folder without `run.json` is a run under way or interrupted; it has nothing to read.
        """
        found: list[StoredRun] = []
        warnings: list[str] = []
        for folder in _folders_in(self.folder(experiment) / "runs"):
            if not (folder / "run.json").exists():
                continue
            try:
                found.append(read_run(folder))
            except ResultsError as error:
                warnings.append(f"{error} (skipped)")
        return found, warnings


def read_run(folder: Path) -> StoredRun:
    """Read the record of one run folder. Raises ResultsError where it cannot be used."""
    path = folder / "run.json"
    text = _read(path)
    try:
        record = RunRecord.model_validate_json(text)
    except ValidationError as error:
        raise ResultsError(f"{path}: {_newer_schema(text) or _fault(error)}") from error
    if record.run_id != folder.name:
        raise ResultsError(f"{path}: is a copy: it belongs to the run {record.run_id}")
    return StoredRun(folder, record)


def read_history(folder: Path) -> History:
    """Read `history.json` of a run folder. Raises ResultsError where it cannot be used."""
    path = folder / "history.json"
    try:
        return _HISTORY.validate_json(_read(path))
    except ValidationError as error:
        raise ResultsError(f"{path}: {_fault(error)}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read: {error.strerror}") from error


def _folders_in(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ResultsError(f"{folder}: cannot be listed: {error.strerror}") from error
    return [entry for entry in entries if not entry.name.startswith(".") and entry.is_dir()]


def _experiments_in(folder: Path) -> list[str]:
    return [entry.name for entry in _folders_in(folder) if (entry / "runs").is_dir()]


def _newer_schema(text: bytes) -> str | None:
    """What to say if the record was written by a later version of involbench."""
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        return (
            f"written by a newer involbench (schema_version {version}; "
            f"this one reads {SCHEMA_VERSION}): upgrade involbench to read it"
        )
    return None


def _fault(error: ValidationError) -> str:
    """The first problem, in one line."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return "damaged: not a whole JSON document"
    place = ".".join(str(part) for part in first["loc"])
    return f"not a record of this version: {place}: {first['msg']}"
