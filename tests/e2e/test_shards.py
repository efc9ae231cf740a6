"""Parts of an experiment, each done by a job of an array."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from involbench.runner.plan import Shard
from tests.cli import EXPERIMENTS, called
from tests.e2e.resumable import outcome
from tests.in_process import in_this_process

SMOKE = EXPERIMENTS / "smoke.yaml"


@given(st.lists(st.integers(1, 10**15), max_size=60), st.integers(1, 12))
def test_the_parts_are_all_there_is_and_cost_the_same(costs, count):
    parts = [Shard(number, count).of(costs) for number in range(1, count + 1)]
    assert sorted(place for part in parts for place in part) == list(range(len(costs)))
    assert all(part == sorted(part) for part in parts)
    loads = [sum(costs[place] for place in part) for part in parts]
    assert max(loads) - min(loads) <= max(costs, default=0)


@pytest.mark.usefixtures("here", "eager", "undrawn")
def test_two_parts_in_any_order_are_the_whole_experiment(tmp_path):
    # What takes least time to train, since it is not about the networks.
    text = re.sub("keras_io_(cnn|inn)", "keras_io_control", SMOKE.read_text())
    (tmp_path / "smoke.yaml").write_text(text)
    dry = called("run", "smoke.yaml", "--seeds", 1, "--dry-run", cwd=tmp_path)
    trials = {line.split()[0] for line in dry.stdout.splitlines()}
    for part, finished in (("2/2", 1), ("1/2", 3)):
        done = called("run", "smoke.yaml", "--seeds", 1, "--shard", part, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        records = list(tmp_path.glob("results/smoke/runs/*/run.json"))
        assert len(records) == finished
    assert {record.parent.name for record in records} == trials
    assert set(compared(tmp_path)) == {"cnn", "inn", "control"}


@pytest.mark.thorough
def test_four_jobs_of_an_array_leave_the_same_tree_as_one_run(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
        # What takes least time to train, since it is not about the networks.
        text = re.sub("keras_io_(cnn|inn)", "keras_io_control", SMOKE.read_text())
        (folder / "smoke.yaml").write_text(text)
    with in_this_process():
        done = called("run", "smoke.yaml", cwd=whole)
    assert done.returncode == 0, done.stderr
    written = called("init", "smoke", "-o", "smoke.yaml", "--slurm", cwd=parts)
    assert (written.returncode, "smoke.yaml" in written.stdout) == (0, False), written.stderr
    jobs = [job(parts, number) for number in range(1, 5)]
    errors = [process.communicate(timeout=400)[1] for process in jobs]
    assert [process.returncode for process in jobs] == [0] * 4, errors
    assert files(parts) == files(whole)
    assert outcome(parts, "smoke") == outcome(whole, "smoke")
    assert compared(parts) == compared(whole)
    said = [re.search(rf"part {k} of 4: (\d) of 6 trials", errors[k - 1]) for k in range(1, 5)]
    assert sorted(part[1] for part in said if part) == ["1", "1", "2", "2"]


def job(folder: Path, number: int) -> subprocess.Popen:
    """One job, as Slurm starts it."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.Popen(
        ["bash", folder / "smoke.sbatch"],
        cwd="/",
        env={
            **os.environ,
            "PATH": path,
            "SLURM_SUBMIT_DIR": str(folder),
            "SLURM_ARRAY_TASK_ID": str(number),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def files(folder: Path) -> set[str]:
    results = folder / "results"
    return {path.relative_to(results).as_posix() for path in results.rglob("*")}


def compared(folder: Path) -> dict[str, object]:
    """What the comparison that the last of them wrote says, but for times."""
    comparison = json.loads((folder / "results/smoke/comparison.json").read_text())
    return {
        model["model"]: {
            metric: values
            for metric, values in model["metrics"].items()
            if not metric.startswith("seconds")
        }
        for model in comparison["models"]
    }


@pytest.mark.parametrize("part", ["0/4", "5/4", "1/0", "1", "1/2/3", "-1/4", "a/b", "1.5/4"])
def test_what_is_no_part_is_refused(tmp_path, part):
    done = called("run", SMOKE, f"--shard={part}", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "is not a part such as 1/4" in " ".join(done.stderr.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a b.yaml", "$(touch x).yaml", "it's.yaml"])
def test_a_script_for_a_spec_of_any_name_is_valid(tmp_path, name):
    done = called("init", "mine", "-o", name, "--slurm", "--shards", 7, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    script = (tmp_path / name).with_suffix(".sbatch")
    assert "#SBATCH --array=1-7\n" in script.read_text()
    # `exec` must find this one, and be given the name in one piece.
    fake = tmp_path / "bin/involbench"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    fake.chmod(0o755)
    environment = {"PATH": f"{fake.parent}:{os.environ['PATH']}", "SLURM_ARRAY_TASK_ID": "2"}
    told = subprocess.run(
        ["bash", script, "-q"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert told.stdout == f"run|{name}|--shard|2/7|-q|", told.stderr


def test_a_script_that_is_there_is_kept(tmp_path):
    for _ in range(2):
        done = called("init", "mine", "--slurm", cwd=tmp_path)
        (tmp_path / "mine.sbatch").write_text("precious")
    assert (done.returncode, "mine.sbatch: exists already" in done.stderr) == (2, True)
    assert (tmp_path / "mine.sbatch").read_text() == "precious"
