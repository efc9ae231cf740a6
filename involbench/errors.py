"""The errors that involbench raises on purpose, and the exit code of each.

Only `involbench.cli` catches them: it prints the message, without a traceback, and exits with
`exit_code`. Every message says what was wrong, where, and what to do about it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_MOST_NAMED = 10


@dataclass(frozen=True)
class Message:
    """What to tell the user, in parts: the remedy is never searched for in the text.

    Args:
        text: What is wrong, and where.
        names: What it is about, where that can be many things, such as files.
        remedy: What to do about it.
    """

    text: str
    names: tuple[str, ...] = ()
    remedy: str | None = None

    @property
    def found(self) -> str:
        """The text with the first ten names, without the remedy, on one line."""
        if not self.names:
            return self.text
        more = len(self.names) - _MOST_NAMED
        first = ", ".join(self.names[:_MOST_NAMED])
        return f"{self.text}: {first}{f' and {more} more' if more > 0 else ''}"

    def __str__(self) -> str:
        return self.found + (f"; {self.remedy}" if self.remedy else "")

    def in_full(self) -> str:
        """All of it, with a line for each name where there are more than ten."""
        if len(self.names) <= _MOST_NAMED:
            return str(self)
        return "\n  ".join([str(Message(self.text, remedy=self.remedy)), *self.names])


class InvolbenchError(Exception):
    """Something failed that the user can act on: a trial, a file, a device.

    Args:
        text, names, remedy: See `Message`.
    """

    exit_code = 1

    def __init__(self, text: str = "", *, names: Sequence[str] = (), remedy: str | None = None):
        super().__init__(text)
        self.message = Message(text, tuple(names), remedy)

    def __str__(self) -> str:
        return str(self.message)

    def in_full(self) -> str:
        """What `-v` prints: the message with all names, where it has the first ten."""
        return self.message.in_full()


class UsageError(InvolbenchError):
    """What the user gave is invalid: a flag, a path, a folder that cannot be written."""

    exit_code = 2


class SpecError(UsageError):
    """The spec is invalid; the message lists every problem found.

    Args:
        text: The message.
        in_full: The message that `-v` prints, with all names; empty where it is the same.
    """

    def __init__(self, text: str = "", in_full: str = "") -> None:
        super().__init__(text)
        self._in_full = in_full

    def in_full(self) -> str:
        return self._in_full or str(self)


class SettingError(SpecError):
    """One setting of a trial cannot be used.

    Args:
        key: The setting, such as `training.optimizer`.
        reason: What is wrong with it.
        names: All that it is about, where the reason names the first ten, such as files.
    """

    def __init__(self, key: str, reason: str, names: Sequence[str] = ()) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key
        self.reason = reason
        self.names = tuple(names)

    @classmethod
    def of(cls, key: str, error: InvolbenchError) -> "SettingError":
        """What another error says, of a setting."""
        names = error.message.names
        return cls(key, str(error), names if len(names) > _MOST_NAMED else ())


class DataError(UsageError):
    """The dataset named by the spec is missing, damaged or does not fit the spec."""


class ResultsError(InvolbenchError):
    """A results file cannot be read or written."""
