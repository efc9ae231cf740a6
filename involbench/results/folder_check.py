"""Whether a folder is one that runs can be kept in: tried out, with nothing left behind."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from involbench.errors import ResultsError
from involbench.results.files import write_atomic
from involbench.results.finding import Finding, Status
from involbench.results.locks import is_held
from involbench.results.paths import ResultsPath
from involbench.results.store import own

_LITTLE = 10**9
"""Bytes free below which a sweep may not end."""


def examine_results(folder: Path) -> Iterator[Finding]:
    """Whether runs can be written there, and keep out of each other's way."""
    remedy = "choose another folder with --results DIR"
    writable = examine_folder("results", folder, remedy)
    yield writable
    if writable.status == "problem":
        return
    try:
        locks = _locks_hold(_existing(folder))
        why = "two processes could train the same trial"
    except (OSError, ResultsError) as error:
        locks, why = False, str(error)
    yield Finding(
        topic="folders",
        name="file locks",
        status="ok" if locks else "problem",
        found="hold" if locks else f"do not hold in {folder}: {why}",
        remedy=None if locks else remedy,
    )


def examine_folder(name: str, folder: Path, remedy: str, unusable: Status = "problem") -> Finding:
    """Write and rename in a folder, or in what there is of the path to it.

    Args:
        name: What the folder is for.
        folder: It need not exist, and is not made.
        remedy: How to choose another.
        unusable: What it means if it cannot be written.
    """

    def found(status: Status, text: str, do: str | None = remedy) -> Finding:
        return Finding(topic="folders", name=name, status=status, found=text, remedy=do)

    try:
        place = _existing(folder)
        with _tried_out(place) as trial:
            write_atomic(Path(trial) / "written", b"\n")
        free = shutil.disk_usage(place).free
    except (OSError, ResultsError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return found(unusable, f"{folder} cannot be written: {why}")
    space = f"{free / 1e9:,.1f} GB free"
    if free < _LITTLE:
        return found("warning", f"{folder}: only {space}", f"make room, or {remedy}")
    return found("ok", f"{folder} can be written, {space}", None)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists.

    Raises:
        NotADirectoryError: There is something else in its place.
    """
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise NotADirectoryError(20, f"{place} is not a folder")
    return place


def _tried_out(place: Path) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix=".involbench-", dir=place)


def _locks_hold(place: Path) -> bool:
    """Lock as runs do; whether a lock keeps others out, is seen, and is given back.

    Raises:
        OSError, ResultsError: It cannot be done.
    """
    with _tried_out(place) as name:
        trial = ResultsPath(Path(name))
        with own(trial) as first, own(trial) as second:
            holds = first and not second and is_held(trial)
        return holds and not is_held(trial)
