"""A training that is cut off and run again equals one that never was."""

import contextlib
import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.cli import called, involbench, spawn
from tests.e2e.resumable import ONE, SPEC, of_one, outcome, prepared


def checkpoints(folder: Path, model: str = "cnn") -> list[Path]:
    return sorted(folder.glob(f"results/tiny/runs/{model}-*/checkpoint/*.npz"))


def records(folder: Path, model: str) -> list[Path]:
    return [*folder.glob(f"results/tiny/runs/{model}-*/run.json")]


def start_and_stop(spec: Path, sent: int, when, **environment: str) -> int:
    """Send a signal to a run once `when` holds; its exit code."""
    process = spawn("run", spec, cwd=spec.parent, **environment)
    children: list[psutil.Process] = []
    deadline = time.monotonic() + 120
    while process.poll() is None and not when():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    if process.poll() is None:
        children = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, sent)
    _, errors = process.communicate(timeout=120)
    assert "Traceback" not in errors
    for child in children:  # No orphan goes on in the run's folder.
        with contextlib.suppress(psutil.NoSuchProcess):
            child.wait(timeout=30)
    return process.returncode


@pytest.mark.parametrize(
    ("sent", "code", "text", "model", "finished"),
    [
        (signal.SIGINT, 130, ONE, "cnn", 0),
        pytest.param(signal.SIGTERM, 143, SPEC, "inn", 1, marks=pytest.mark.thorough),
    ],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_signal_stops_after_the_step_and_the_next_run_goes_on(
    undisturbed, tmp_path, sent, code, text, model, finished
):
    spec = prepared(tmp_path / "b", text)
    assert start_and_stop(spec, sent, lambda: len(checkpoints(spec.parent, model)) > 1) == code
    assert checkpoints(spec.parent, model)
    (spec.parent / "results/tiny/spec.yaml").write_text("training: {epochs: 3}")
    (listed,) = json.loads(called("list", "tiny", "--json", cwd=spec.parent).stdout)["experiments"]
    assert {run["epochs"] for run in listed["runs"]} == {8}  # Those of its own trial.
    kept = {path: path.read_bytes() for path in records(spec.parent, "*")}
    assert len(kept) == finished
    done = involbench("run", spec, cwd=spec.parent)
    assert done.returncode == 0, done.stderr
    assert outcome(spec.parent) == (of_one(undisturbed) if text == ONE else undisturbed)
    assert {path: path.read_bytes() for path in kept} == kept
    (record,) = records(spec.parent, model)
    assert "resumed after epoch" in json.loads(record.read_text())["notes"][0]
    log = (record.parent / "log.txt").read_text()
    assert "stopped before it was finished" in log
    assert "Traceback" not in log


def test_a_damaged_checkpoint_is_named_and_never_trained_on(undisturbed, tmp_path):
    spec = prepared(tmp_path / "b", ONE)
    start_and_stop(spec, signal.SIGKILL, lambda: len(checkpoints(spec.parent)) > 1)
    newest = checkpoints(spec.parent)[-1]
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 255
    newest.write_bytes(data)
    done = involbench("run", spec, cwd=spec.parent)
    assert done.returncode == 0, done.stderr
    assert outcome(spec.parent) == of_one(undisturbed)
    notes = (newest.parents[1] / "run.json").read_text()
    assert newest.name in notes
    assert "damaged" in notes


@pytest.mark.usefixtures("here", "eager", "undrawn")
def test_a_checkpoint_of_another_backend_is_refused_and_kept(tmp_path):
    spec = prepared(tmp_path / "b", ONE)
    command = ("run", spec, "-S", "training.epochs=2", "-S", "data.train_size=100")
    run = called(*command, "--dry-run", cwd=spec.parent).stdout.split()[0]
    history = spec.parent / "results/tiny/runs" / run / "history.json"
    history.mkdir(parents=True)  # It cannot be replaced by a file, so the trial fails at its end.
    assert called(*command, cwd=spec.parent).returncode == 1
    history.rmdir()
    path = checkpoints(spec.parent)[-1]
    ours = path.read_bytes()
    with np.load(path) as members:
        arrays = dict(members)
    state = json.loads(str(arrays["state"]))
    state["versions"]["backend"] = "jax"
    np.savez(path, **{**arrays, "state": np.array(json.dumps(state))})
    theirs = path.read_bytes()
    done = called(*command, cwd=spec.parent)
    assert done.returncode == 1
    assert f"{run}/checkpoint was written under jax, but the backend is tensorflow" in done.stderr
    assert "resume with KERAS_BACKEND=jax, or delete that folder" in done.stderr
    assert checkpoints(spec.parent)[-1] == path
    assert path.read_bytes() == theirs
    path.write_bytes(ours)
    done = called(*command, cwd=spec.parent)
    assert done.returncode == 0, done.stderr
    (record,) = records(spec.parent, "cnn")
    assert json.loads(record.read_text())["status"] == "finished"
