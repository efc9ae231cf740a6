"""Run folders in every state that they can be in, made without training anything."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from involbench.results.store import write_trial
from involbench.results.tree import read_run
from tests.results.factory import make_run

HOURS_AGO = time.time() - 3 * 60 * 60


def unfinished(results: Path, model: str, seed: int, epochs: int = 7, **changes: Any) -> Path:
    """A run that was cut off after some epochs."""
    folder = make_run(results, model, seed, **changes)
    trial = read_run(folder).record.trial
    for path in folder.iterdir():
        path.unlink()
    (folder / ".lock").touch()
    (folder / "log.txt").write_text("training\n")
    write_trial(folder, trial)
    for epoch in range(max(epochs - 1, 0), epochs + 1):
        (folder / "checkpoint" / f"{epoch:05d}-0000000.npz").write_bytes(b"x" * 1000)
    return folder


def kilobytes(folder: Path) -> str:
    """Of all files below a folder."""
    return f"{sum(path.stat().st_size for path in folder.rglob('*') if path.is_file()) / 1000:.2f}"


def ended_as(folder: Path, status: str, **changes: Any) -> Path:
    """Rewrite how a run ended."""
    path = folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "status": status, **changes}))
    return folder


def make_old(path: Path) -> Path:
    """Let a file or folder look as if it had not been touched for hours."""
    os.utime(path, (HOURS_AGO, HOURS_AGO))
    return path


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """As if a process trained this run."""
    with FileLock(folder / ".lock"):
        yield


def snapshot(root: Path) -> dict[str, bytes | None]:
    """Every path below a folder, with the content of files."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
    }
