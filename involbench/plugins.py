"""The user's code that registers operators, networks, datasets and metrics when it is imported.

A file is imported only where the user names it, for that runs it; an installed package, only where
a name is not known otherwise. A spec or a record never makes code run: what names a plugin that is
not imported is read as it stands (`as_recorded`).
"""

import hashlib
import inspect
import linecache
import marshal
import re
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from involbench import registry
from involbench.errors import UsageError

GROUP = "involbench.plugins"
"""The entry points by which an installed package names its modules."""


@dataclass(frozen=True)
class PluginFile:
    """A Python file, or the cell of a notebook, as it was when it was imported.

    Workers run these bytes: what becomes of the file later changes no trial of the command.
    """

    path: Path
    content: bytes
    is_main: bool = False
    """Whether it is the script, or a cell of the notebook, that calls involbench."""

    @property
    def name(self) -> str:
        """By which records know it."""
        return "__main__" if self.is_main else self.path.name

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Plugins:
    """What a process has imported, for its workers."""

    files: tuple[PluginFile, ...] = ()
    installed: bool = False
    """Whether the installed packages are imported, too."""

    def __bool__(self) -> bool:
        return bool(self.files) or self.installed


class PluginWarning(UserWarning):
    """An installed package that can't be imported."""


_files: dict[Path, PluginFile] = {}
_installed = False
_recorded = ContextVar("recorded", default=False)
_importing = ContextVar("importing", default=False)


def imported() -> Plugins:
    """What this process has imported, and the cells in which it registered something."""
    own = (_main_file(Path(file)) for file in sorted(registry.files_of_users()))
    return Plugins((*_files.values(), *filter(None, own)), _installed)


def is_importing() -> bool:
    """Whether a plugin is being imported, in which nothing may be trained."""
    return _importing.get()


def _main_file(file: Path) -> PluginFile | None:
    """The script or the cell with this file name; None if it is another file, or unknown."""
    if file in _files or registry.files_of_users().get(str(file)) != "__main__":
        return None
    text = "".join(linecache.getlines(str(file)))
    return PluginFile(file, text.encode(), is_main=True) if text else None


def load_plugin(path: Path) -> None:
    """Import a Python file; again, only if it has changed.

    Raises:
        UsageError: There is no such file, or it fails; the message has its line.
    """
    file = path.resolve()
    if file.suffix != ".py" or not file.is_file():
        raise UsageError(f"{path}: no such Python file")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    _import(PluginFile(file, content), str(path))


def load_plugins(plugins: Plugins) -> None:
    """Import what another process has imported.

    Raises:
        UsageError: See `load_plugin`.
    """
    for file in plugins.files:
        try:
            _import(file, str(file.path))
        except UsageError as error:
            if not file.is_main:
                raise
            hint = "a worker runs only this cell or script, so put its imports into it"
            raise UsageError(f"{error} ({hint})") from error
    if plugins.installed:
        load_installed()


def load_installed() -> bool:
    """Import the installed packages that declare plugins; whether that may have changed anything.

    One that fails is left out with a warning.
    """
    global _installed
    if _installed:
        return False
    _installed = True
    found = entry_points(group=GROUP)
    for entry in found:
        try:
            entry.load()
        except (Exception, SystemExit) as error:
            name = entry.dist.name if entry.dist else entry.value
            text = f"the plugin {entry.name} of the package {name} is left out: {reason_of(error)}"
            warnings.warn(text, PluginWarning, stacklevel=2)
    return bool(found)


def _import(plugin: PluginFile, shown: str) -> None:
    file = plugin.path
    if _files.get(file) == plugin:
        return
    for other in _files:
        if other.name == file.name and other != file:
            # Records know a plugin by the name of its file.
            raise UsageError(f"{shown}: {other} is imported already; rename one of the two files")
    _forget(file)
    name = f"involbench_plugin_{file.stem}"
    module = ModuleType(name)
    module.__file__ = str(file)
    sys.modules[name] = module
    # Where AutoGraph and tracebacks look for the source.
    lines = plugin.content.decode(errors="replace").splitlines(keepends=True)
    linecache.cache[str(file)] = len(plugin.content), None, lines, str(file)
    token = _importing.set(True)
    try:
        exec(compile(plugin.content, str(file), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        _forget(file)
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{_where(shown, file, error)}: {reason_of(error)}") from error
    finally:
        _importing.reset(token)
    _files[file] = plugin


def _forget(file: Path) -> None:
    registry.forget(str(file))
    sys.modules.pop(f"involbench_plugin_{file.stem}", None)
    _files.pop(file, None)


def line_of(error: BaseException) -> str | None:
    """FILE:LINE of the last line of a plugin that ran before an error; None if none did."""
    files, place = registry.files_of_users(), None
    cause: BaseException | None = error
    while cause is not None:
        for frame in traceback.extract_tb(cause.__traceback__):
            if frame.filename in files:
                place = f"{frame.filename}:{frame.lineno}"
        cause = cause.__cause__
    return place


def _where(shown: str, file: Path, error: BaseException) -> str:
    """FILE:LINE of the last line of the file that ran."""
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return f"{shown}:{error.lineno}"
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(file)]
    return f"{shown}:{lines[-1]}" if lines else shown


def reason_of(error: BaseException) -> str:
    """The type of an error, and the first line of its message that tells what happened."""
    text = str(error.msg if isinstance(error, SyntaxError) else error)
    lines = (line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines())
    telling = (line for line in lines if line and not line.startswith("Exception encountered"))
    return f"{type(error).__name__}: {next(telling, '')[:300]}".removesuffix(": ")


def source_of(entry: registry.Registered) -> tuple[str, str] | None:
    """The name and the SHA-256 of the file that registered something; None if it is built in.

    The name is that of the file, or of the module of an installed package.
    """
    function = inspect.unwrap(entry.build)
    if registry.is_built_in(function):
        return None
    file = Path(function.__code__.co_filename)
    plugin = _files.get(file) or _main_file(file)
    if plugin:
        return plugin.name, plugin.sha256
    try:
        content = file.read_bytes()
    except OSError:
        content = marshal.dumps(function.__code__)
    return function.__module__, hashlib.sha256(content).hexdigest()


@contextmanager
def as_recorded() -> Iterator[None]:
    """Within it, what only a plugin could check is valid as it stands."""
    token = _recorded.set(True)
    try:
        yield
    finally:
        _recorded.reset(token)


def may_be_recorded(name: Any, entry: registry.Registered | None) -> bool:
    """Whether a name, and what stands beside it, is valid although it is not, or not so, known."""
    known = entry is not None and registry.is_built_in(entry.build)
    return _recorded.get() and isinstance(name, str) and not known
