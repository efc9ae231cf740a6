"""What several files of tests hold their runs to."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.cli import involbench

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@dataclass(frozen=True)
class Printed:
    """What the run printed."""

    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def smoke(once):
    """The folder where experiments/smoke.yaml was run, and what the run printed."""

    def run(folder):
        wanted = ("--tensorboard", "board") if find_spec("tensorboardX") else ()
        done = involbench("run", EXPERIMENTS / "smoke.yaml", *wanted, cwd=folder)
        assert done.returncode == 0, done.stderr
        (folder / "stdout.txt").write_text(done.stdout)
        (folder / "stderr.txt").write_text(done.stderr)

    folder = once("smoke run", run)  # A path with a space, as users have.
    return folder, Printed(*((folder / f"{name}.txt").read_text() for name in ("stdout", "stderr")))
