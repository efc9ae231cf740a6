"""Finding an experiment, a run and its network by the names that a user gives."""

from pathlib import Path

from involbench.errors import ResultsError, UsageError
from involbench.plugins import load_installed
from involbench.results.files import is_folder
from involbench.results.paths import LinkRefused, ResultsPath
from involbench.results.record import RunRecord
from involbench.results.run_index import read_entry
from involbench.results.tree import ResultsTree
from involbench.spec.trial import Trial, plugins_of
from involbench.text import excerpt, first_of, nearest_names, suggest
from involbench.workers.protocol import TrainedRun


def find_experiment(tree: ResultsTree, name: str) -> tuple[ResultsTree, str]:
    """The experiment named, or in the folder named, with the tree that it is in.

    Raises:
        UsageError: There is none.
    """
    place = Path(name)
    inside = [place, *(place.relative_to(r) for r in tree.roots if place.is_relative_to(r))]
    for each in map(Path.as_posix, inside):
        if _is_experiment(tree, each):
            return tree, each
    if is_folder(place / "runs"):
        named = place.resolve()
        return ResultsTree(named.parent), named.name
    hint = suggest(name, tree.all_experiments())
    raise UsageError(f"no experiment {name!r} under {roots_of(tree)}; {hint}")


def _is_experiment(tree: ResultsTree, name: str) -> bool:
    """Whether the tree has an experiment of this name. Raises LinkRefused for a link."""
    try:
        with (tree.folder(name) / "runs").opened():
            return True
    except LinkRefused:
        raise
    except (OSError, ValueError, ResultsError):
        return False


def roots_of(tree: ResultsTree) -> str:
    """The results folders of a tree, for a message."""
    return " and ".join(map(str, tree.roots))


_MOST_NAMED = 4
Found = tuple[str, ResultsPath]
"""The name of an experiment, and the folder of one of its runs."""


def find_run(results: Path, name: str) -> Found:
    """The run named by its folder or by the beginning of its id, with or without `EXPERIMENT/`.

    Raises UsageError if there is no such run, or more than one.
    """
    by_path = _at_path(results, Path(name))
    if by_path is not None:
        return by_path
    experiment, _, start = name.rstrip("/").rpartition("/")
    known = _runs(ResultsTree(results), experiment.removesuffix("/runs"))
    found = _best(known, start)
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{excerpt(name)!r} matches {len(found)} runs: {_some(found)}")
    its = _runs_of(results, name.rstrip("/"))
    hint = f"there are {_some(its)}" if its else _hint(known, start)
    raise UsageError(f"no run {excerpt(name)!r} under {results}; {hint}")


def _at_path(results: Path, path: Path) -> Found | None:
    folder = path.parent if path.name == "run.json" else path
    if not is_folder(folder) or folder.resolve().parent.name != "runs":
        return None
    if folder.absolute().is_relative_to(results.absolute()) and ".." not in folder.parts:
        below = folder.absolute().relative_to(results.absolute())
        found = ResultsPath(results, below.parts)
        with found.opened():  # Or there is a link on the way to it.
            if len(below.parts) > 2 and below.parent.name == "runs":
                return below.parents[1].as_posix(), found
    runs = folder.resolve().parent
    place, root = runs.parent, results.resolve()
    if place != root and place.is_relative_to(root):
        experiment = place.relative_to(root)
        inside = (*experiment.parts, runs.name, folder.resolve().name)
        return experiment.as_posix(), ResultsPath(results, inside)
    inside = (place.name, runs.name, folder.resolve().name)
    return place.name, ResultsPath(place.parent, inside)


def _runs(tree: ResultsTree, experiment: str) -> list[Found]:
    """Those of one experiment, or of all if it is empty."""
    every = tree.with_tuning(tree.all_experiments())
    chosen = [name for name in every if experiment in ("", name)]
    return [(name, folder) for name in chosen for folder in tree.run_folders(name)[0]]


def _best(known: list[Found], start: str) -> list[Found]:
    """The runs of this id; or those of this model and seed; or all that begin so."""
    if not start:
        return []
    for beginning in (f"{start} ", f"{start}-", start):
        found = [run for run in known if f"{run[1].name} ".startswith(beginning)]
        if found:
            return found
    return []


def _runs_of(results: Path, name: str) -> list[Found]:
    """The runs of an experiment, by its name or folder; none if it is no experiment."""
    try:
        tree, experiment = find_experiment(ResultsTree(results), name)
    except UsageError:
        return []
    return _runs(tree, experiment)


def _hint(known: list[Found], start: str) -> str:
    names = {folder.name.rpartition("-")[0]: (name, folder) for name, folder in known}
    names |= {folder.name: (name, folder) for name, folder in known}
    close = nearest_names(start, names, _MOST_NAMED)
    near = list(dict.fromkeys(names[name] for name in close))
    if near:
        return f"did you mean {_some(near)}?"
    return f"there are {_some(known)}" if known else "there are none; `involbench list` shows all"


def _some(runs: list[Found]) -> str:
    return first_of([f"{experiment}/{folder.name}" for experiment, folder in runs], _MOST_NAMED)


def trained_run(results: Path, name: str, needs_weights: bool = True) -> tuple[str, TrainedRun]:
    """The finished run named (see `find_run`), as `EXPERIMENT/ID` and with where its network is."""
    experiment, folder = find_run(results, name)
    return f"{experiment}/{folder.name}", trained_in(experiment, folder, needs_weights)


def trained_in(experiment: str, folder: ResultsPath, needs_weights: bool = True) -> TrainedRun:
    """The finished run in a folder, and where its network is.

    Raises:
        UsageError: It has not finished, or its weights are needed and gone.
    """
    entry = read_entry(experiment, folder)
    record = entry.record
    if record is None or record.data is None or entry.status != "finished":
        name = f"{experiment}/{entry.run_id}"
        raise UsageError(f"{name} is {entry.status}: it has no trained network")
    return with_network(folder, record, needs_weights)


def with_network(folder: ResultsPath, record: RunRecord, needs_weights: bool = True) -> TrainedRun:
    """A finished run and its network.

    Raises:
        UsageError: Its weights are needed and gone, or its plugins are not imported.
    """
    caveats, weights = changed_plugins(folder.name, record.trial), folder / "model.keras"
    if needs_weights:
        _check_weights(weights, record.files.get(weights.name))
    return TrainedRun(record, weights, tuple(caveats))


def changed_plugins(run: str, trial: Trial) -> list[str]:
    """A warning for each plugin of a run that is not the same file any more.

    Raises:
        UsageError: One is not imported.
    """
    if not trial.plugins:
        return []
    now = plugins_of(trial.architecture, trial.data)
    if trial.plugins.keys() - now.keys() and load_installed():
        now = plugins_of(trial.architecture, trial.data)
    for name in trial.plugins.keys() - now.keys():
        what = f"--plugin {name}" if name.endswith(".py") else f"the package of {name}"
        raise UsageError(f"{run} needs a plugin that is not imported; add {what}")
    return [
        f"{run} was trained with another version of {name}; its weights may not fit this one"
        for name, sha256 in trial.plugins.items()
        if now[name] != sha256
    ]


def _check_weights(path: ResultsPath, size: int | None) -> None:
    """Check that the file is there, and of the size that was written."""
    again = "`involbench run` with its spec trains it again"
    if path.kind() != "file":
        what = "is a link" if path.kind() == "link" else "no such file"
        raise UsageError(f"{path}: {what}, so there is no trained network; {again}")
    found = path.status().st_size
    if size is not None and found != size:
        raise UsageError(f"{path}: damaged: it has {found} bytes and had {size}; {again}")
