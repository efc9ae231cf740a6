"""The contents of a run folder: every file with its size, and whether involbench wrote it."""

import os
import re
from collections.abc import Iterable
from sys import intern
from typing import Literal, NamedTuple

from involbench.errors import ResultsError
from involbench.results.paths import ResultsPath, kind_of

_RUN_FILES = re.compile(
    r"(run|history|parameters|benchmark-(model|export))\.json|history\.csv"
    r"|(predictions|kernels)\.npz|model\.keras|log\.txt|\.lock"
    r"|plots/(accuracy|loss|kernels|kernels-untrained)\.(png|svg)|checkpoint/.+|export/.+"
)
_RUN_FOLDERS = re.compile(r"plots|(checkpoint|export)(/.+)?")
_EXPERIMENT_FILES = re.compile(
    r"spec\.yaml|choices\.json|comparison\.(json|csv)|report\.html|images-[0-9a-f]{12}\.npz"
)
_DEEPEST = 50
"""Maximum depth of nested folders."""
_TEMPORARY = re.compile(r"(?P<folder>(.+/)?)\.(?P<name>[^/]+)\.[a-z0-9_]{8,16}\.tmp")


class Item(NamedTuple):
    """A file or folder below a run folder; links are not followed."""

    name: str
    """Relative to the run folder, with "/"."""
    kind: Literal["file", "folder", "other"]
    """Other: a link, a device, or a folder that cannot be listed or is too deep."""
    size: int
    """Bytes; 0 for a folder."""
    modified: float
    """Seconds since 1970."""

    @property
    def is_temporary(self) -> bool:
        """Whether it is a temporary file of involbench, which is renamed when complete."""
        if self.kind != "file":
            return False
        match = _TEMPORARY.fullmatch(self.name)
        name = match["folder"] + match["name"] if match else ""
        whole = _RUN_FILES.fullmatch(name) or _EXPERIMENT_FILES.fullmatch(name)
        return whole is not None or self.name == ".model.tmp.keras"

    @property
    def is_known(self) -> bool:
        """Whether involbench writes such a file or folder into a run folder."""
        names = _RUN_FOLDERS if self.kind == "folder" else _RUN_FILES
        known = self.kind != "other" and names.fullmatch(self.name) is not None
        return known or self.is_temporary


def items_below(folder: ResultsPath, skip: str = "") -> list[Item]:
    """Everything below a folder, each folder before its contents; empty if it cannot be read.

    Args:
        folder: The folder of a run, or another one.
        skip: The name of a folder whose contents are left out.
    """
    try:
        with folder.opened(to_list=True) as descriptor:
            return items_below_opened(folder, descriptor, skip)
    except (OSError, ResultsError):
        return []


def items_below_opened(folder: ResultsPath, descriptor: int, skip: str = "") -> list[Item]:
    """The same for a folder that is open.

    Raises:
        OSError: It cannot be listed.
    """
    found = _items_in(descriptor, "")
    pending = [item.name for item in found if item.kind == "folder" and item.name != skip]
    while pending:
        inside = pending.pop()
        try:
            with (folder / inside).opened(to_list=True) as opened:
                items = _items_in(opened, f"{inside}/")
        except (OSError, ResultsError):
            found = [i._replace(kind="other") if i.name == inside else i for i in found]
            continue
        found += items
        below = [item.name for item in items if item.kind == "folder" and item.name != skip]
        if inside.count("/") < _DEEPEST:
            pending += below
        elif below:
            found = [i._replace(kind="other") if i.name in below else i for i in found]
    return found


def total_size(items: Iterable[Item]) -> int:
    """Bytes of all files together."""
    return sum(item.size for item in items)


def _items_in(descriptor: int, prefix: str) -> list[Item]:
    """The entries of an open folder that still exist."""
    items = []
    with os.scandir(descriptor) as entries:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            kind, name = kind_of(status.st_mode), intern(prefix + entry.name)
            size = 0 if kind == "folder" else status.st_size
            items.append(Item(name, "other" if kind == "link" else kind, size, status.st_mtime))
    return items
