"""Trials on a Ray cluster: the same results as by local workers, whatever dies in the middle.

The nodes are processes on this machine: one in CI, three by `make cluster-test`.
"""

import importlib
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from involbench.errors import ResultsError
from involbench.results.paths import ResultsPath
from involbench.workers.protocol import Request, TrialRequest
from involbench.workers.ray_node import FileSync, WorkerActor
from tests.cli import called, involbench, spawn, title
from tests.e2e.resumable import ONE, of_one, outcome, prepared
from tests.workers.ray.local_cluster import ENVIRONMENT, Cluster, cluster

pytest.importorskip("ray", reason="an extra of involbench that is not installed")
remote = importlib.import_module("involbench.workers.ray_pool")

THREE = os.environ.get("INVOLBENCH_NODES") == "3"
TWELVE = """\
name: tiny
data: {dataset: digits, train_size: 200, augmentation: [flip], validation: test}
models:
  small: {architecture: plain, widths: [4]}
  inn: {architecture: plain, operator: {name: involution, groups: 1}, widths: [4]}
training: {epochs: 4, batch_size: 20}
seeds: 6
"""


@pytest.fixture
def home(tmp_path):
    """A folder with a space in its name."""
    folder = tmp_path / "on ray"
    folder.mkdir()
    return folder


def finished(errors: str) -> list[str]:
    """The trials that are told of as finished, in order."""
    return re.findall(r"^(\S+ seed \d+) test accuracy", errors, re.MULTILINE)


def told_until(process: subprocess.Popen, words: str) -> str:
    lines = []
    for line in process.stderr:
        lines.append(line)
        if words in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


