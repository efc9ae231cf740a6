"""Finding the one run that the user named."""

from difflib import get_close_matches
from pathlib import Path

from involbench.cli.experiments import find_experiments
from involbench.errors import UsageError
from involbench.results.files import is_folder
from involbench.results.paths import ResultsPath
from involbench.results.reading import ResultsTree
from involbench.results.wording import excerpt, first_of

_SHOWN = 4
Found = tuple[str, ResultsPath]
"""The name of an experiment, and the folder of one of its runs."""


def find_run(results: Path, name: str) -> Found:
    """The run named.

    Args:
        results: The results folder.
        name: The run's id or the beginning of it, with or without `EXPERIMENT/` before it, or
            the path of its folder.

    Raises:
        UsageError: There is no such run, or more than one.
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
        raise UsageError(f"{excerpt(name)!r} stands for {len(found)} runs: {_some(found)}")
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
    names = [*tree.experiments(), *tree.references()]
    chosen = [name for name in names if experiment in ("", name)]
    return [(name, folder) for name in chosen for folder in tree.run_folders(name)]


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
        ((tree, experiment),) = find_experiments(results, [name])
    except UsageError:
        return []
    return _runs(tree, experiment)


def _hint(known: list[Found], start: str) -> str:
    names = {folder.name.rpartition("-")[0]: (name, folder) for name, folder in known}
    names |= {folder.name: (name, folder) for name, folder in known}
    close = get_close_matches(start[:200], names, n=_SHOWN)
    near = list(dict.fromkeys(names[name] for name in close))
    if near:
        return f"did you mean {_some(near)}?"
    return f"there are {_some(known)}" if known else "there are none; `involbench list` shows all"


def _some(runs: list[Found]) -> str:
    return first_of([f"{experiment}/{folder.name}" for experiment, folder in runs], _SHOWN)
