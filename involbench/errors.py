"""The errors that involbench raises, and their exit codes.

Only `involbench.cli` catches them: it prints the message, without a traceback, and exits with
`exit_code`. Every message says what is wrong, where, and what to do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_MOST_NAMED = 10


@dataclass(frozen=True)
class Message:
    """A message for the user, in parts.

    Args:
        text: What is wrong, and where.
        names: The items concerned, if there can be many, such as files.
        remedy: What to do.
    """

    text: str
    names: tuple[str, ...] = ()
    remedy: str | None = None

    @property
    def found(self) -> str:
        """The text with the first ten names, on one line, without the remedy."""
        if not self.names:
            return self.text
        more = len(self.names) - _MOST_NAMED
        first = ", ".join(self.names[:_MOST_NAMED])
        return f"{self.text}: {first}{f' and {more} more' if more > 0 else ''}"

    def __str__(self) -> str:
        return self.found + (f"; {self.remedy}" if self.remedy else "")

    def in_full(self) -> str:
        """The whole message, with a line for each name if there are more than ten."""
        if len(self.names) <= _MOST_NAMED:
            return str(self)
        return "\n  ".join([str(Message(self.text, remedy=self.remedy)), *self.names])


class InvolbenchError(Exception):
    """A failure that the user can act on: a trial, a file, a device.

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
        """The message that `-v` prints, with all names."""
        return self.message.in_full()


class UsageError(InvolbenchError):
    """Invalid input: a flag, a path, a folder that cannot be written."""

    exit_code = 2


class SpecError(UsageError):
    """The spec is invalid; the message lists every problem found.

    Args:
        text: The message.
        in_full: The message that `-v` prints, with all names; empty if it is the same.
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
        names: All items concerned, such as files, if the reason lists only the first ten.
    """

    def __init__(self, key: str, reason: str, names: Sequence[str] = ()) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key
        self.reason = reason
        self.names = tuple(names)

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Pickled by its arguments."""
        return type(self), (self.key, self.reason, self.names)

    @classmethod
    def of(cls, key: str, error: InvolbenchError) -> "SettingError":
        """Turn another error into one about a setting."""
        names = error.message.names
        return cls(key, str(error), names if len(names) > _MOST_NAMED else ())


class DataError(UsageError):
    """The dataset named by the spec is missing, damaged or does not fit the spec."""


class ResultsError(InvolbenchError):
    """A results file cannot be read or written."""


class RegistryError(UsageError):
    """A registered function breaks the contract; the message has its file and line."""
