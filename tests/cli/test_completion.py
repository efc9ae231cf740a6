"""What the Tab key offers in bash, zsh and fish."""

import os
import shlex
import subprocess

import pytest

from tests.cli import COMMAND, called, surroundings

RUNS = ("digits/cnn-seed0-", "digits/cnn-seed1-", "digits/control-seed0-")


def offered(shell, line, cwd, monkeypatch):
    """What is offered for the last word of a command line, as each shell asks."""
    words = line.split(" ")
    monkeypatch.setenv("_INVOLBENCH_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    done = called(cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_runs_are_offered_in_every_shell(tree, shell, monkeypatch):
    text = offered(shell, "involbench show digits/c", tree, monkeypatch)
    assert [text.count(run) for run in RUNS] == [1, 1, 1]
    assert "inn-seed" not in text


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("involbench exp", ["export", "export-results"]),
        ("involbench bench st", ["step"]),
        ("involbench list --res", ["--results"]),
        ("involbench compare ", ["digits", "images-of-leaves-in-the-botanic-garden"]),
        ("involbench report d", ["digits"]),
        ("involbench claims --results nowhere ", []),
        ("involbench list --results ./results im", ["images-of-leaves-in-the-botanic-garden"]),
    ],
)
def test_commands_options_and_experiments_are_offered(tree, line, expected, monkeypatch):
    assert offered("bash", line, tree, monkeypatch).split() == expected


def test_a_run_is_offered_by_its_own_name_once(tree, monkeypatch):
    names = offered("bash", "involbench show inn-seed0", tree, monkeypatch).split()
    assert len(names) == len(set(names)) > 0
    done = called("show", f"digits/{names[0]}", cwd=tree)
    assert "Usage" not in done.stderr


def test_bash_completes_a_line(tree):
    (tree / "involbench").write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    (tree / "involbench").chmod(0o755)
    script = """
    eval "$(involbench --show-completion bash)"
    COMP_WORDS=(involbench show digits/inn-seed1) COMP_CWORD=2
    _involbench_completion involbench
    echo "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tree,
        env=surroundings(PATH=f"{tree}:{os.environ['PATH']}"),
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("digits/inn-seed1-"), done.stderr
