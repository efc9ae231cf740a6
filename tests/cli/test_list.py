"""`involbench list`: what there is, in which state."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli import COMMAND, called
from tests.results.factory import make_run
from tests.results.tree import ended_as, held, kilobytes, make_old, snapshot, unfinished


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Runs in every state, in one experiment; a finished one in another; a published one."""
    results = tmp_path / "results"
    make_run(results, "cnn", 0)
    make_run(results, "cnn", 10)
    make_run(results, "cnn", 2, collapsed=True)
    make_run(results, "inn", 0, error="out of memory")
    diverged = ended_as(
        make_run(results, "inn", 1), "diverged", error="the loss was nan", metrics={}
    )
    history = {"loss": [2.0] * 4, "seconds": [1.0] * 4}
    (diverged / "history.json").write_text(json.dumps(history))
    for item in unfinished(results, "control", 0).rglob("*"):
        make_old(item)
    make_run(results, "cnn", 0, experiment="other")
    make_run(results, "cnn", 0, experiment="reference/cifar10-jpeg")
    return tmp_path


def rows(text: str) -> dict[str, list[str]]:
    """First cell -> the others, of each line with cells."""
    lines = [line.split() for line in text.splitlines() if "  " in line.strip()]
    return {first: rest for first, *rest in lines}


def listed(tree: Path, *arguments: str) -> dict[str, dict]:
    """Run id without its hash -> what `--json` says of it."""
    done = called("list", *arguments, "--json", cwd=tree)
    (experiment,) = json.loads(done.stdout)["experiments"]
    return {run["run_id"].rpartition("-")[0]: run for run in experiment["runs"]}


def test_all_experiments_are_listed_with_their_runs_by_status(tree: Path) -> None:
    done = called("list", cwd=tree)
    assert (done.returncode, done.stderr) == (0, "")
    text = " ".join(done.stdout.split())
    found = rows(done.stdout)
    assert {"digits", "other", "reference/cifar10-jpeg"} <= found.keys()
    assert found["digits"][:2] == ["6", "71/120"]
    assert found["other"][-1] == "finished"
    for said in ("1 diverged", "1 failed", "2 finished", "1 finished and collapsed", "1 unfin"):
        assert said in text
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_runs_of_one_are_listed_by_model_and_seed(tree: Path) -> None:
    runs = listed(tree, "digits")
    assert list(runs) == [
        *("cnn-seed0", "cnn-seed2", "cnn-seed10", "control-seed0", "inn-seed0", "inn-seed1")
    ]
    seen = {name: (r["status"], r["epochs_done"], r["epochs"]) for name, r in runs.items()}
    assert seen["cnn-seed0"] == ("finished", 20, 20)
    assert seen["control-seed0"] == ("unfinished", 7, 20)
    assert seen["inn-seed0"] == ("failed", 0, 20)
    assert seen["inn-seed1"] == ("diverged", 4, 20)
    assert [name for name, run in runs.items() if run["collapsed"]] == ["cnn-seed2"]
    assert runs["cnn-seed0"]["updated"] == "2026-01-02T03:04:05+00:00"
    begun = next(tree.glob("results/digits/runs/control-*/checkpoint/trial.json"))
    assert runs["control-seed0"]["size"] == len("training\n") + begun.stat().st_size + 2 * 1000


def test_the_table_of_runs_says_the_same(tree: Path) -> None:
    done = called("list", "digits", cwd=tree)
    assert (done.returncode, done.stderr) == (0, "")
    found = {name.rpartition("-")[0]: cells for name, cells in rows(done.stdout).items()}
    assert found["cnn-seed2"][0] == "20/20"
    assert found["cnn-seed2"][-2:] == ["finished,", "collapsed"]
    size = kilobytes(next(tree.glob("results/digits/runs/control-*")))
    assert found["control-seed0"] == ["7/20", "3", "h", size, "kB", "unfinished"]
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_a_run_whose_lock_is_held_is_running_whatever_its_last_try_was(tree: Path) -> None:
    control, inn = (next(tree.glob(f"results/digits/runs/{m}-seed0-*")) for m in ("control", "inn"))
    with held(control), held(inn):
        runs = listed(tree, "digits")
        assert [n for n, run in runs.items() if run["status"] == "running"] == [
            "control-seed0",
            "inn-seed0",
        ]
    assert listed(tree, "digits")["control-seed0"]["status"] == "unfinished"


def test_nothing_is_made_or_changed_by_looking(tree: Path) -> None:
    before = snapshot(tree)
    for arguments in (["list"], ["list", "digits"], ["list", "--json"], ["show", "cnn-seed10"]):
        assert called(*arguments, cwd=tree).returncode == 0
    assert snapshot(tree) == before


def test_epochs_of_a_run_cut_off_are_those_of_its_own_trial(tree: Path) -> None:
    (tree / "results/digits/spec.yaml").write_text("training: {epochs: 6}")
    other = unfinished(tree / "results", "control", 1, epochs=9, training={"epochs": 11})
    runs = listed(tree, "digits")
    seen = {name: (r["epochs_done"], r["epochs"]) for name, r in runs.items() if "control" in name}
    assert seen == {"control-seed0": (7, 20), "control-seed1": (9, 11)}
    assert rows(called("list", cwd=tree).stdout)["digits"][1] == "80/131"
    shown = called("show", "control-seed1", cwd=tree).stdout
    assert "unfinished, 9 of 11 epochs" in " ".join(shown.split())
    (other / "checkpoint/trial.json").write_text("{")
    assert listed(tree, "digits")["control-seed1"]["epochs"] is None
    assert rows(called("list", cwd=tree).stdout)["digits"][1] == "80/?"


def test_what_is_no_run_is_skipped_with_a_warning_that_names_it(tree: Path) -> None:
    runs = tree / "results/digits/runs"
    (runs / "my notes").mkdir()
    victim = next(runs.glob("cnn-seed0-*")) / "run.json"
    victim.write_text("{")
    done = called("list", "digits", cwd=tree)
    assert done.returncode == 0
    assert sorted(done.stderr.splitlines()) == [
        f"warning: {victim.relative_to(tree)}: damaged: not a whole JSON document (skipped)",
        "warning: results/digits/runs/my notes: not a run folder: it has no run.json (skipped)",
    ]
    assert "cnn-seed0" not in done.stdout
    assert "cnn-seed10" in done.stdout


def test_an_experiment_without_runs_has_nothing_to_count(tree: Path) -> None:
    (tree / "results/empty/runs").mkdir(parents=True)
    assert rows(called("list", cwd=tree).stdout)["empty"] == ["0", "-", "-", "0", "B"]
    assert called("list", "empty", cwd=tree).returncode == 0


@pytest.mark.parametrize("arguments", [["digit"], ["--results", "nowhere"], ["x" * 300]])
def test_what_is_not_there_is_a_users_error(tree: Path, arguments: list[str]) -> None:
    done = called("list", *arguments, cwd=tree)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: no ")
    assert len(done.stderr.splitlines()) == 1


def test_it_is_the_same_in_a_process_of_its_own(tree: Path) -> None:
    done = subprocess.run([*COMMAND, "list", "other"], cwd=tree, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == called("list", "other", cwd=tree).stdout
    assert "\x1b" not in done.stdout
