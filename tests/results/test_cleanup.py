"""`involbench clean`: what goes, and above all what stays."""

import os
import pty
import signal
import subprocess
from errno import EACCES
from pathlib import Path

import pytest

from involbench.results import cleanup as removal
from involbench.results.cleanup import find_leftovers
from involbench.results.tree import ResultsTree
from tests.cli import COMMAND, called
from tests.results.factory import make_run
from tests.results.tree import ended_as, held, kilobytes, make_old, snapshot, unfinished

TEMPORARY = ".history.json.ab12cd_9.tmp"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    make_run(tmp_path / "results", "cnn", 0)
    return tmp_path


def clean(tree: Path, *arguments: str) -> tuple[set[str], str]:
    """What `clean --yes` took away, and what it said."""
    before = snapshot(tree)
    done = called("clean", "--yes", *arguments, cwd=tree)
    assert done.returncode == 0, done.stderr
    after = snapshot(tree)
    made = {name for name in after.keys() - before.keys() if not name.endswith("/.lock")}
    assert made == set()
    assert all(after[name] == before[name] for name in after.keys() & before.keys())
    return before.keys() - after.keys(), done.stdout + done.stderr


def below(tree: Path, *paths: Path) -> set[str]:
    return {str(path.relative_to(tree)) for path in paths}


def test_an_unfinished_run_goes_with_all_that_is_in_it(tree: Path) -> None:
    run = unfinished(tree / "results", "inn", 0)
    (run / "checkpoint" / ".00008-0000000.npz.abcdefgh.tmp").touch()
    (run / TEMPORARY).touch()
    everything, size = below(tree, run, *run.rglob("*")), kilobytes(run)
    gone, said = clean(tree)
    assert gone == everything
    assert "unfinished run, 7 of 20 epochs done" in said
    assert f"removed 1 thing, {size} kB" in said


def test_an_empty_run_folder_goes(tree: Path) -> None:
    run = tree / "results/digits/runs/inn-seed0-0123abcd"
    run.mkdir()
    assert clean(tree)[0] == below(tree, run)


@pytest.mark.parametrize("status", ["finished", "diverged"])
def test_of_a_run_with_a_result_only_the_checkpoints_go(tree: Path, status: str) -> None:
    run = ended_as(make_run(tree / "results", "inn", 0), status)
    (run / "checkpoint").mkdir()
    (run / "checkpoint" / "00003-0000000.npz").write_bytes(b"x")
    gone, _ = clean(tree)
    assert gone == below(tree, run / "checkpoint", run / "checkpoint" / "00003-0000000.npz")


def test_a_run_that_took_too_long_keeps_its_checkpoint(tree: Path) -> None:
    run = ended_as(make_run(tree / "results", "inn", 0), "timeout")
    (run / "checkpoint").mkdir()
    (run / "checkpoint" / "00003-0000000.npz").write_bytes(b"x")
    assert clean(tree, "--failed") == (set(), "nothing to clean\n")


def test_failed_runs_go_only_when_asked_for(tree: Path) -> None:
    run = make_run(tree / "results", "inn", 0, error="out of memory")
    assert clean(tree)[0] == set()
    assert clean(tree, "--failed")[0] == below(tree, run, *[run / "run.json"])


def test_old_temporary_files_and_empty_folders_go_and_new_ones_stay(tree: Path) -> None:
    run = next(tree.glob("results/digits/runs/cnn-*"))
    (run / "plots").mkdir()
    old = [
        run / TEMPORARY,
        run / ".model.tmp.keras",
        tree / "results/digits/.comparison.json.ab12cd_9.tmp",
    ]
    new = [run / ".history.json.zzzzzzzz.tmp", tree / "results/digits/.comparison.csv.zzzzzzzz.tmp"]
    for path in (*old, *new):
        path.touch()
    for path in (*old, make_old(run / "plots")):
        make_old(path)
    assert clean(tree)[0] == below(tree, *old, run / "plots")


def test_an_experiment_with_nothing_in_it_goes(tree: Path) -> None:
    experiment = tree / "results" / "empty"
    (experiment / "runs").mkdir(parents=True)
    assert clean(tree)[0] == set()
    make_old(experiment / "runs")
    assert clean(tree)[0] == below(tree, experiment, experiment / "runs")


def test_a_run_whose_lock_is_held_stays(tree: Path) -> None:
    run = unfinished(tree / "results", "inn", 0)
    with held(run):
        assert clean(tree) == (set(), "nothing to clean\n")
    assert run.relative_to(tree).as_posix() in clean(tree)[0]


def test_a_run_that_is_taken_up_after_the_question_stays(tree: Path) -> None:
    run = unfinished(tree / "results", "inn", 0)
    (leftover,), _ = find_leftovers(ResultsTree(tree / "results"), "digits", failed=False)
    with held(run):
        assert not removal.remove(leftover, failed=False)
    ended_as(make_run(tree / "elsewhere", "inn", 0), "finished").joinpath("run.json").rename(
        run / "run.json"
    )
    before = snapshot(run)
    assert not removal.remove(leftover, failed=False)
    assert snapshot(run) == before


