"""How long `involbench --help`, `list` and `compare` take, as a user waits for them.

Makes runs of made-up numbers in a temporary folder, then times whole processes, interpreter
included. Run from the repository:  python -m benchmarks.startup
"""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.results.factory import make_run

_MODELS = ("cnn", "inn", "control")
_EXPERIMENTS = 4
_RUNS = (200, 500)
_REPEATS = 15


def make_runs(results: Path, count: int) -> None:
    """Finished runs, dealt out over models and experiments."""
    for number in range(count):
        seed, deal = divmod(number, len(_MODELS) * _EXPERIMENTS)
        model, experiment = _MODELS[deal % len(_MODELS)], deal // len(_MODELS)
        make_run(results, model, seed, experiment=f"experiment{experiment}")


def wall_seconds(arguments: Sequence[str], cwd: Path) -> list[float]:
    """Seconds of each of several processes, after one that fills the caches."""
    command = [sys.executable, "-m", "involbench", *arguments]
    taken = []
    for _ in range(_REPEATS + 1):
        start = time.perf_counter()
        subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - start)
    return taken[1:]


def main() -> None:
    print(f"python {platform.python_version()}, {os.cpu_count()} cores, {_REPEATS} processes each")
    with TemporaryDirectory() as folder:
        _report("involbench --help", ["--help"], Path(folder))
        for count in _RUNS:
            home = Path(folder) / str(count)
            make_runs(home / "results", count)
            for command in ("list", "compare"):
                _report(f"involbench {command}, {count} runs", [command], home)


def _report(title: str, arguments: Sequence[str], cwd: Path) -> None:
    taken = sorted(wall_seconds(arguments, cwd))
    spread = f"{taken[0]:.3f} to {taken[-1]:.3f}"
    print(f"{title:32} median {median(taken):.3f} s, {spread}")


if __name__ == "__main__":
    main()
