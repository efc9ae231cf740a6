"""Output that can't be written: a closed descriptor, a full disk, a reader who left."""

import fcntl
import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.cli import BRIEF, COMMAND, called, surroundings

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")

LEAVES = "images-of-leaves-in-the-botanic-garden"
INVOLBENCH = shlex.join(COMMAND)
FULL = "error: cannot write to stdout: No space left on device\n"


def in_bash(line: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run a line of a shell script in which $I is the command."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.replace("$I", INVOLBENCH)],
        cwd=cwd,
        env=surroundings(**environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("$I list >/dev/full", 1, FULL),
        (f"PYTHONUNBUFFERED=1 $I compare {LEAVES} --json >/dev/full", 1, FULL),
        ("$I run --help >/dev/full", 1, FULL),
        ("$I list >&-", 1, "error: cannot write to stdout: it is closed\n"),
        ("$I list >&- 2>&- <&-", 1, ""),
        ("$I list nothing 2>&-", 2, ""),
        ("$I list nothing 2>/dev/full", 2, ""),
    ],
)
def test_lost_output_is_one_line_and_exit_1(tree, line, code, said):
    done = in_bash(line, tree)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", said)


def test_messages_that_are_not_wanted_change_nothing(tree):
    wanted = in_bash(f"$I compare {LEAVES}", tree)
    assert wanted.returncode == 0
    # As in a script whose stderr is closed, where the descriptor is the script's own file.
    (tree / "wrapper").write_text(f"{INVOLBENCH} compare {LEAVES}\n")
    for line in (f"$I compare {LEAVES} 2>&-", "bash wrapper 2>&-"):
        done = in_bash(line, tree)
        assert (done.returncode, done.stdout) == (0, wanted.stdout), line
    done = in_bash(f"$I compare {LEAVES} --json | head -1", tree)
    assert (done.returncode, done.stdout) == (0, "{\n")
    assert done.stderr == ""


def test_a_pipe_that_another_process_made_non_blocking_loses_nothing(tmp_path):
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writing, False)
    process = subprocess.Popen([*COMMAND, "schema"], cwd=tmp_path, stdout=writing)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    assert process.wait() == 0
    assert text == called("schema", cwd=tmp_path).stdout
    assert len(text) > 4096


@pytest.mark.parametrize(
    ("streams", "code"),
    [
        ("2>&- >table", 0),
        pytest.param("2>/dev/full >table", 1, marks=pytest.mark.thorough),
        pytest.param("2>log >/dev/full", 1, marks=pytest.mark.thorough),
        pytest.param(">&- 2>&- <&-", 1, marks=pytest.mark.thorough),
    ],
)
def test_a_training_goes_on_without_a_stream(tmp_path, streams, code):
    (tmp_path / "tiny.yaml").write_text(BRIEF)
    line = f"$I run tiny.yaml --seeds 1 -S training.epochs=1 --results=~/kept {streams}"
    assert in_bash(line, tmp_path, HOME=str(tmp_path)).returncode == code
    records = [*tmp_path.glob("kept/tiny/runs/*/run.json")]
    assert [json.loads(path.read_text())["status"] for path in records] == ["finished"] * 2
    if ">table" in streams:
        assert (tmp_path / "table").read_text().startswith("tiny\n model ")
    if "2>log" in streams:
        assert (tmp_path / "log").read_text().splitlines()[-1] == FULL.strip()


@pytest.mark.thorough
def test_doctor_finds_no_problem_with_a_closed_stderr(tmp_path):
    done = in_bash("$I doctor --json 2>&-", tmp_path)
    assert json.loads(done.stdout)["status"] != "problem"
    assert done.returncode == 0


@pytest.mark.thorough
def test_the_live_screen_cannot_end_a_training(tmp_path):
    (tmp_path / "tiny.yaml").write_text(BRIEF)
    run = "$I run tiny.yaml --seeds 1 -S training.epochs=1 2>/dev/full"
    environment = {"FORCE_COLOR": "1", "TTY_INTERACTIVE": "1", "TERM": "xterm"}
    assert in_bash(run, tmp_path, **environment).returncode == 1
    assert len([*tmp_path.glob("results/tiny/runs/*/run.json")]) == 2
