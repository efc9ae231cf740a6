"""No word, number or name is broken, however narrow the terminal is."""

import pytest

from tests.cli import called

COMMANDS = ("list", "list digits", "compare", "show digits/inn-seed0", "clean -n", "claims")


def printed(command, width, cwd, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    done = called(*command.split(), cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("width", [100, 80, 60, 40, 20, 1])
@pytest.mark.parametrize("command", COMMANDS)
def test_words_stay_whole_at_any_width(tree, command, width, monkeypatch):
    wide = {*printed(command, 1000, tree, monkeypatch).split(), "no", "room", "for:"}
    lines = printed(command, width, tree, monkeypatch).splitlines()
    words = [word for line in lines for word in line.split() if not set(word) <= {"─"}]
    assert [word for word in words if word.rstrip(",") not in wide and word not in wide] == []
    for line in lines:  # Only one word by itself may be wider.
        assert len(line.rstrip()) <= max(width, 20) or len(line.split()) == 1, line


@pytest.mark.parametrize("width", [80, 60, 40])
def test_names_of_experiments_and_runs_are_on_one_line(tree, width, monkeypatch):
    lines = printed("list", width, tree, monkeypatch).splitlines()
    assert "images-of-leaves-in-the-botanic-garden" in [line.split()[0] for line in lines[3:]]
    text = printed("list digits", width, tree, monkeypatch)
    names = {path.name for path in (tree / "results/digits/runs").iterdir()}
    assert names <= set(text.split())
    assert text.split().count("20/20") == 4


@pytest.mark.parametrize("command", ["", "run", "compare", "bench", "bench model", "kernels"])
def test_help_keeps_to_narrow_terminals(tmp_path, command, monkeypatch):
    wide = printed(f"{command} --help", 80, tmp_path, monkeypatch).split()
    text = printed(f"{command} --help", 60, tmp_path, monkeypatch)
    assert max(map(len, text.splitlines())) <= 60
    # The first sentence of a command is cut in a list of commands.
    assert [word for word in text.split() if word not in wide and not word.endswith("...")] == []
