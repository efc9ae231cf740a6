"""Reading a results tree: which experiments and runs there are, and what they recorded.

Reading never changes, deletes or locks anything. What is damaged is left out with a warning that
names the file, so that one bad file never hides the good ones.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from involbench.errors import ResultsError
from involbench.results import limits
from involbench.results.files import read_bytes
from involbench.results.lasting import lasting
from involbench.results.paths import LinkRefused, ResultsPath
from involbench.results.record import History, Parameters, RunRecord
from involbench.results.record_check import RUN_ID, check_history, check_record
from involbench.results.record_parsing import fault, parse_record
from involbench.results.wording import first_of

REFERENCE = "reference"
"""The folder of published experiments inside a results tree."""
_Listed = Literal["folder", "link"]
_HISTORY: TypeAdapter[History] = TypeAdapter(History, config=ConfigDict(allow_inf_nan=False))


@dataclass(frozen=True)
class StoredRun:
    """A run folder and its record; what is bigger is read when it is asked for."""

    path: ResultsPath
    record: RunRecord

    def history(self) -> History:
        """The values of every epoch. Raises ResultsError where they cannot be read."""
        history = read_history(self.path)
        try:
            check_history(self.record, history)
        except ResultsError as error:
            raise ResultsError(f"{self.path / 'history.json'}: {error}") from error
        return history

    def parameters(self) -> Parameters:
        """The parameter counts. Raises ResultsError where they cannot be read."""
        return read_parameters(self.path)


class ResultsTree:
    """`results/`: experiments, each a folder that holds a folder `runs`.

    Args:
        root: The results folder.
        others: More of them, read as if all were one. What is in several counts once, from the
            first in which the run has ended.
    """

    def __init__(self, root: Path, *others: Path) -> None:
        self.roots = (root, *others)

    def folder(self, experiment: str) -> ResultsPath:
        """Where the experiment is, whether or not it exists; of several, one with a spec."""
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

    def links(self) -> list[str]:
        """What to say of each link in the place of an experiment, or of all its runs."""
        places = [ResultsPath(root) for root in self.roots]
        places += [place / REFERENCE for place in places]
        return [str(LinkRefused(path)) for place in places for path in _links_in(place)]

    def linked_runs(self, experiment: str) -> list[str]:
        """What to say of each link among the run folders of an experiment."""
        places = [ResultsPath(root) / experiment / "runs" for root in self.roots]
        links = [path for place in places for path in _entries_in(place, "link")]
        return [f"{LinkRefused(path)} (skipped)" for path in links]

    def run_folders(self, experiment: str) -> list[ResultsPath]:
        """The folders of its runs, in order of name, whatever their state; links are left out.

        Of several folders of one name, the first that has ended, and that of each other backend.
        """
        found = self._folders_by_name(experiment)
        return [path for name in sorted(found) for path in _one_a_backend(found[name])]

    @contextmanager
    def kept_open(self, experiment: str) -> Iterator[None]:
        """Keep the folders of its runs' folders open, for who reads many of them."""
        with ExitStack() as stack:
            for root in self.roots:
                stack.enter_context((ResultsPath(root) / experiment / "runs").kept_open())
            yield

    def _folders_by_name(self, experiment: str) -> dict[str, list[ResultsPath]]:
        found: dict[str, list[ResultsPath]] = {}
        for root in dict.fromkeys(self.roots):
            for path in _folders_in(ResultsPath(root) / experiment / "runs"):
                found.setdefault(path.name, []).append(path)
        return found

    @lasting()
    def runs(self, experiment: str) -> tuple[list[StoredRun], list[str]]:
        """Every run that has ended, in order of name, and a warning for each that is damaged.

        A folder without `run.json` is a run under way or interrupted; it has nothing to read.
        """
        found: list[StoredRun] = []
        warnings = self.linked_runs(experiment)
        with self.kept_open(experiment):
            for folder in self.run_folders(experiment):
                try:
                    with folder.kept_open():
                        found.append(read_run(folder))
                except ResultsError as error:
                    if (folder / "run.json").exists():
                        warnings.append(f"{error} (skipped)")
        if len(self.roots) > 1:
            warnings += self._trained_again(experiment, found)
        return found, warnings

    def _trained_again(self, experiment: str, taken: Iterable[StoredRun]) -> list[str]:
        """A warning where several folders hold a run that was trained anew in each."""
        by_name = self._folders_by_name(experiment)
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
            f"{were} trained anew in another results folder and left out, since the same run is "
            f"in one named before: {first_of(list(again))}"
        ]

    def not_ended(self, experiment: str, ended: Iterable[StoredRun]) -> list[str]:
        """The names of its runs that are under way, or were cut off, beside those that ended."""
        known = {run.path for run in ended}
        others = (path for path in self.run_folders(experiment) if path not in known)
        return [
            path.name
            for path in others
            if RUN_ID.fullmatch(path.name) and not (path / "run.json").exists()
        ]


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


def read_run(folder: ResultsPath) -> StoredRun:
    """Read the record of one run folder. Raises ResultsError where it cannot be used."""
    path = folder / "run.json"
    text = read_bytes(path, limits.RECORD)
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


def _folders_in(folder: ResultsPath) -> list[ResultsPath]:
    return _entries_in(folder, "folder")


def _links_in(place: ResultsPath) -> Iterator[ResultsPath]:
    """The links in the place of an experiment, and of its folder `runs`."""
    yield from _entries_in(place, "link")
    runs = (experiment / "runs" for experiment in _folders_in(place))
    yield from (path for path in runs if path.kind() == "link")


def _entries_in(folder: ResultsPath, kind: _Listed) -> list[ResultsPath]:
    """What of a kind a folder holds, in order of name; nothing of a link."""
    try:
        with folder.opened(to_list=True) as descriptor, os.scandir(descriptor) as entries:
            names = sorted(each.name for each in entries if _is(kind, each))
    except (FileNotFoundError, NotADirectoryError, LinkRefused):
        return []
    except OSError as error:
        raise ResultsError(f"{folder}: cannot be listed: {error.strerror}") from error
    return [folder / name for name in names]


def _is(kind: _Listed, entry: "os.DirEntry[str]") -> bool:
    if entry.name.startswith("."):
        return False
    try:
        return entry.is_symlink() if kind == "link" else entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _experiments_in(folder: ResultsPath) -> list[str]:
    return [entry.name for entry in _folders_in(folder) if (entry / "runs").is_folder()]
