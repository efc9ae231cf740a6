"""`involbench show`: one run, by any of its names."""

import json
from pathlib import Path

import pytest

from tests.cli import called
from tests.results.factory import make_run
from tests.results.tree import unfinished


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    results = tmp_path / "results"
    make_run(results, "cnn", 1)
    make_run(results, "cnn", 10)
    make_run(results, "inn", 0)
    make_run(results, "inn", 0, experiment="other")
    make_run(results, "control", 0, experiment="reference/cifar10-jpeg")
    return tmp_path


def folder(tree: Path, pattern: str) -> Path:
    return next(tree.glob(f"results/{pattern}"))


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("cnn-seed10", "digits/runs/cnn-seed10-*"),
        ("cnn-seed1", "digits/runs/cnn-seed1-*"),
        ("digits/inn", "digits/runs/inn-*"),
        ("digits/runs/inn", "digits/runs/inn-*"),
        ("control", "reference/cifar10-jpeg/runs/control-*"),
        ("reference/cifar10-jpeg/control", "reference/cifar10-jpeg/runs/control-*"),
    ],
)
def test_a_run_is_found_by_the_beginning_of_its_id(tree: Path, name: str, run: str) -> None:
    done = called("show", name, "--json", cwd=tree)
    assert done.returncode == 0, done.stderr
    assert tree / json.loads(done.stdout)["path"] == folder(tree, run)


def test_a_run_is_found_by_its_id_and_by_its_path(tree: Path) -> None:
    run = folder(tree, "reference/cifar10-jpeg/runs/control-*")
    relative = run.relative_to(tree)
    for name in (run.name, run, relative, f"{relative}/", relative / "run.json"):
        done = called("show", name, "--json", cwd=tree)
        shown = json.loads(done.stdout)
        assert (shown["run_id"], shown["experiment"]) == (run.name, "reference/cifar10-jpeg")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("inn-seed0", "matches 2 runs: digits/inn-seed0-"),
        ("cnn", "matches 2 runs: digits/cnn-seed1-"),
        ("digits", "no run 'digits' under results; there are digits/cnn-seed1-"),
        ("results/digits", "no run 'results/digits' under results; there are digits/cnn-seed1-"),
        ("digits/", "no run 'digits/' under results; there are digits/cnn-seed1-"),
        ("cmm-seed1", "did you mean digits/cnn-seed1-"),
        ("nothing/cnn", "there are none; `involbench list` shows all"),
        ("\x1b[31m\n", "no run"),
        ("a" * 5000, "no run"),
    ],
)
def test_what_names_no_run_or_several_gets_one_line_with_candidates(
    tree: Path, name: str, said: str
) -> None:
    done = called("show", name, cwd=tree)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.isprintable()


def test_a_finished_run_is_shown_in_full(tree: Path) -> None:
    done = called("show", "cnn-seed10", cwd=tree)
    assert (done.returncode, done.stderr) == (0, "")
    text = " ".join(done.stdout.split())
    for said in (
        "finished, 20 of 20 epochs",
        "test accuracy 75.00%",
        "best test accuracy 76.00%",
        "after 4 min 5 s",
        "trainable 319,178 (operator 28,320, head 290,858)",
        "architecture keras_io_cnn",
        "training.epochs 20",
        "seed 10",
        "keras 3.12.0",
        "CPU; Test CPU, 2 cores, 8 GiB",
        "ab12" * 16,
        "1,437 to train on",
        "history.json",
    ):
        assert said in text
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\x1b" not in done.stdout


def test_a_failed_run_is_shown_with_its_error_and_the_end_of_its_log(tree: Path) -> None:
    run = make_run(tree / "results", "inn", 3, error="ValueError: no\nmemory")
    log = [f"line {number}" for number in range(50)]
    (run / "log.txt").write_text("\n".join([*log, "\x1b[31mred"]))
    done = called("show", "inn-seed3", cwd=tree)
    assert "ValueError: no memory" in done.stdout
    assert "| line 49\n" in done.stdout.replace(" \n", "\n").replace("  ", "")
    assert "line 30" not in done.stdout
    assert "\x1b" not in done.stdout
    shown = json.loads(called("show", "inn-seed3", "--json", cwd=tree).stdout)
    assert shown["log_tail"] == [*log[-19:], "\x1b[31mred"]
    assert shown["record"]["error"] == "ValueError: no\nmemory"


def test_the_end_of_the_log_in_the_record_comes_first(tree: Path) -> None:
    run = make_run(tree / "results", "inn", 3, error="killed")
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "log_tail": ["its last words"]}))
    (run / "log.txt").write_text("of a later try")
    assert "| its last words" in called("show", "inn-seed3", cwd=tree).stdout


def test_an_unfinished_run_is_shown_as_far_as_it_came(tree: Path) -> None:
    unfinished(tree / "results", "inn", 4, training={"epochs": 9})
    done = called("show", "inn-seed4", cwd=tree)
    assert (done.returncode, done.stderr) == (0, "")
    text = " ".join(done.stdout.split())
    assert "unfinished, 7 of 9 epochs" in text
    assert "checkpoint/00007-0000000.npz 1.00 kB" in text


def test_a_damaged_record_is_an_error_that_names_it(tree: Path) -> None:
    (folder(tree, "digits/runs/cnn-seed1-*") / "run.json").write_text("{")
    done = called("show", "cnn-seed1", cwd=tree)
    assert (done.returncode, done.stdout) == (1, "")
    assert "run.json: damaged: not a whole JSON document" in done.stderr


def test_damaged_parameters_cost_only_themselves(tree: Path) -> None:
    (folder(tree, "digits/runs/cnn-seed1-*") / "parameters.json").write_text("{")
    done = called("show", "cnn-seed1", cwd=tree)
    assert done.returncode == 0
    assert "parameters.json: damaged" in done.stderr
    assert "73.20%" in done.stdout
