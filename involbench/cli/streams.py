"""The streams that commands print to."""

import io
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


class _Output(io.FileIO):
    """A file whose reader may leave, as `head` does: what is written after that is dropped."""

    def write(self, data: "Buffer") -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


def make_patient() -> None:
    """Let stdout and stderr raise neither where nobody reads on nor where a character is unknown.

    A terminal without "±" gets "?"; a training goes on when the reader of its messages has left.
    """
    sys.stdout, sys.stderr = _patient(sys.stdout), _patient(sys.stderr)


def _patient(stream: TextIO) -> TextIO:
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)  # Without a buffer if PYTHONUNBUFFERED is set.
    if not isinstance(stream, io.TextIOWrapper) or not isinstance(raw, io.FileIO):
        return stream  # Someone has put another in its place, who knows what it can do.
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(stream.fileno(), "wb", closefd=False)),
        encoding=stream.encoding,
        errors="replace",
        line_buffering=stream.line_buffering or stream.write_through,
    )
