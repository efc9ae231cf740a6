"""The output of every command: streams, warnings, JSON, tables, files."""

import errno
import io
import os
import select
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from involbench.errors import ResultsError, UsageError
from involbench.text import printable, visible

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer
    from matplotlib.figure import Figure
    from pydantic import BaseModel
    from rich.console import RenderableType

    from involbench.reporting.tables import Page, Table
    from involbench.results.paths import AnyPath

    Part = RenderableType | Table | Page


class _Output(io.FileIO):
    """A file whose writes never raise: what can't be written is dropped.

    Attributes:
        lost: Why something was dropped; None also if the reader left, as `head` does.
    """

    lost: OSError | None = None

    def write(self, data: "Buffer") -> int:
        try:
            while (written := super().write(data)) is None:
                select.select([], [self], [])  # Another process has made it non-blocking.
        except BrokenPipeError:
            pass
        except OSError as error:
            self.lost = error
        else:
            return written
        return memoryview(data).nbytes


def make_patient() -> None:
    """Let no write to stdout or stderr raise, so that none can end a training.

    A terminal without "±" gets "?". A descriptor that was closed is opened on the null device, so
    that no other file gets its number, here or in a worker.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # For reading only: writing to it fails as it does where it is closed.
            os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)
    sys.stdout, sys.stderr = _patient(sys.stdout, 1), _patient(sys.stderr, 2)


def lost_output() -> str | None:
    """Why something that was printed is lost; None if all was written or is not wanted.

    A closed stderr, or a reader that has left, is no loss: the user doesn't want the output.
    """
    for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
        stream.flush()
        raw = getattr(getattr(stream, "buffer", None), "raw", None)
        lost = raw.lost if isinstance(raw, _Output) else None
        closed = lost is not None and lost.errno == errno.EBADF
        if lost is not None and not (closed and name == "stderr"):
            return f"cannot write to {name}: {'it is closed' if closed else lost.strerror}"
    return None


def _patient(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is not None:
        buffer = getattr(stream, "buffer", None)
        raw = getattr(buffer, "raw", buffer)  # Without a buffer if PYTHONUNBUFFERED is set.
        if not isinstance(stream, io.TextIOWrapper) or not isinstance(raw, io.FileIO):
            return stream  # Replaced by the caller, who is responsible for it.
        stream.flush()
        descriptor = stream.fileno()
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(descriptor, "wb", closefd=False)),
        encoding=stream.encoding if stream else "utf-8",
        errors="replace",
        line_buffering=stream is None or stream.line_buffering or stream.write_through,
    )


class Rendered(str):
    """Text with terminal styles, in which all other control characters are visible."""


def echo(text: object, err: bool = False, nl: bool = True) -> None:
    """Print text, on stderr if `err`. The only way out: it makes control characters visible."""
    typer.echo(text if isinstance(text, Rendered) else visible(str(text)), err=err, nl=nl)


def warn(*texts: str) -> None:
    """Print warnings on stderr."""
    for text in texts:
        echo(f"warning: {printable(text)}", err=True)


def print_json(document: "dict[str, Any] | BaseModel") -> None:
    """Print one strict JSON document."""
    from involbench.reporting.tables import json_text

    echo(json_text(document), nl=False)


def print_page(*parts: "Part") -> None:
    """Print tables and texts one below the other."""
    echo(rendered(parts), nl=False)


def rendered(parts: "Iterable[Part]", for_screen: bool = True) -> Rendered:
    """Text as wide as the terminal or COLUMNS; with styles only on a terminal."""
    from involbench.reporting.tables import terminal_text

    plain = not for_screen or "NO_COLOR" in os.environ
    return Rendered(terminal_text(parts, plain, None if for_screen else 80))


def check_endings(outputs: Iterable[Path | None], *more: str) -> None:
    """Raise UsageError if the name of a file ends in no format of figures and in none of `more`."""
    from involbench.reporting.plots import FORMATS

    endings = (*FORMATS, *more)
    for path in filter(None, outputs):
        if path.suffix.removeprefix(".").lower() not in endings:
            raise UsageError(
                f"--output {path}: expected a name that ends in .{', .'.join(endings)}"
            )


def write_figure(path: "AnyPath", make: "Callable[[], Figure]") -> bool:
    """Draw a figure into a file and print its name, or warn why it cannot be drawn: then False."""
    from involbench.reporting.experiment import or_warn

    content = b""
    with or_warn(str(path), warn):
        from involbench.reporting.plots import drawn

        content = drawn(make(), Path(path.name).suffix[1:].lower())
    if content:
        write_output(path, content)
    return bool(content)


def write_output(path: "AnyPath", content: bytes) -> None:
    """Write a file, and print its name."""
    write_file(path, content)
    echo(f"written: {path}", err=True)


def write_file(path: "AnyPath", content: bytes) -> None:
    """Write the file that --output names. Raises UsageError if it cannot be written."""
    from involbench.results.files import write_atomic

    try:
        write_atomic(path, content)
    except ResultsError as error:
        raise UsageError(f"{error}; name another file with --output FILE") from error
