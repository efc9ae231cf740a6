"""Copy the runs of several results folders into a new one, each run once."""

import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from involbench.errors import ResultsError, UsageError
from involbench.results import limits
from involbench.results.artifacts import items_below
from involbench.results.files import (
    make_folder,
    names_in,
    opened_to_read,
    read_bytes,
    remove_tree,
    rename,
    written,
)
from involbench.results.paths import ResultsPath, at
from involbench.results.record import RunRecord
from involbench.results.tree import ResultsTree, read_run
from involbench.results.tuning import FOLDER as TUNING

_OF_EXPERIMENT = re.compile(r"spec\.yaml|images-[0-9a-f]{12}\.npz|choices\.json")
"""Files copied beside the runs; comparisons and reports can be made anew."""
_UNFINISHED = re.compile(r"checkpoint(/.*)?|\.lock")


@dataclass
class Merged:
    """What was copied, and what was not."""

    experiments: int = 0
    runs: int = 0
    repeated: int = 0
    """Runs that several of the folders have, and that were copied once."""
    conflicts: list[str] = field(default_factory=list)
    """A line for each run or file that differs from the one that was copied."""
    left_out: list[str] = field(default_factory=list)
    """A line for all else that was not copied."""


def merge(
    sources: Sequence[Path],
    target: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    wanted: Callable[[str], bool] = lambda name: True,
) -> Merged:
    """Copy every run that has ended. The sources stay as they are.

    Where runs or specs of one name differ, those of the first folder are copied. The new folder
    appears when it is complete.

    Args:
        sources: Results folders.
        target: A folder that does not exist, or is empty.
        progress: Called with the number of run folders that are done, and of all.
        wanted: Whether to copy a file of a run, by its name relative to the run folder.

    Raises:
        UsageError: A source has no experiment, or the target is not empty.
        ResultsError: The target cannot be written.
    """
    trees = [ResultsTree(source) for source in dict.fromkeys(sources)]
    found = [(tree, name) for tree in trees for name in _experiments(tree)]
    final = at(target)
    if final.kind() not in (None, "folder") or names_in(final):
        raise UsageError(f"--output {target}: exists and is not empty; name a new folder")
    new = final.parent / f".{final.name}.{secrets.token_hex(8)}.tmp"
    merged, copied = Merged(), dict[ResultsPath, tuple[ResultsPath, RunRecord]]()
    merged.left_out += [text for tree in trees for text in tree.links()]
    try:
        make_folder(new)
        runs = list[tuple[ResultsPath, ResultsPath]]()
        for tree, name in found:
            folders, links = tree.run_folders(name)
            merged.left_out += links
            runs += [(each, new / name / "runs" / each.name) for each in folders]
        for done, (source, place) in enumerate(runs):
            progress(done, len(runs))
            _merge_run(source, place, copied, wanted, merged)
        for tree, name in found:
            _merge_files(tree.folder(name), new / name, merged)
        remove_tree(final)
        rename(new, final.name)
    finally:
        remove_tree(new)
    merged.experiments = len({name.removesuffix(f"/{TUNING}") for _, name in found})
    return merged


def _experiments(tree: ResultsTree) -> list[str]:
    names = tree.all_experiments()
    if not names:
        raise UsageError(f"{tree.roots[0]}: not a results folder: it has no experiment")
    return tree.with_tuning(names)


def _merge_run(
    source: ResultsPath,
    place: ResultsPath,
    copied: dict[ResultsPath, tuple[ResultsPath, RunRecord]],
    wanted: Callable[[str], bool],
    merged: Merged,
) -> None:
    """Copy the files of a run that has ended, unless one of its name was copied before."""
    if not (source / "run.json").exists():
        merged.left_out.append(f"{source}: has not ended")
        return
    try:
        record = read_run(source).record
    except ResultsError as error:
        merged.left_out.append(str(error))
        return
    if place in copied:
        first, other = copied[place]
        if record == other:
            merged.repeated += 1
        else:
            merged.conflicts.append(f"{source}: left out, because it differs from {first}")
        return
    copied[place] = source, record
    merged.runs += 1
    items = items_below(source)
    known = [item.name for item in items if item.is_known and not item.is_temporary]
    if len(known) < len(items):
        merged.left_out.append(
            f"{source}: {len(items) - len(known)} entries that involbench did not write"
        )
    files = [item.name for item in items if item.kind == "file" and item.name in known]
    ended = [name for name in files if not _UNFINISHED.fullmatch(name)]
    _copy(source, place, filter(wanted, ended), merged)


def _merge_files(source: ResultsPath, place: ResultsPath, merged: Merged) -> None:
    """Copy the spec and the sample images of an experiment, unless they are there already."""
    for name in filter(_OF_EXPERIMENT.fullmatch, names_in(source)):
        if not (place / name).exists():
            _copy(source, place, [name], merged)
        elif not name.startswith("images-") and _content(source / name) != _content(place / name):
            merged.conflicts.append(f"{source / name}: left out, because another one was copied")


def _content(path: ResultsPath) -> bytes | None:
    try:
        return read_bytes(path, limits.RECORD)
    except ResultsError:
        return None


def _copy(source: ResultsPath, place: ResultsPath, names: Iterable[str], merged: Merged) -> None:
    """Copy files; those that cannot be read are left out."""
    for name in names:
        with ExitStack() as stack:
            try:
                content = stack.enter_context(opened_to_read(source / name, _largest(name)))
            except ResultsError as error:
                merged.left_out.append(str(error))
                continue
            make_folder((place / name).parent)
            shutil.copyfileobj(content, stack.enter_context(written(place / name)))


def _largest(name: str) -> int:
    is_network = name == "model.keras" or name.startswith("export/")
    return limits.MODEL if is_network else limits.PREDICTIONS
