"""Killed at random moments, again and again: the result is that of a run never killed.

INVOLBENCH_KILLS says how many kills; `make torture` has a hundred.
"""

import os
import random
import signal
import time
from pathlib import Path

from tests.cli import involbench, spawn
from tests.e2e.resumable import KILLED, outcome, prepared

KILLS = int(os.environ.get("INVOLBENCH_KILLS", "10"))


def listing(folder: Path) -> frozenset[str]:
    """Every path below, temporary files and locks included."""
    # Folders go while they are looked at, which only `os.walk` takes as it comes.
    walk = os.walk(folder)
    return frozenset(f"{at}/{name}" for at, below, files in walk for name in (*below, *files))


def kill_at_a_random_moment(spec: Path, rng: random.Random) -> bool:
    """Kill a run after some changes of its files, and a little later; whether it still ran.

    Training, checkpointing, locking, writing results and drawing plots all change files.
    """
    process = spawn("run", spec, cwd=spec.parent)
    changes, delay = rng.randint(1, 25), rng.choice([0, 0, rng.uniform(0, 0.5)])
    results, deadline = spec.parent / "results", time.monotonic() + 200
    seen = listing(results)
    while changes and process.poll() is None:
        assert time.monotonic() < deadline
        now = listing(results)
        changes -= now != seen
        seen = now
        time.sleep(0.002)  # The run needs the processor more than this watch of it.
    time.sleep(delay)
    running = process.poll() is None
    if running:
        os.killpg(process.pid, signal.SIGKILL) if rng.random() < 0.5 else process.kill()
    _, errors = process.communicate(timeout=200)
    assert "Traceback" not in errors, errors
    return running


def test_killed_at_random_moments(undisturbed, tmp_path):
    rng, kills, experiment = random.Random(KILLS), 0, 0
    while kills < KILLS:
        experiment += 1
        spec = prepared(tmp_path / str(experiment), KILLED)
        wanted = min(KILLS - kills, rng.randint(3, 8))
        for _ in range(wanted):
            if not kill_at_a_random_moment(spec, rng):
                break
            kills += 1
        done = involbench("run", spec, cwd=spec.parent)
        assert done.returncode == 0, done.stderr
        assert outcome(spec.parent) == undisturbed
        print(f"{kills} kills, {experiment} experiments, all equal", flush=True)
