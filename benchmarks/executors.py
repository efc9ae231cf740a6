"""The overhead of the tool for each trial, with local workers and with a Ray cluster.

Both run trials of 20 images in alternation, with started workers. The overhead is the time of the
workers without the seconds that the trials record, divided by the number of trials. The Ray
cluster has this machine only. Run from the repository:
python -m benchmarks.executors [TURNS] [TRIALS] [WORKERS]
"""

import os
import statistics
import sys
import tempfile
import time
from contextlib import AbstractContextManager
from pathlib import Path

from involbench.results.store import Store
from involbench.runner.plan import plan
from involbench.runner.runner import Event, Runner, TrialEnded
from involbench.spec.load import expand, load_spec
from involbench.spec.schema import ResourcesSpec
from involbench.workers.environment import partition
from involbench.workers.local import WorkerPool, start_worker
from involbench.workers.ray_pool import on_cluster

SPEC = """\
name: small
data: {{dataset: digits, train_size: 20}}
models:
  control: {{architecture: keras_io_control}}
training: {{epochs: 1, batch_size: 20}}
seeds: {trials}
"""


def main() -> None:
    """Print the milliseconds a trial of each, and their ratio turn by turn."""
    given = [int(word) for word in sys.argv[1:]]
    turns, trials, workers = (*given, *(5, 20, min(2, os.cpu_count() or 1))[len(given) :])
    rows = [
        (_overhead("local", trials, workers), _overhead("ray", trials, workers))
        for _ in range(turns)
    ]
    ratios = sorted(ray / local for local, ray in rows)
    print(f"{trials} trials of 20 images, {workers} workers, {turns} turns in alternation")
    for name, column in zip(("local", "ray"), zip(*rows, strict=True), strict=True):
        taken = sorted(1000 * seconds for seconds in column)
        median = statistics.median(taken)
        print(f"{name}: median {median:.0f} ms a trial ({taken[0]:.0f} to {taken[-1]:.0f})")
    print(f"ray / local: {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


def _overhead(executor: str, trials: int, workers: int) -> float:
    """Seconds of overhead for each trial."""
    spent = 0.0

    def show(event: Event) -> None:
        nonlocal spent
        if isinstance(event, TrialEnded):
            assert event.record.status == "finished", event.record.error
            spent += event.record.seconds

    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "small.yaml"
        spec.write_text(SPEC.format(trials=trials))
        store = Store(Path(folder), "small")
        with _workers(executor, workers, Path(folder)) as pool:
            loaded = load_spec(spec, [])
            planned = plan(loaded, expand(loaded), pool, store, "auto", show)
            store.prepare(spec.read_text())
            began = time.perf_counter()
            failures = Runner(pool, store, (), show, time.time()).run(planned)
            taken = time.perf_counter() - began
    assert not failures
    return (taken * workers - spent) / trials


def _workers(executor: str, workers: int, results: Path) -> AbstractContextManager[WorkerPool]:
    if executor == "local":
        return WorkerPool([*map(start_worker, partition("auto", workers, ()))])
    return on_cluster(None, ResourcesSpec(), "auto", workers, results, send_back=False)


if __name__ == "__main__":
    main()
