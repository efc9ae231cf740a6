"""How long `list`, `compare` and `report` take over many runs, and how much memory.

Makes runs of made-up numbers in a temporary folder, then times whole processes, interpreter
included: a tree of one experiment with many seeds, one of many experiments with few, and one of
1,000 models, whose report must stay below 10 MB. Run from the repository:

    python -m benchmarks.compare_many [RUNS [REPEATS]]
"""

import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.results import factory

_RUNS = 5000
_COMMANDS = (["list"], ["compare"], ["compare", "--json"], ["report", "experiment0"])
_LIMIT = 10_000_000
"""Bytes of a report."""


def make_runs(results: Path, experiments: int, models: int, seeds: int) -> None:
    """Finished runs; accuracies scatter a little over models and seeds."""
    for number in range(models):
        factory.ROLES.setdefault(_name(number), factory.ROLES["inn" if number % 2 else "cnn"])
    for experiment in range(experiments):
        for number in range(models):
            for seed in range(seeds):
                accuracy = 0.5 + 0.1 * (number * 37 % 101) / 101 + 0.01 * ((seed * 7919) % 13) / 13
                factory.make_run(
                    results,
                    _name(number),
                    seed,
                    experiment=f"experiment{experiment}",
                    accuracy=accuracy,
                    architecture={"architecture": "keras_io_cnn"},
                )


def _name(number: int) -> str:
    return f"model{number:04d}"


def measure(arguments: list[str], cwd: Path) -> tuple[float, float, float]:
    """Seconds of wall clock, seconds of processor, and megabytes at most, of one process."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "involbench", *arguments]
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    seconds = time.perf_counter() - began
    return seconds, usage.ru_utime + usage.ru_stime, kilobytes / 1000


def main() -> None:
    """Print medians over the repeats, for each shape and command."""
    given = list(map(int, sys.argv[1:]))
    runs, repeats = [*given, *(_RUNS, 3)[len(given) :]]
    print(f"python {platform.python_version()}, {os.cpu_count()} cores")
    shapes = ((1, 2, runs // 2), (max(1, runs // 20), 2, 10), (1, 1000, 3))
    for experiments, models, seeds in shapes:
        with TemporaryDirectory() as folder:
            make_runs(Path(folder) / "results", experiments, models, seeds)
            shape = f"{experiments} experiments x {models} models x {seeds} seeds"
            for arguments in _COMMANDS:
                measure(arguments, Path(folder))  # fills the caches
                taken = [measure(arguments, Path(folder)) for _ in range(repeats)]
                wall, busy, memory = (median(column) for column in zip(*taken, strict=True))
                print(
                    f"{shape}, {' '.join(arguments)}: "
                    f"{wall:.2f} s ({busy:.2f} s of processor), {memory:.0f} MB",
                    flush=True,
                )
            size = (Path(folder) / "results" / "experiment0" / "report.html").stat().st_size
            print(f"{shape}: a report of {size / 1e6:.2f} MB")
            assert size <= _LIMIT


if __name__ == "__main__":
    main()
