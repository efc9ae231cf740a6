"""Running the command line as a user does: in a process of its own."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import psutil
import pytest

from involbench import optional_dependencies as extras
from involbench.cli import main

COMMAND = [sys.executable, "-m", "involbench"]
EXPERIMENTS = Path(__file__).parents[2] / "experiments"

TINY = """\
name: tiny
data: {dataset: digits, train_size: 100, validation: test}
models:
  cnn: {architecture: keras_io_cnn}
  inn: {architecture: keras_io_inn}
training: {epochs: 2, batch_size: 50}
seeds: 2
baseline: cnn
"""

BRIEF = TINY.replace("keras_io_cnn", "keras_io_control").replace("keras_io_inn", "keras_io_control")
"""The same with the networks that take least time to train, for tests that don't depend on them."""


def surroundings(**environment: str) -> dict[str, str]:
    """A user's environment variables: those of the tests, but what `conftest` sets for itself."""
    others = {name: os.environ[name] for name in os.environ if name != "TF_ENABLE_ONEDNN_OPTS"}
    return {**others, **environment}


def involbench(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run one command to its end; nothing is a terminal."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=surroundings(**environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
    )


def spawn(*arguments: object, cwd: Path, **environment: str) -> subprocess.Popen:
    """Start one command in a process group of its own, to be signalled."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=surroundings(**environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell starts its background jobs, which CI may be one of, with Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def title(process: psutil.Process) -> str:
    """Its command; empty if it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def workers_of(runner: subprocess.Popen) -> list[psutil.Process]:
    """The worker processes of a command that runs."""
    children = psutil.Process(runner.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in title(child)]


def without_packages(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let these packages seem not to be installed."""
    version, found = extras.version, extras.find_spec
    modules = {name.replace("-", "_") for name in names}

    def seen(name: str) -> str:
        if name in names:
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(extras, "version", seen)
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name in modules else found(name))


def called(*arguments: object, cwd: Path) -> subprocess.CompletedProcess:
    """Run one command to its end in this process, where thousands are wanted."""
    out, err = io.StringIO(), io.StringIO()
    argv, sys.argv = sys.argv, ["involbench", *map(str, arguments)]
    try:
        with (
            contextlib.chdir(cwd),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            main()
        code = 0
    except SystemExit as exit_:
        code = exit_.code
    finally:
        sys.argv = argv
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
