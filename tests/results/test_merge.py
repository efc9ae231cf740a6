"""`merge`: every run once, nothing lost or overwritten, and nothing of what is not ours."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli import called
from tests.results.factory import make_experiment, make_run
from tests.results.hostile import state


@pytest.fixture
def trees(tmp_path: Path) -> Path:
    """Two people's folders: `b` has seed 2 beyond a copy of all that `a` has."""
    make_experiment(tmp_path / "a", seeds=2)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    make_run(tmp_path / "b", "inn", 2)
    make_run(tmp_path / "b", "cnn", 0, experiment="reference/other")
    return tmp_path


def merged(folder: Path, *arguments: str) -> tuple[int, str, str]:
    done = called("merge", *arguments, "-o", "c", cwd=folder)
    return done.returncode, done.stdout, done.stderr.replace("copying to c\n", "")


def test_every_run_is_copied_once_and_the_sources_stay(trees: Path) -> None:
    before = state(trees)
    code, printed, warnings = merged(trees, "a", "b")
    assert (code, warnings) == (0, "")
    assert printed == (
        "8 runs of 2 experiments written to c; 6 runs in several folders, copied once\n"
    )
    assert len(list(trees.glob("c/digits/runs/*/run.json"))) == 7
    for path in trees.glob("b/digits/runs/*/*"):
        assert (trees / "c" / path.relative_to(trees / "b")).read_bytes() == path.read_bytes()
    assert (trees / "c/digits/spec.yaml").read_bytes() == (
        trees / "a/digits/spec.yaml"
    ).read_bytes()
    shutil.rmtree(trees / "c")
    assert state(trees) == before
    done = called("compare", "reference/other", "--results", "b", cwd=trees)
    assert done.returncode == 0


def test_what_differs_is_named_and_the_first_is_kept(trees: Path) -> None:
    (run,) = trees.glob("b/digits/runs/inn-seed1-*/run.json")
    record = json.loads(run.read_text())
    run.write_text(json.dumps({**record, "started": "2026-05-06T07:08:09+00:00"}))
    (trees / "b/digits/spec.yaml").write_text("name: digits\n")
    code, printed, warnings = merged(trees, "a", "b")
    assert code == 0
    assert printed.endswith("; 5 runs in several folders, copied once\n")
    name = run.parent.name
    assert warnings.splitlines() == [
        f"warning: b/digits/runs/{name}: left out, because it differs from a/digits/runs/{name}",
        "warning: b/digits/spec.yaml: left out, because another one was copied",
    ]
    kept = json.loads((trees / f"c/digits/runs/{name}/run.json").read_text())
    assert kept["started"] == record["started"]


def test_what_is_unfinished_damaged_newer_or_not_ours_is_left_out(trees: Path) -> None:
    """Each is named; the other runs are copied."""
    runs = {each.name[:9]: each for each in trees.glob("a/digits/runs/*")}
    (runs["cnn-seed0"] / "run.json").unlink()
    (runs["cnn-seed0"] / "checkpoint").mkdir()
    (runs["inn-seed0"] / "run.json").write_text('{"schema_version": 2, "run')
    newer = json.loads((runs["inn-seed1"] / "run.json").read_text())
    (runs["inn-seed1"] / "run.json").write_text(json.dumps({**newer, "schema_version": 99}))
    (runs["cnn-seed1"] / "notes.txt").write_text("mine")
    (runs["cnn-seed1"] / "log.txt").symlink_to("/etc/passwd")
    code, printed, warnings = merged(trees, "a")
    assert code == 0
    assert printed == "3 runs of 1 experiment written to c\n"
    assert f"{runs['cnn-seed0'].name}: has not ended" in warnings
    assert f"{runs['inn-seed0'].name}/run.json: " in warnings
    assert "(schema_version 99; this one" in warnings
    assert f"{runs['cnn-seed1'].name}: 2 entries that involbench did not write" in warnings
    copied = {path.name for path in (trees / f"c/digits/runs/{runs['cnn-seed1'].name}").iterdir()}
    assert copied == {"run.json", "history.json", "parameters.json"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "b"], "--output c: exists and is not empty; name a new folder"),
        (["nowhere"], "nowhere: not a results folder: it has no experiment"),
    ],
)
def test_bad_folders_are_named_and_nothing_is_written(
    trees: Path, arguments: list[str], message: str
) -> None:
    (trees / "c").mkdir()
    (trees / "c/mine.txt").write_text("precious")
    before = state(trees)
    code, printed, error = merged(trees, *arguments)
    assert (code, printed) == (2, "")
    assert error == f"error: {message}\n"
    assert state(trees) == before


def test_the_new_folder_may_be_an_empty_one(trees: Path) -> None:
    (trees / "c").mkdir()
    assert merged(trees, "b")[:2] == (0, "8 runs of 2 experiments written to c\n")
    assert not [path for path in trees.iterdir() if path.name.startswith(".")]


def test_the_runs_and_choices_of_tune_are_copied_too(trees: Path) -> None:
    make_run(trees / "a", "cnn", 100, experiment="digits/tuning")
    for tree, text in (("a", "{}"), ("b", "[]")):
        (trees / tree / "digits/tuning").mkdir(exist_ok=True)
        (trees / tree / "digits/tuning/choices.json").write_text(text)
    (trees / "b/digits/tuning/runs").mkdir()
    code, printed, warnings = merged(trees, "a", "b")
    assert (code, printed[:33]) == (0, "9 runs of 2 experiments written t")
    assert (trees / "c/digits/tuning/choices.json").read_text() == "{}"
    assert len(list(trees.glob("c/digits/tuning/runs/cnn-seed100-*/run.json"))) == 1
    assert "b/digits/tuning/choices.json: left out, because another one was copied" in warnings
