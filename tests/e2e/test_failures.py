"""What a run does when it is stopped, when a part of it fails, and when it may not start."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

from involbench.results.record import RunRecord
from involbench.workers.environment import partition
from tests.cli import BRIEF, called, involbench, spawn, workers_of
from tests.in_process import in_this_process

SPEC = BRIEF.replace("inn: ", "control: ")


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(SPEC)
    return path


def statuses(folder: Path) -> dict[str, str]:
    records = [
        RunRecord.model_validate_json(path.read_bytes())
        for path in folder.glob("results/tiny/runs/*/run.json")
    ]
    return {f"{r.trial.model}{r.trial.seed}": r.status for r in records}


def run_ids(spec: Path) -> list[str]:
    with in_this_process():
        done = called("run", spec, "--dry-run", cwd=spec.parent)
    assert done.returncode == 0, done.stderr
    return [line.split()[0] for line in done.stdout.splitlines()]


def wait_for(condition, process, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_dry_run_lists_the_trials_seed_by_seed_and_writes_nothing(spec):
    ids = run_ids(spec)
    assert [name.rsplit("-", 1)[0] for name in ids] == [
        "cnn-seed0",
        "control-seed0",
        "cnn-seed1",
        "control-seed1",
    ]
    assert not (spec.parent / "results").exists()


def test_ctrl_c_in_the_midst_of_an_import_ends_with_130_too(tmp_path):
    lines = ["from involbench.cli._worker import stoppable", 'with stoppable("stopped"):']
    # Python runs strings where modules make named tuples and dataclasses, and then, after
    # `python -m`, takes the interruption for one that nothing has caught.
    lines.append('    exec("raise KeyboardInterrupt")')
    (tmp_path / "interrupted.py").write_text("\n".join(lines))
    command = [sys.executable, "-m", "interrupted"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "stopped\n")


def alive(process: psutil.Process) -> bool:
    """Whether it does anything: orphans that nobody reaps stay as zombies, which do not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for_the_end_of(children):
    deadline = time.monotonic() + 30
    while any(alive(child) for child in children):
        assert time.monotonic() < deadline, children
        time.sleep(0.05)


def test_ctrl_c_in_a_terminal_reaches_the_worker_too(spec):
    process = spawn("run", spec, "-S", "training.epochs=200", cwd=spec.parent)
    wait_for(lambda: any(spec.parent.glob("results/tiny/runs/*/log.txt")), process)
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    wait_for_the_end_of(children)


def test_a_second_ctrl_c_does_not_wait_for_the_running_step(spec):
    process = spawn("run", spec, "-S", "training.epochs=200", "-j", 2, cwd=spec.parent)
    wait_for(lambda: len(list(spec.parent.glob("results/tiny/runs/*/log.txt"))) > 1, process)
    children = psutil.Process(process.pid).children(recursive=True)
    for worker in workers_of(process):
        worker.suspend()  # Its step does not end.
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    wait_for_the_end_of(children)


