"""Files of the user's that register operators, networks, datasets and metrics when imported.

Importing a file runs it. It is imported only where the user names it; a spec never does that.
"""

import importlib.util
import sys
import traceback
from pathlib import Path

from involbench.errors import UsageError


def load_plugin(path: Path) -> None:
    """Import a Python file, once in each process.

    Raises:
        UsageError: There is no such file, or it fails; the message has its line.
    """
    file = path.resolve()
    name = f"involbench_plugin_{file.stem}"
    if getattr(sys.modules.get(name), "__file__", None) == str(file):
        return
    if file.suffix != ".py" or not file.is_file():
        raise UsageError(f"{path}: no such Python file")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{_where(path, file, error)}: {_reason(error)}") from error


def _where(path: Path, file: Path, error: Exception) -> str:
    """FILE:LINE of the last line of the file that ran."""
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return f"{path}:{error.lineno}"
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(file)]
    return f"{path}:{lines[-1]}" if lines else str(path)


def _reason(error: Exception) -> str:
    text = str(error.msg if isinstance(error, SyntaxError) else error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
