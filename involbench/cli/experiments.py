"""Finding the experiments that the user named."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from involbench.cli.page import warn
from involbench.errors import ResultsError, UsageError
from involbench.results.files import is_folder
from involbench.results.paths import LinkRefused
from involbench.results.reading import ResultsTree


def find_experiments(
    results: Path | Sequence[Path], names: Sequence[str], published: bool = False
) -> list[tuple[ResultsTree, str]]:
    """The experiments named, or all of the tree, each with the tree that it is in.

    Args:
        results: The results folder, or several that are read as one.
        names: Names or folders of experiments; none stands for all.
        published: Whether all are with the published ones.

    Raises:
        UsageError: There is no such experiment, or none at all.
    """
    roots = [results] if isinstance(results, Path) else results
    tree = ResultsTree(*roots)
    if names:
        return [_find(tree, name) for name in dict.fromkeys(names)]
    for text in tree.links():
        warn(f"{text} (skipped)")
    all_of_them = [*tree.experiments(), *(tree.references() if published else [])]
    found = [(tree, name) for name in all_of_them]
    if not found:
        missing = "" if any(map(is_folder, roots)) else ", which does not exist"
        references = tree.references()
        others = f", or name a published one: {', '.join(references)}" if references else ""
        raise UsageError(
            f"no results under {_listed(tree)}{missing}: make some with `involbench run`, "
            f"or point to them with --results DIR{others}"
        )
    return found


def _find(tree: ResultsTree, name: str) -> tuple[ResultsTree, str]:
    place = Path(name)
    inside = [place, *(place.relative_to(r) for r in tree.roots if place.is_relative_to(r))]
    for each in map(Path.as_posix, inside):
        if _is_experiment(tree, each):
            return tree, each
    if is_folder(place / "runs"):
        named = place.resolve()
        return ResultsTree(named.parent), named.name
    known = [*tree.experiments(), *tree.references()]
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known) or 'none'}"
    raise UsageError(f"no experiment {name!r} under {_listed(tree)}; {hint}")


def _is_experiment(tree: ResultsTree, name: str) -> bool:
    """Whether there is an experiment of this name in the tree.

    Raises:
        LinkRefused: There is a link in its place.
    """
    try:
        with (tree.folder(name) / "runs").opened():
            return True
    except LinkRefused:
        raise
    except (OSError, ValueError, ResultsError):
        return False


def _listed(tree: ResultsTree) -> str:
    return " and ".join(map(str, tree.roots))