def kill_workers_of(process):
    for worker in workers_of(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.kill()


def test_a_killed_worker_costs_nothing_but_a_new_one(spec):
    process = spawn("run", spec, "--seeds", 1, "-S", "training.epochs=12", cwd=spec.parent)
    wait_for(lambda: "cnn0" in statuses(spec.parent), process)
    wait_for(lambda: any(spec.parent.glob("results/tiny/runs/control-seed0-*")), process)
    kill_workers_of(process)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert list(statuses(spec.parent).values()) == ["finished"] * 2
    assert "SIGKILL" in errors
    assert "Traceback" not in errors


@pytest.mark.thorough
def test_a_trial_whose_workers_die_every_time_fails_alone(spec):
    process = spawn("run", spec, "--seeds", 1, "-S", "training.epochs=12", cwd=spec.parent)
    wait_for(lambda: any(spec.parent.glob("results/tiny/runs/control-seed0-*")), process)
    deadline = time.monotonic() + 120
    while "control0" not in statuses(spec.parent):
        assert time.monotonic() < deadline
        kill_workers_of(process)
        time.sleep(0.2)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 1, errors
    assert "another runner" not in errors
    assert sorted(statuses(spec.parent).values()) == ["failed", "finished"]
    record = json.loads(
        next(spec.parent.glob("results/tiny/runs/control-seed0-*/run.json")).read_text()
    )
    assert record["exit_signal"] == "SIGKILL"


@pytest.mark.usefixtures("here", "undrawn")
def test_a_training_that_diverges_or_takes_too_long_is_a_result(spec):
    wild = ["-S", "training.optimizer.name=sgd", "-S", "training.optimizer.learning_rate=1e30"]
    done = called("run", spec, *wild, "-S", "seeds=1", cwd=spec.parent)
    assert done.returncode == 0, done.stderr
    assert statuses(spec.parent)["cnn0"] == "diverged"
    assert "diverged: the loss was nan in epoch 1" in done.stderr
    again = called("run", spec, *wild, "-S", "seeds=1", cwd=spec.parent)
    assert "0 trials to run, 2 finished before" in again.stderr
    # Without determinism the step runs in another way; its end must be noticed there too.
    brief = ["-S", "seeds=1", "-S", "name=brief", "-S", "training.deterministic=false"]
    done = called("run", spec, *brief, "-S", "training.max_minutes=1e-6", cwd=spec.parent)
    assert done.returncode == 0, done.stderr
    runs = sorted(spec.parent.glob("results/brief/runs/*"))
    assert [json.loads((r / "run.json").read_text())["status"] for r in runs] == ["timeout"] * 2
    done = called("run", spec, *brief, cwd=spec.parent)
    assert done.returncode == 0, done.stderr
    assert [json.loads((r / "run.json").read_text())["status"] for r in runs] == ["finished"] * 2


@pytest.mark.usefixtures("here", "eager", "undrawn")
def test_a_failed_trial_spoils_nothing_and_is_tried_again(spec):
    unlucky = run_ids(spec)[1]
    run_dir = spec.parent / "results/tiny/runs" / unlucky
    (run_dir / "history.json").mkdir(parents=True)  # Cannot be replaced by a file.
    done = called("run", spec, cwd=spec.parent)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"{run_dir.name}" in done.stderr
    assert statuses(spec.parent)["control0"] == "failed"
    assert list(statuses(spec.parent).values()).count("finished") == 3
    assert "history.json" in json.loads((run_dir / "run.json").read_text())["error"]
    (run_dir / "history.json").rmdir()
    # Killed after the record of another one was written, and before its checkpoints were deleted.
    left_over = spec.parent / "results/tiny/runs" / run_ids(spec)[0] / "checkpoint"
    left_over.mkdir()
    done = called("run", spec, cwd=spec.parent)
    assert not left_over.exists()
    assert done.returncode == 0, done.stderr
    assert "1 trial to run, 3 finished before" in done.stderr
    assert set(statuses(spec.parent).values()) == {"finished"}


def test_a_run_that_another_process_owns_is_waited_for(spec):
    owned = run_ids(spec)[0]
    run_dir = spec.parent / "results/tiny/runs" / owned
    run_dir.mkdir(parents=True)
    with FileLock(run_dir / ".lock"):
        process = spawn("run", spec, cwd=spec.parent)
        wait_for(lambda: "control0" in statuses(spec.parent), process)
        assert "cnn0" not in statuses(spec.parent)
        assert process.poll() is None
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "another process" in errors
    assert errors.index("cnn seed 0 test accuracy") < errors.index("control seed 1 test accuracy")
    assert set(statuses(spec.parent).values()) == {"finished"}


def test_a_backend_that_is_not_installed_is_named(spec):
    done = involbench("run", spec, cwd=spec.parent, KERAS_BACKEND="torch")
    assert done.returncode == 2
    assert "torch is not installed" in done.stderr
    assert "KERAS_BACKEND" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("here")
def test_a_record_of_a_newer_version_is_refused_and_kept(spec):
    run_dir = spec.parent / "results/tiny/runs" / run_ids(spec)[0]
    run_dir.mkdir(parents=True)
    text = '{"schema_version": 99, "versions": {"involbench": "7.1.0"}}'
    (run_dir / "run.json").write_text(text)
    done = called("run", spec, cwd=spec.parent)
    assert done.returncode == 1
    assert "install involbench 7.1.0" in done.stderr
    assert "Traceback" not in done.stderr
    assert (run_dir / "run.json").read_text() == text


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["-S", "training.epochs=-1"], "training.epochs"),
        (["-S", "models.control.architecture=keras_io_contol"], "keras_io_control"),
        (["-S", "data.dataset=digit"], "digits"),
        (["-S", "name=a/b"], "name"),
        (["-S", "data.train_size=100000"], "train_size"),
        (["-S", "data.dataset=folder", "-S", "data.path=nowhere"], "nowhere"),
        (["-S", "training.optimizer.name=sgd", "-S", "training.optimizer.speed=1"], "speed"),
        (["-S", "data.dataset=npz", "-S", "data.path=tiny.yaml"], "tiny.yaml"),
        (["--device", "tpu"], "--device"),
        (["--seeds", "0"], "--seeds"),
        (["--results", "tiny.yaml"], "tiny.yaml"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("here")
def test_bad_input_is_named_before_anything_is_written(spec, arguments, named, run=called):
    spec.write_text(SPEC.replace("train_size: 100, ", ""))
    before = set(spec.parent.rglob("*"))
    done = run("run", spec, *arguments, cwd=spec.parent)
    assert done.returncode == 2, done.stderr
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert set(spec.parent.rglob("*")) == before


@pytest.mark.parametrize("gone", [["--device", "gpu:99"], ["--gpus", "99"]], ids=str)
def test_a_device_that_is_not_there_is_named(spec, gone):
    """In a process of its own: which GPUs there are is decided where it starts."""
    named = "CUDA_VISIBLE_DEVICES=99"
    test_bad_input_is_named_before_anything_is_written(spec, gone, named, run=involbench)


def test_gpus_are_given_to_the_workers_in_turn(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,GPU-8e")
    given = [share.environment() for share in partition("auto", 4, (0, 2, 3))]
    names = [environment["CUDA_VISIBLE_DEVICES"] for environment in given]
    assert names == ["4", "GPU-8e", "-1", "4"]  # Those that are visible are counted; there is no 3.


@pytest.mark.thorough
def test_no_network_and_no_cifar10_says_which_file_to_put_where(spec, tmp_path):
    done = involbench(
        "run", spec, "-S", "data.dataset=cifar10", cwd=tmp_path, KERAS_HOME=str(tmp_path / "keras")
    )
    assert done.returncode == 2
    assert str(tmp_path / "keras") in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()
