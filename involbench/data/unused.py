"""The files below an image folder that are not used: which, how many, and why."""

from collections import defaultdict
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from involbench.errors import Message
from involbench.results.remark import Remark
from involbench.results.wording import printable

READ = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
"""The endings of the files that are read."""
_KINDS = ", ".join(sorted(READ))
_PICTURES = READ | {".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".ppm"}
"""Endings of images, of which a user will want to know that they are not used."""


class Why(Enum):
    """Why a file is not used, and what to do where it is an image."""

    HIDDEN = "its name, or that of a folder above it, begins with a dot", None
    KIND = f"only {_KINDS} are read", "convert images to PNG"
    NESTED = "in a folder inside a class folder", "move images into the class folder itself"
    NO_CLASS = "in no class folder", "move images into the folder of their class"
    NO_SPLIT = "neither in train/ nor in test/", "move images that you want used"


class UnusedFiles:
    """Collects files that are not used.

    Args:
        root: The image folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._found: dict[Why, list[str]] = defaultdict(list)

    def add(self, name: str, why: Why) -> int:
        """Add a file, or all that are in a folder, by its path below the root; how many."""
        hidden = Path(name).name.startswith(".")
        path = self._root / name
        found = list(self._below(path)) if path.is_dir() and not path.is_symlink() else [name]
        self._found[Why.HIDDEN if hidden else why] += found
        return len(found)

    def remarks(self) -> tuple[Remark, ...]:
        """One for each reason; a warning where images are among the files."""
        return tuple(
            self._remark(why, sorted(self._found[why])) for why in Why if self._found.get(why)
        )

    def _below(self, folder: Path) -> Iterator[str]:
        """The files in a folder and in those below it; of links to folders, only their names."""
        try:
            entries = list(folder.iterdir())
        except OSError as error:
            yield f"{folder.relative_to(self._root)}/ ({error.strerror})"
            return
        for path in entries:
            if path.is_dir() and not path.is_symlink():
                yield from self._below(path)
            else:
                yield str(path.relative_to(self._root))

    def _remark(self, why: Why, names: list[str]) -> Remark:
        reason, remedy = why.value
        count = f"{len(names)} file{' is' if len(names) == 1 else 's are'}"
        wanted = why is not Why.HIDDEN and any(map(_is_picture, names))
        text = f"{self._root}: {count} not used ({reason})"
        message = Message(text, tuple(map(printable, names)), remedy if wanted else None)
        return Remark("unused files", message, warning=wanted)


def ending(name: str) -> str:
    """The ending of a file's name, by which it is read or not: `.png` of `a.PNG`."""
    return Path(name).suffix.lower()


def _is_picture(name: str) -> bool:
    return ending(name) in _PICTURES
