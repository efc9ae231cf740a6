"""A results folder as a stranger may send it: a good one, with other things in place of parts."""

import io
import json
import os
import random
import shutil
import signal
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.cli import called

SPEC = """\
name: tiny
data: {dataset: digits, train_size: 100, validation: test}
models:
  cnn: {architecture: plain, widths: [4]}
  inn: {architecture: plain, operator: {name: involution, groups: 1}, widths: [4]}
training: {epochs: 2, batch_size: 50}
seeds: 1
baseline: cnn
"""
SECONDS = 60
"""Within which a command must end, however busy the machine."""


def build(folder: Path) -> None:
    """Train both models, compare and report."""
    from tests.in_process import eagerly, in_this_process

    (folder / "tiny.yaml").write_text(SPEC)
    with in_this_process(), eagerly():
        for command in (["run", "tiny.yaml"], ["report", "tiny"]):
            done = called(*command, cwd=folder)
            assert done.returncode == 0, done.stderr


def run_of(root: Path, model: str) -> Path:
    (found,) = root.glob(f"results/tiny/runs/{model}-seed0-*")
    return found


def outside(root: Path) -> Path:
    """A folder that nothing may touch, which looks as a results folder might."""
    folder = root / "outside"
    for name in ("data/mine.npz", "plots/mine.png", "file", "runs/inn-seed7-00000000/log.txt"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"precious")
    (folder / "runs/inn-seed7-00000000/checkpoint").mkdir()
    (folder / "runs/inn-seed7-00000000/checkpoint/00001-0000000.npz").write_bytes(b"precious")
    return folder


def state(folder: Path) -> dict[str, Any]:
    """All that can be told of a folder: names, contents, links and times of change."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else None
        found[str(path)] = (status.st_mode, status.st_mtime_ns, status.st_ino, content)
    return found


@contextmanager
def in_time() -> Iterator[None]:
    """Fail where something takes a minute of processor time, or hangs without taking any.

    On a machine that does much else, a minute by the clock is no sign of a fault.
    """
    began, used = time.monotonic(), time.process_time()

    def late(*_: object) -> None:
        busy = time.process_time() - used
        if busy > SECONDS or time.monotonic() - began > 10 * SECONDS:
            raise AssertionError(f"it hangs: {busy:.0f} s of processor time")
        signal.alarm(SECONDS)

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _link(path: Path, root: Path) -> None:
    kept = path.is_dir()
    clear(path)
    target = root / "outside"
    path.symlink_to(
        target / ("data" if kept else "file") if path.name != "runs" else target / "runs"
    )


def _itself(path: Path, root: Path) -> None:
    clear(path)
    path.symlink_to(path.name)


def _whole_disk(path: Path, root: Path) -> None:
    clear(path)
    path.symlink_to("/")


def _fifo(path: Path, root: Path) -> None:
    clear(path)
    os.mkfifo(path)


def _device(path: Path, root: Path) -> None:
    clear(path)
    path.symlink_to("/dev/zero")


def _empty(path: Path, root: Path) -> None:
    clear(path)
    path.touch()


def _folder(path: Path, root: Path) -> None:
    clear(path)
    path.mkdir()


def _cut(path: Path, root: Path) -> None:
    content = path.read_bytes() if path.is_file() else b"{"
    clear(path)
    path.write_bytes(content[: len(content) // 2])


def _flipped(path: Path, root: Path) -> None:
    content = bytearray((path.read_bytes() if path.is_file() else b"") or b"{}")
    clear(path)
    chosen = random.Random(path.name)
    for _ in range(3):
        content[chosen.randrange(len(content))] ^= 1 << chosen.randrange(8)
    path.write_bytes(content)


def _noise(path: Path, root: Path) -> None:
    clear(path)
    path.write_bytes(random.Random(path.name).randbytes(5000))


def _bomb(path: Path, root: Path) -> None:
    clear(path)
    match path.suffix:
        case ".npz":
            path.write_bytes(npz(header(f"({10**15},)", "<f8")))
        case ".yaml":
            path.write_bytes(b"a:\n" + b"- [1, 2, 3]\n" * 450_000)
        case ".json":
            path.write_bytes(b'{"loss": [' + b"1," * 8_000_000 + b"1]}")
        case _:
            path.touch()
            os.truncate(path, 2**40)


KINDS: dict[str, Callable[[Path, Path], None]] = {
    "a link": _link,
    "a link to itself": _itself,
    "a link to the disk": _whole_disk,
    "a device": _device,
    "a pipe": _fifo,
    "an empty file": _empty,
    "a folder": _folder,
    "half of it": _cut,
    "flipped bits": _flipped,
    "random bytes": _noise,
    "a bomb": _bomb,
}


def header(shape: str, kind: str = "<i8") -> bytes:
    """The header of an npy file that claims a shape."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (len(text) + 10) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text


def npz(content: bytes, name: str = "labels.npy", **changes: int) -> bytes:
    """An archive of one member, with bytes of its entry changed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    data = bytearray(buffer.getvalue())
    central = data.rindex(b"PK\1\2")
    for field, value in changes.items():
        at = {"flags": (6, 8), "method": (8, 10)}[field]
        for start, place in zip((0, central), at, strict=True):
            data[start + place : start + place + 2] = value.to_bytes(2, "little")
    return bytes(data)


def edit(run: Path, change: Callable[[Any], object]) -> None:
    """Change a record by hand."""
    record = json.loads((run / "run.json").read_text())
    change(record)
    (run / "run.json").write_text(json.dumps(record))


def resized(run: Path, name: str) -> None:
    """Let the record say of a file what is there."""
    edit(run, lambda record: record["files"].update({name: (run / name).stat().st_size}))


def save(path: Path, **arrays: Any) -> None:
    np.savez_compressed(path, **arrays)
