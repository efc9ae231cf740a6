"""Several workers, and several runners, on one experiment."""

import json
import os
import shutil
from functools import partial
from pathlib import Path

import pytest

from tests.cli import called, involbench, spawn
from tests.e2e.resumable import outcome, prepared

SPEC = """\
name: shared
data: {dataset: digits, train_size: 20, validation: test}
models:
  a: {architecture: keras_io_control}
  b: {architecture: keras_io_control}
  c: {architecture: keras_io_control}
training: {epochs: 1, batch_size: 20}
seeds: 3
baseline: a
"""
FAULTS = Path(__file__).parent / "faults"


def faults(**wanted) -> dict[str, str]:
    path = os.pathsep.join([str(FAULTS), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return {"PYTHONPATH": path, "INVOLBENCH_FAULTS": json.dumps(wanted)}


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "shared.yaml"
    path.write_text(SPEC)
    return path


def records(folder: Path) -> dict[str, dict]:
    found = {}
    for path in sorted(folder.glob("results/shared/runs/*/run.json")):
        record = json.loads(path.read_text())
        found[f"{record['trial']['model']}-seed{record['trial']['seed']}"] = record
    return found


@pytest.fixture(scope="module")
def shared(once):
    """The folder in which two runners did the experiment at once."""
    return once("two runners", partial(done_at_once, runners=2, trials=9))


def done_at_once(folder: Path, runners: int, trials: int) -> None:
    (folder / "shared.yaml").write_text(SPEC)
    environment = faults(log=str(folder / "begun.txt"))
    command = ("run", "shared.yaml", "--seeds", trials // 3)
    processes = [spawn(*command, cwd=folder, **environment) for _ in range(runners)]
    for process in processes:
        _, errors = process.communicate(timeout=400)
        assert process.returncode == 0, errors
        assert "Traceback" not in errors
        assert errors.count("test accuracy") == trials, errors  # Each one tells of all.
    begun = (folder / "begun.txt").read_text().split()
    assert sorted(begun) == sorted(records(folder))
    assert len(begun) == trials
    assert {record["status"] for record in records(folder).values()} == {"finished"}


def test_two_runners_at_once_do_every_trial_exactly_once(shared):
    assert len(records(shared)) == 9


@pytest.mark.thorough
@pytest.mark.parametrize("runners", [2, 4])
def test_more_runners_do_more_trials_exactly_once(runners, tmp_path):
    done_at_once(tmp_path, runners, trials=24)


@pytest.mark.thorough
def test_trials_that_fail_in_every_way_cost_nobody_else_anything(spec, tmp_path):
    sick = {"a-seed1": "segfault", "b-seed2": "memory", "c-seed3": "raise"}
    environment = faults(trials=sick, log=str(tmp_path / "begun.txt"))
    done = involbench("run", spec, "--seeds", 4, "-j", 2, cwd=spec.parent, **environment)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    found = records(spec.parent)
    assert {name for name in found if found[name]["status"] == "failed"} == set(sick)
    assert len(found) == 12
    assert found["a-seed1"]["exit_signal"] == "SIGSEGV"
    assert "MemoryError" in found["b-seed2"]["error"]
    assert "told to fail" in found["c-seed3"]["error"]
    assert any("told to fail" in line for line in found["c-seed3"]["log_tail"])
    begun = (tmp_path / "begun.txt").read_text().split()
    assert begun.count("a-seed1") == 2  # Who knows what a process died of: once more.
    for name in sick:
        assert name.replace("-seed", " seed ") in done.stderr
    table = " ".join(done.stdout.split())
    for words in ("SIGSEGV", "MemoryError", "told to fail"):
        assert words in table, done.stdout


@pytest.mark.usefixtures("here", "eager", "undrawn")
def test_fail_fast_stops(spec, monkeypatch):
    from involbench.training import trial
    from tests.e2e.faults import sitecustomize

    monkeypatch.setitem(sitecustomize.FAULTS, "trials", {"b-seed0": "raise"})
    monkeypatch.setattr(trial, "run_trial", sitecustomize.wrapped(trial.run_trial))
    done = called("run", spec, "--fail-fast", cwd=spec.parent)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    statuses = [record["status"] for record in records(spec.parent).values()]
    assert sorted(statuses) == ["failed", "finished"]


@pytest.mark.thorough
def test_the_number_of_jobs_changes_no_bit(undisturbed, tmp_path):
    spec = prepared(tmp_path / "two jobs")
    done = involbench("run", spec, "-j", 2, cwd=spec.parent)
    assert done.returncode == 0, done.stderr
    assert outcome(spec.parent) == undisturbed


@pytest.mark.usefixtures("here", "eager", "undrawn")
def test_truncated_files_of_finished_runs_are_named_and_made_again(shared, spec):
    shutil.copytree(shared / "results", spec.parent / "results")
    runs = sorted(spec.parent.glob("results/shared/runs/*"))
    before = [(run / "history.json").read_text() for run in runs]
    names = ["run.json", "history.json", "history.csv", "parameters.json", "predictions.npz"]
    names.append("model.keras")
    for run, name in zip(runs, names, strict=False):
        data = (run / name).read_bytes()
        (run / name).write_bytes(data[: len(data) // 2])
    (runs[6] / "model.keras").unlink()  # Deleted to save space: nothing is wrong with that.
    for name in ("comparison.json", "spec.yaml"):
        (runs[0].parents[1] / name).write_text("{")
    done = called("compare", cwd=spec.parent)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "run.json" in done.stderr
    done = called("run", spec, cwd=spec.parent)
    assert done.returncode == 0, done.stderr
    assert "6 trials to run, 3 finished before" in done.stderr
    for run, name in zip(runs, names, strict=False):
        assert f"{run.name}" in done.stderr
        assert name in done.stderr
    after = [json.loads((run / "history.json").read_text()) for run in runs]
    for old, new in zip(map(json.loads, before), after, strict=True):
        assert old["loss"] == new["loss"]