def test_the_lock_is_held_while_a_run_goes(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = unfinished(tree / "results", "inn", 0)
    attempt = (
        "import sys; from pathlib import Path; from involbench.results.store import is_locked;"
        "from involbench.results.paths import ResultsPath;"
        "sys.exit(is_locked(ResultsPath(Path(sys.argv[1]))))"
    )
    seen = []
    unlink = os.unlink

    def look_and_unlink(path: str, *, dir_fd: int | None = None) -> None:
        if path.endswith(".npz"):
            seen.append(subprocess.run([COMMAND[0], "-c", attempt, run]).returncode)
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", look_and_unlink)
    assert clean(tree)[0] >= below(tree, run)
    assert seen == [1, 1]


def test_what_involbench_did_not_write_stays_and_is_named(tree: Path) -> None:
    results = tree / "results"
    noted = unfinished(results, "inn", 0)
    (noted / "notes.txt").write_text("mine")
    linked = unfinished(results, "inn", 1)
    (linked / "plots").symlink_to(tree)
    (results / "digits/runs/my-folder").mkdir()
    outside = unfinished(tree / "elsewhere", "inn", 2)
    (results / "digits/runs" / outside.name).symlink_to(outside)
    (results / "digits/.secret.ab12cd_9.tmp").touch()
    make_old(results / "digits/.secret.ab12cd_9.tmp")
    gone, said = clean(tree)
    assert gone == set()
    assert f"{noted.relative_to(tree)}: kept, since involbench did not write" in said
    assert f"{linked.relative_to(tree)}: kept, since" in said
    assert "my-folder: not a run folder" in said


@pytest.mark.parametrize("text", ["", "{", '{"schema_version": 99}', "[]"])
def test_a_record_that_cannot_be_read_keeps_its_run(tree: Path, text: str) -> None:
    run = unfinished(tree / "results", "inn", 0)
    (run / "run.json").write_text(text)
    gone, said = clean(tree, "--failed")
    assert gone == set()
    assert f"warning: {run.relative_to(tree)}/run.json: " in said


def test_one_experiment_alone_can_be_cleaned(tree: Path) -> None:
    unfinished(tree / "results", "inn", 0)
    other = unfinished(tree / "results", "inn", 0, experiment="other")
    everything = below(tree, other, *other.rglob("*"))
    assert clean(tree, "other")[0] == everything


def test_a_dry_run_lists_and_removes_nothing(tree: Path) -> None:
    run = unfinished(tree / "results", "inn", 0)
    before = snapshot(tree)
    done = called("clean", "--dry-run", cwd=tree)
    assert (done.returncode, done.stderr) == (0, "")
    assert "digits/runs/inn-seed0-" in done.stdout
    assert f"1 thing, {kilobytes(run)} kB" in done.stdout
    assert snapshot(tree) == before


def test_without_a_terminal_it_asks_for_yes(tree: Path) -> None:
    unfinished(tree / "results", "inn", 0)
    before = snapshot(tree)
    done = called("clean", cwd=tree)
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert snapshot(tree) == before


@pytest.mark.parametrize(
    ("typed", "code", "stays"), [(b"y\n", 0, False), (b"\n", 0, True), (b"\x03", 130, True)]
)
def test_on_a_terminal_it_asks_first(tree: Path, typed: bytes, code: int, stays: bool) -> None:
    run = unfinished(tree / "results", "inn", 0)
    mine, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "clean"],
        cwd=tree,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    asked = process.stderr.read(len("Remove them?"))
    assert asked == "Remove them?"
    if typed == b"\x03":
        process.send_signal(signal.SIGINT)
    else:
        os.write(mine, typed)
    _, rest = process.communicate(timeout=60)
    os.close(mine)
    os.close(theirs)
    assert process.returncode == code, rest
    assert run.exists() == stays
    assert ("nothing removed" in rest) == stays


def test_what_cannot_be_removed_is_named_and_the_rest_goes(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = unfinished(tree / "results", "inn", 0)
    other = unfinished(tree / "results", "inn", 1)
    folders = {path.stat().st_ino for path in (kept, *kept.rglob("*"))}
    unlink = os.unlink

    def refuse(path: str, *, dir_fd: int) -> None:
        if os.fstat(dir_fd).st_ino in folders:
            raise PermissionError(EACCES, "Permission denied")
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", refuse)
    done = called("clean", "--yes", cwd=tree)
    assert done.returncode == 1
    assert "removed 1 thing" in done.stdout
    assert done.stderr.startswith("error: cannot remove results/digits/runs/inn-seed0-")
    assert done.stderr.endswith("Permission denied\n")
    assert kept.exists()
    assert not other.exists()
