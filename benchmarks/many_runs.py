"""Time and memory of the commands that read results, and of planning, with thousands of runs.

Writes runs of made-up numbers to a temporary folder, then times whole processes, interpreter
included. Run from the repository:

    python -m benchmarks.many_runs startup          `--help`, and `list` and `compare` of few runs
    python -m benchmarks.many_runs compare [RUNS]   `list`, `compare` and `report` of many runs
    python -m benchmarks.many_runs plan [TRIALS]    expand, lock and list a spec of many trials

`compare` measures one experiment with many seeds, many experiments with few, and one of 1,000
models, whose report must be smaller than 10 MB. `plan` measures many seeds, and a wide sweep.
"""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from involbench.results.store import Store, ended, lock_run
from involbench.spec.load import expand, load_spec
from tests.results import factory

_REPEATS = 3
_REPORT_BYTES = 10_000_000
SPEC = """\
name: wide
data: {{dataset: digits}}
models:
  cnn: {{architecture: keras_io_cnn}}
  inn: {{architecture: keras_io_inn}}
training: {{epochs: 20}}
sweep: {{data.train_size: {sizes}}}
seeds: {seeds}
"""


def measure(arguments: Sequence[str], cwd: Path) -> tuple[float, float, float]:
    """Run a command once: seconds, seconds of processor, and megabytes of memory at most."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "involbench", *arguments]
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    seconds = time.perf_counter() - began
    return seconds, usage.ru_utime + usage.ru_stime, kilobytes / 1000


def print_command(arguments: Sequence[str], cwd: Path, repeats: int = _REPEATS) -> None:
    """Print medians over several processes, after one that fills the caches."""
    measure(arguments, cwd)
    rows = [measure(arguments, cwd) for _ in range(repeats)]
    walls, processor, memory = zip(*rows, strict=True)
    print(
        f"  involbench {' '.join(arguments)}: median {median(walls):.3f} s ({min(walls):.3f} to "
        f"{max(walls):.3f}), {median(processor):.2f} s of processor, {median(memory):.0f} MB",
        flush=True,
    )


def print_call(what: str, call: Callable[[], object]) -> None:
    """Print the median over several calls."""
    times = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    print(f"  {what}: median {median(times):.2f} s ({min(times):.2f} to {max(times):.2f})")


def make_runs(results: Path, experiments: int, models: int, seeds: int) -> None:
    """Write finished runs, whose accuracies scatter a little over models and seeds."""
    for number in range(models):
        role = factory.ROLES["inn" if number % 2 else "cnn"]
        factory.ROLES.setdefault(f"model{number:04d}", role)
        for experiment in range(experiments):
            for seed in range(seeds):
                accuracy = 0.5 + 0.1 * (number * 37 % 101) / 101 + 0.01 * (seed * 7919 % 13) / 13
                factory.make_run(
                    results,
                    f"model{number:04d}",
                    seed,
                    experiment=f"experiment{experiment}",
                    accuracy=accuracy,
                    architecture={"architecture": "keras_io_cnn"},
                )


def startup() -> None:
    """Time what a user waits for most often."""
    for runs in (200, 500):
        with TemporaryDirectory() as folder:
            make_runs(Path(folder) / "results", 4, 3, -(-runs // 12))
            print(f"{runs} runs")
            for arguments in (["--help"], ["list"], ["compare"]):
                print_command(arguments, Path(folder), repeats=15)


def compare(runs: int) -> None:
    """Time the commands that read all runs."""
    for experiments, models, seeds in (
        (1, 2, runs // 2),
        (max(1, runs // 20), 2, 10),
        (1, 1000, 3),
    ):
        with TemporaryDirectory() as folder:
            make_runs(Path(folder) / "results", experiments, models, seeds)
            print(f"{experiments} experiments x {models} models x {seeds} seeds")
            for arguments in (
                ["list"],
                ["compare"],
                ["compare", "--json"],
                ["report", "experiment0"],
            ):
                print_command(arguments, Path(folder))
            size = (Path(folder) / "results" / "experiment0" / "report.html").stat().st_size
            print(f"  a report of {size / 1e6:.2f} MB")
            assert size <= _REPORT_BYTES


def plan(trials: int) -> None:
    """Time the steps before and after the training of many trials."""
    for points, seeds in ((10, trials // 20), (trials // 20, 10)):
        print(f"{2 * points * seeds:,} trials: 2 models, {points} points, {seeds} seeds")
        with TemporaryDirectory() as folder:
            _plan(Path(folder), points, seeds)


def _plan(folder: Path, points: int, seeds: int) -> None:
    spec = folder / "wide.yaml"
    spec.write_text(SPEC.format(sizes=list(range(100, 100 + points)), seeds=seeds))
    print_call("expand", lambda: expand(load_spec(spec, [])))
    loaded = load_spec(spec, [])
    trials, store = expand(loaded), Store(folder / "results", "wide")
    locked = Store(folder / "locked", "wide")
    print_call("name", lambda: [trial.run_id(factory.FINGERPRINT) for trial in trials])
    store.prepare(loaded.source)
    runs = [(trial, store.run_dir(trial.run_id(factory.FINGERPRINT))) for trial in trials]

    def lock() -> None:
        for _, run_dir in runs:
            with lock_run(locked.run_dir(run_dir.name)) as owned:
                assert owned

    print_call("lock each", lock)
    for trial in trials:
        accuracy = 0.5 + 0.1 * (trial.model == "cnn") + 0.01 * ((trial.seed * 7919) % 13) / 13
        factory.make_run(
            folder / "results",
            trial.model,
            trial.seed,
            experiment="wide",
            accuracy=accuracy,
            data={"dataset": "digits", "train_size": trial.data.train_size},
            point=trial.point,
        )
    print_call("find finished trials", lambda: [ended(path, trial) for trial, path in runs])
    for arguments in (["list"], ["list", "wide"], ["compare"], ["compare", "--json"]):
        print_command(arguments, folder)


def main() -> None:
    """Run the measurement that the first argument names."""
    print(f"python {platform.python_version()}, {os.cpu_count()} cores")
    match sys.argv[1:]:
        case ["startup"]:
            startup()
        case ["compare", *count]:
            compare(int(count[0]) if count else 5000)
        case ["plan", *count]:
            plan(int(count[0]) if count else 10_000)
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
