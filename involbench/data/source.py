"""What loaders share: callbacks, the user's path, reasons, and a check of the memory."""

from collections.abc import Callable
from pathlib import Path

from involbench.errors import DataError

Notify = Callable[[str], None]
"""Called with one short line for a human, before anything that takes long."""

Progress = Callable[[str, int, int], None]
"""Called as `progress(what, done, total)`, e.g. ("decoding images", 640, 60000), from the thread
that called the loader, with `done` rising to `total` for each `what`. The caller draws the bar."""


def silent(*_: object) -> None:
    """Tell nobody: the default for both callbacks."""


def existing_path(given: str) -> Path:
    """The path, expanded.

    Raises:
        DataError: Nothing is there, or it cannot be read.
    """
    try:
        path = Path(given).expanduser()
        path.stat()
    except RuntimeError as error:  # ~name of an unknown user
        raise DataError(f"{given}: {error}") from None
    except FileNotFoundError:
        remedy = "check data.path"
        if not path.is_absolute():
            remedy += f"; {path.absolute()} was looked for"
        raise DataError(f"{path}: no such file or folder", remedy=remedy) from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({reason(error)})") from None
    return path


def reason(error: BaseException) -> str:
    """What went wrong in a few words on one line, without Python's errno and file name."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.strip().splitlines()[0]


def require_memory(what: str, needed: int, remedy: str) -> None:
    """Raise DataError when `needed` bytes exceed what this machine has available now.

    The user gets a line in place of an out-of-memory kill.
    """
    import psutil

    available = psutil.virtual_memory().available
    if needed > available:
        raise DataError(
            f"{what} need {needed / 1e9:.1f} GB of memory and {available / 1e9:.1f} GB are "
            "available",
            remedy=remedy,
        )
