"""What thousands of trials cost the tool itself: expanding, listing, locking, comparing.

Makes runs of made-up numbers in a temporary folder, in two shapes: many seeds, and a wide sweep.
What a user types is timed as a whole process, interpreter included. Run from the repository:
python -m benchmarks.scale [TRIALS] [REPEATS]
"""

import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.compare_many import measure
from involbench.results.store import Store, ended, lock_run
from involbench.spec.expand import expand
from involbench.spec.load import load_spec
from tests.results.factory import FINGERPRINT, make_run

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


def shapes(trials: int) -> list[tuple[int, int]]:
    """Points of the sweep and seeds: 2 models at each are the trials."""
    return [(10, trials // 20), (trials // 20, 10)]


def timed(what: str, repeats: int, do: Callable[[], object]) -> None:
    """Print the median, and the spread."""
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        do()
        taken.append(time.perf_counter() - began)
    print(f"  {what}: median {median(taken):.2f} s ({min(taken):.2f} to {max(taken):.2f})")


def main() -> None:
    """Print what each step takes, for both shapes."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    print(f"python {platform.python_version()}, {os.cpu_count()} cores, {repeats} repeats")
    for points, seeds in shapes(trials):
        print(f"{2 * points * seeds:,} trials: 2 models, {points} points, {seeds} seeds")
        with TemporaryDirectory() as folder:
            _shape(Path(folder), points, seeds, repeats)


def _shape(folder: Path, points: int, seeds: int, repeats: int) -> None:
    spec = folder / "wide.yaml"
    spec.write_text(SPEC.format(sizes=list(range(100, 100 + points)), seeds=seeds))
    timed("expand", repeats, lambda: expand(load_spec(spec, [])))
    loaded = load_spec(spec, [])
    trials, store = expand(loaded), Store(folder / "results", "wide")
    others = Store(folder / "locked", "wide")
    timed("name", repeats, lambda: [trial.run_id(FINGERPRINT) for trial in trials])
    store.prepare(loaded.source)
    runs = [(trial, store.run_dir(trial.run_id(FINGERPRINT))) for trial in trials]

    def lock() -> None:
        for _, run_dir in runs:
            with lock_run(others.run_dir(run_dir.name)) as owned:
                assert owned

    timed("lock each", repeats, lock)
    for trial in trials:
        accuracy = 0.5 + 0.1 * (trial.model == "cnn") + 0.01 * ((trial.seed * 7919) % 13) / 13
        make_run(
            folder / "results",
            trial.model,
            trial.seed,
            experiment="wide",
            accuracy=accuracy,
            data={"dataset": "digits", "train_size": trial.data.train_size},
            point=trial.point,
        )
    timed("see what is finished", repeats, lambda: [ended(path, trial) for trial, path in runs])
    for command in (["list"], ["list", "wide"], ["compare"], ["compare", "--json"]):
        measure(command, folder)
        taken = [measure(command, folder) for _ in range(repeats)]
        wall, _, memory = (median(column) for column in zip(*taken, strict=True))
        print(f"  involbench {' '.join(command)}: median {wall:.2f} s, {memory:.0f} MB")


if __name__ == "__main__":
    main()
