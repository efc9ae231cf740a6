"""The errors that involbench raises on purpose, and the exit code of each.

Only `involbench.cli` catches them: it prints the message, without a traceback, and exits with
`exit_code`. Every message says what was wrong, where, and what to do about it.
"""


class InvolbenchError(Exception):
    """Something failed that the user can act on: a trial, a file, a device."""

    exit_code = 1


class UsageError(InvolbenchError):
    """What the user gave is invalid: a flag, a path, a folder that cannot be written."""

    exit_code = 2


class SpecError(UsageError):
    """The spec is invalid; the message lists every problem found."""


class SettingError(SpecError):
    """One setting of a trial cannot be used.

    Args:
        key: The setting, such as `training.optimizer`.
        reason: What is wrong with it.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key
        self.reason = reason


class DataError(UsageError):
    """The dataset named by the spec is missing, damaged or does not fit the spec."""


class ResultsError(InvolbenchError):
    """A results file cannot be read or written."""
