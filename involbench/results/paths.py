"""Paths in a results folder, which may come from somebody else.

A `ResultsPath` is opened folder by folder, each through the descriptor of its parent. No link below
the results folder is followed. So nothing outside of it is reached, even if another process changes
the folder at the same time. The results folder itself may be a link.
"""

import os
import stat
from contextlib import suppress
from contextvars import ContextVar, Token
from dataclasses import dataclass
from errno import ELOOP, ENOTDIR
from pathlib import Path
from typing import Literal, Self

from involbench.errors import ResultsError

Kind = Literal["file", "folder", "link", "other"]
"""`other` is a pipe, a device or a socket."""

_SEARCH = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
_LIST = os.O_DIRECTORY | os.O_CLOEXEC | os.O_RDONLY

_NO_NAMES = frozenset(("", ".", ".."))

_Kept = tuple[tuple[Path, tuple[str, ...], int], ...]
_KEPT: ContextVar[_Kept] = ContextVar("_KEPT", default=())
"""Root, names and descriptor of each folder that is kept open, the latest first."""


class LinkRefused(ResultsError):
    """The path leads through a link."""

    def __init__(self, path: "ResultsPath") -> None:
        super().__init__(
            f"{path}: is a link; links inside a results folder are not followed: "
            "replace it with what it points to, or remove it"
        )


@dataclass(frozen=True, order=True)
class ResultsPath:
    """A file or folder below a folder that the user has given.

    Args:
        root: The results folder or another folder from the user; links in its path are followed.
        parts: The names below the root.
    """

    root: Path
    parts: tuple[str, ...] = ()

    def __truediv__(self, below: str) -> Self:
        names = below.split("/")
        if "\0" in below or not _NO_NAMES.isdisjoint(names):
            raise ResultsError(f"{self}: cannot contain an entry called {below!r}")
        return type(self)(self.root, (*self.parts, *names))

    def __str__(self) -> str:
        return str(self.path)

    @property
    def path(self) -> Path:
        """For messages only. Open files with `involbench.results.files`."""
        return self.root.joinpath(*self.parts)

    @property
    def name(self) -> str:
        """The last name."""
        return self.parts[-1] if self.parts else self.root.name

    @property
    def parent(self) -> "ResultsPath":
        """The folder that contains it."""
        if self.parts:
            return ResultsPath(self.root, self.parts[:-1])
        return ResultsPath(self.root.parent)

    def absolute(self) -> "ResultsPath":
        """The same path with an absolute root, for a process in another working directory."""
        return ResultsPath(self.root.absolute(), self.parts)

    def relative_to(self, folder: "ResultsPath") -> str:
        """The path below one of its parent folders, with "/"."""
        assert (folder.root, folder.parts) == (self.root, self.parts[: len(folder.parts)])
        return "/".join(self.parts[len(folder.parts) :])

    def opened(self, to_list: bool = False) -> "_Opened":
        """A descriptor of this folder for the length of a `with`.

        Raises:
            LinkRefused: It or one of its parents is a link.
            OSError: It cannot be opened, or is not a folder.
        """
        return _Opened(self, to_list)

    def kept_open(self) -> "_KeptOpen":
        """Keep this folder open for the length of a `with`.

        Entries below it are then opened from there, not from the results folder. That is faster
        for many files, and equally safe. A folder that cannot be opened is not kept.
        """
        return _KeptOpen(self)

    def status(self) -> os.stat_result:
        """The result of `lstat`.

        Raises:
            LinkRefused: One of its parents is a link.
            OSError: It does not exist or cannot be read.
        """
        if not self.parts:
            return self.root.stat()
        with self.parent.opened() as folder:
            return os.stat(self.name, dir_fd=folder, follow_symlinks=False)

    def kind(self) -> Kind | None:
        """What it is; None if it does not exist or cannot be read."""
        try:
            return kind_of(self.status().st_mode)
        except (OSError, ResultsError, ValueError):
            return None

    def exists(self) -> bool:
        """Whether an entry of this name exists; also a broken link."""
        return self.kind() is not None

    def is_folder(self) -> bool:
        """Whether it is a folder and not a link; False if it cannot be read."""
        return self.kind() == "folder"


class _Opened:
    """The descriptor of a folder, for the length of a `with`."""

    __slots__ = ("_descriptor", "_folder", "_to_list")

    def __init__(self, folder: ResultsPath, to_list: bool) -> None:
        self._folder = folder
        self._to_list = to_list
        self._descriptor: int | None = None
        """The descriptor that must be closed."""

    def __enter__(self) -> int:
        root, parts = self._folder.root, self._folder.parts
        descriptor, depth = _nearest_kept(root, parts)
        if descriptor is not None and depth == len(parts):
            return descriptor
        last = _LIST if self._to_list else _SEARCH
        try:
            if descriptor is None:
                flags = _SEARCH if parts else last
                descriptor = self._descriptor = os.open(root, flags)
            for deep in range(depth, len(parts)):
                flags = last if deep == len(parts) - 1 else _SEARCH
                try:
                    below = os.open(parts[deep], flags | os.O_NOFOLLOW, dir_fd=descriptor)
                except OSError as error:
                    if error.errno in (ELOOP, ENOTDIR) and _is_link(parts[deep], descriptor):
                        raise LinkRefused(ResultsPath(root, parts[: deep + 1])) from error
                    raise
                self.__exit__()
                descriptor = self._descriptor = below
        except BaseException:
            self.__exit__()
            raise
        return descriptor

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)


class _KeptOpen:
    """A folder that is kept open for the length of a `with`."""

    __slots__ = ("_folder", "_opened", "_token")

    def __init__(self, folder: ResultsPath) -> None:
        self._folder = folder
        self._opened = folder.opened(to_list=True)
        self._token: Token[_Kept] | None = None

    def __enter__(self) -> None:
        with suppress(OSError, LinkRefused):
            descriptor = self._opened.__enter__()
            kept = (self._folder.root, self._folder.parts, descriptor)
            self._token = _KEPT.set((kept, *_KEPT.get()))

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _KEPT.reset(self._token)
            self._opened.__exit__()


def _nearest_kept(root: Path, parts: tuple[str, ...]) -> tuple[int | None, int]:
    """The descriptor of the lowest folder in a path that is kept open, and its depth."""
    nearest, depth = None, -1
    for kept_root, kept_parts, descriptor in _KEPT.get():
        deep = len(kept_parts)
        if deep <= depth or parts[:deep] != kept_parts:
            continue
        if root is kept_root or root == kept_root:  # Comparing paths is slow.
            nearest, depth = descriptor, deep
    return nearest, max(depth, 0)


AnyPath = Path | ResultsPath
"""A path from the user, or a path in a results folder."""


def at(path: AnyPath) -> ResultsPath:
    """The path as a ResultsPath; links in the parents of a path from the user are followed."""
    if isinstance(path, ResultsPath):
        return path
    if path.name in ("", ".."):
        return ResultsPath(path)
    return ResultsPath(path.parent, (path.name,))


def kind_of(mode: int) -> Kind:
    """The kind of a file with this mode."""
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "link" if stat.S_ISLNK(mode) else "other"


def _is_link(name: str, folder: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False