def test_a_cluster_of_this_machine_gives_the_same_to_the_bit(undisturbed, home):
    spec = prepared(home, ONE)
    process = spawn("run", spec, "--executor", "ray", "-j", "1", cwd=home, **ENVIRONMENT)
    errors = told_until(process, "cnn seed 0 epoch 2/8")
    process.send_signal(signal.SIGTERM)
    errors += process.communicate(timeout=300)[1]
    assert (process.returncode, finished(errors)) == (143, []), errors
    assert list(home.glob("results/tiny/runs/cnn-*/checkpoint/*.npz"))

    done = involbench("run", spec, "--executor", "ray", cwd=home, **ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert outcome(home) == of_one(undisturbed)
    assert finished(done.stderr) == ["cnn seed 0"]
    assert "raylet" not in done.stdout + done.stderr
    assert done.stdout.startswith("tiny\n")
    assert [path.name for path in (home / "results").iterdir()] == ["tiny"]


@pytest.mark.thorough
def test_a_node_without_the_folder_is_named_or_sends_its_results_back(undisturbed, home):
    spec, results = prepared(home, ONE), home / "results"
    with blind(home, results) as nodes:
        run = ("run", spec, "--executor", "ray", "--address", nodes.address, "--results", results)
        done = involbench(*run, cwd=home, **ENVIRONMENT)
        assert done.returncode == 2, done.stderr
        assert re.search(r"the node \S+ \(\w{8}\) cannot write .*on ray/results", done.stderr)
        assert "--send-back" in done.stderr
        assert not list(results.iterdir())

        process = spawn(*run, "--send-back", cwd=home, **ENVIRONMENT)
        errors = told_until(process, "cnn seed 0 epoch 3/8")
        kill_actors(nodes)
        errors += process.communicate(timeout=300)[1]
    assert process.returncode == 0, errors
    assert "or the Ray process there is gone; a new worker resumes" in errors, errors
    assert outcome(home) == of_one(undisturbed)
    assert finished(errors) == ["cnn seed 0"]


PLUGIN = """\
import keras
import numpy as np
from involbench import architecture, dataset


@architecture()
def own(input_shape, num_classes, *, width: int = 3):
    images = keras.Input(input_shape)
    x = keras.layers.Flatten()(keras.layers.Conv2D(width, 3)(images))
    return keras.Model(images, keras.layers.Dense(num_classes)(x))


@dataset()
def stripes(*, copies: int = 8):
    labels = np.arange(2 * copies) % 2
    images = np.zeros((2 * copies, 6, 6), np.uint8)
    images[labels == 1, ::2] = 200
    return dict(x_train=images, y_train=labels, x_test=images, y_test=labels)
"""
OWN = """\
name: tiny
data: {dataset: stripes, copies: 6, validation: test}
models: {own: {architecture: own, width: 2}}
training: {epochs: 3, batch_size: 4}
"""


@pytest.mark.thorough
def test_a_node_needs_no_file_of_a_plugin(home):
    plugin = home.parent / "my_ops.py"
    plugin.write_text(PLUGIN)
    for name, flags in (("local", ()), ("ray", ("--executor", "ray"))):
        (home / name).mkdir()
        (home / name / "tiny.yaml").write_text(OWN)
        run = ("run", "tiny.yaml", "--plugin", "../../my_ops.py")
        done = involbench(*run, *flags, cwd=home / name, **ENVIRONMENT)
        assert done.returncode == 0, done.stderr
    assert outcome(home / "ray") == outcome(home / "local")
    assert len(outcome(home / "ray")) == 1


def blind(home: Path, results: Path):
    """A cluster whose node has another file system in place of the results folder."""
    hide = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    results.mkdir()
    mount = f'mount -t tmpfs -o ro none "{results}"'
    if not shutil.which("unshare") or subprocess.run([*hide, mount], check=False).returncode:
        pytest.skip("file systems cannot be hidden from a process here (unshare)")
    return cluster(home, 1, cpus=2, under=[*hide, f'{mount} && exec "$0" "$@"'])


def kill_actors(nodes: Cluster) -> None:
    """The processes that hold the workers."""
    actors = [
        p
        for p in nodes.nodes[0].children(recursive=True)
        if f"ray::{WorkerActor.__name__}" in title(p)
    ]
    assert actors
    for process in actors:
        process.kill()


def test_what_cannot_be_had_of_a_cluster_is_said(home, monkeypatch):
    def init(**_: object) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr(remote.ray, "init", init)
    spec = prepared(home)
    for flags, words in (
        (("--address", "127.0.0.1:1"), "--address 127.0.0.1:1: cannot connect"),
        (("--address", "auto"), "--address auto: expected HOST:PORT"),
        (("--device", "gpu:0"), "--device gpu:0: Ray assigns GPUs; set resources.gpus"),
        (("--device", "gpu"), "--device gpu: set how many with -S resources.gpus=1"),
        (("-S", "resources.gpus=-1"), "resources.gpus"),
    ):
        done = called("run", spec, "--executor", "ray", *flags, cwd=home)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
        assert words in done.stderr
    assert not (home / "results").exists()


def test_a_worker_whose_results_cannot_be_written_is_given_up(tmp_path, monkeypatch):
    """It goes on with its trial, and must not be given another beside it."""
    killed = []
    monkeypatch.setattr(remote.ray, "kill", killed.append)
    worker = remote.RemoteWorker(None, waits=True)
    worker._actor = "actor"
    (tmp_path / "runs").write_text("no folder")
    run_dir = ResultsPath(tmp_path) / "runs/inn-seed0-00000000"
    request = Request(print, (TrialRequest(None, run_dir, (), 0.0, False),), {})
    sync = FileSync("runs/inn-seed0-00000000", {"runs/inn-seed0-00000000/log.txt": b""}, ())
    with pytest.raises(ResultsError, match="inn-seed0-00000000"):
        worker._take(sync, request, print)
    assert (killed, worker._actor) == (["actor"], None)


@pytest.mark.skipif(not THREE, reason="three nodes take minutes: make cluster-test")
def test_a_node_that_is_killed_costs_no_trial(home):
    folders = []
    for name in ("local", "ray"):
        folders.append(home / name)
        folders[-1].mkdir()
        (folders[-1] / "tiny.yaml").write_text(TWELVE)
    local = involbench("run", "tiny.yaml", cwd=folders[0])
    assert local.returncode == 0, local.stderr
    with cluster(home, 3) as nodes:
        run = ("run", "tiny.yaml", "--executor", "ray", "--address", nodes.address)
        process = spawn(*run, cwd=folders[1], **ENVIRONMENT)
        errors = told_until(process, "[5/12]")
        nodes.kill(1)
        errors += process.communicate(timeout=600)[1]
    assert process.returncode == 0, errors
    assert errors.count("a new worker resumes from the last checkpoint") == 1
    assert sorted(finished(errors)) == sorted(finished(local.stderr))
    assert len(set(finished(errors))) == 12
    assert outcome(folders[1]) == outcome(folders[0])


@pytest.mark.skipif(not THREE, reason="three nodes take minutes: make cluster-test")
def test_more_cpus_than_any_node_has_are_refused(home):
    with cluster(home, 1) as nodes:
        run = ("run", prepared(home), "--executor", "ray", "--address", nodes.address)
        done = involbench(*run, "-S", "resources.cpus=64", cwd=home, **ENVIRONMENT)
    assert done.returncode == 2
    assert "resources: no node has 64 CPUs and 0 GPUs: " in done.stderr
