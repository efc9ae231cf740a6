"""What a loader is told: where the images are, how to prepare them, and whom to keep informed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from involbench.data.resize import Resize
from involbench.errors import DataError

Notify = Callable[[str], None]
"""Called with one short line for a human, before anything that takes long."""

Progress = Callable[[str, int, int], None]
"""Called as `progress(what, done, total)`, e.g. ("decoding images", 640, 60000), from the thread
that called the loader, with `done` rising to `total` for each `what`. The caller draws the bar."""

Description = tuple[tuple[int, int, int], int]
"""Input shape (H, W, C) and number of classes."""


def silent(*_: object) -> None:
    """Tell nobody: the default for both callbacks."""


@dataclass(frozen=True)
class Source:
    """The arguments of every loader; each takes what concerns it.

    Args:
        path: the folder or file of a dataset that is the user's own.
        image_size: (height, width) to resize to, or None to keep the size.
        resize: what becomes of the shape of an image on the way to `image_size`.
        test_fraction: share of the images to hold out where there is no test split.
    """

    path: Path | None = None
    image_size: tuple[int, int] | None = None
    resize: Resize = "stretch"
    test_fraction: float = 0.2
    notify: Notify = silent
    progress: Progress = silent

    def existing_path(self) -> Path:
        """The path, expanded; DataError where none was given or nothing is there."""
        if self.path is None:
            raise DataError(
                "data.path is missing", remedy="say where the images are, -S data.path=..."
            )
        try:
            path = self.path.expanduser()
            path.stat()
        except RuntimeError as error:  # ~name of an unknown user
            raise DataError(f"{self.path}: {error}") from None
        except FileNotFoundError:
            raise DataError(f"{path}: no such file or folder", remedy="check data.path") from None
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be read ({reason(error)})") from None
        return path


def reason(error: BaseException) -> str:
    """What went wrong in a few words on one line, without Python's errno and file name."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.strip().splitlines()[0]
