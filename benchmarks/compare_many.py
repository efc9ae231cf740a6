"""How long `involbench compare` takes over 5,000 runs, and how much memory.

Makes runs of made-up numbers in a temporary folder, then times whole processes, interpreter
included: a tree of a few experiments with many seeds, and one of many experiments with few. Run
from the repository:  python -m benchmarks.compare_many [REPEATS]
"""

import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.compare.factory import make_run

_MODELS = ("cnn", "inn")
_RUNS = 5000
_SHAPES = ((5, 500), (250, 10))
"""Experiments, and seeds of each model in each."""
_BUDGET = "budget: 3 s, 300 MB"


def make_runs(results: Path, experiments: int, seeds: int) -> None:
    """Finished runs; accuracies scatter a little over seeds."""
    for number in range(experiments):
        for model in _MODELS:
            for seed in range(seeds):
                accuracy = 0.5 + 0.1 * (model == "cnn") + 0.01 * ((seed * 7919) % 13) / 13
                name = f"experiment{number}"
                make_run(results, model, seed, experiment=name, accuracy=accuracy)


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
    """Print medians over the repeats, for each shape and format."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(f"python {platform.python_version()}, {os.cpu_count()} cores, {_BUDGET}")
    for experiments, seeds in _SHAPES:
        assert experiments * seeds * len(_MODELS) == _RUNS
        with TemporaryDirectory() as folder:
            make_runs(Path(folder) / "results", experiments, seeds)
            for arguments in (["compare"], ["compare", "--json"]):
                measure(arguments, Path(folder))  # fills the caches
                taken = [measure(arguments, Path(folder)) for _ in range(repeats)]
                wall, busy, memory = (median(column) for column in zip(*taken, strict=True))
                print(
                    f"{_RUNS:,} runs, {experiments} experiments, {' '.join(arguments)}: "
                    f"{wall:.2f} s ({busy:.2f} s of processor), {memory:.0f} MB"
                )


if __name__ == "__main__":
    main()
