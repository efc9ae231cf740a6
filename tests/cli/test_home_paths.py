"""`~` is the home folder in every path that a command takes."""

import shutil

import pytest

from involbench.data.cache import cache_folder
from tests.cli import called


@pytest.fixture
def home(tree, monkeypatch):
    """A home folder with the results, and a folder to call from that stays empty."""
    (tree / "elsewhere").mkdir()
    monkeypatch.setenv("HOME", str(tree))
    yield tree
    assert [*(tree / "elsewhere").iterdir()] == []


def call(home, *arguments, code=0):
    done = called(*arguments, cwd=home / "elsewhere")
    assert done.returncode == code, done.stderr
    return done


@pytest.mark.parametrize("command", ["list", "compare", "claims", "show cnn-seed0", "clean -n"])
def test_results_are_found_below_the_home_folder(home, command):
    name, *rest = command.split()
    shutil.rmtree(home / "results/images-of-leaves-in-the-botanic-garden")
    done = call(home, name, *rest, "--results=~/results")
    assert done.stdout == called(name, *rest, "--results", home / "results", cwd=home).stdout


@pytest.mark.parametrize(
    ("command", "file"),
    [
        ("schema -o ~/schema.json", "schema.json"),
        ("init mine --output=~/mine.yaml", "mine.yaml"),
        ("compare ~/results/digits --output=~/table.txt", "table.txt"),
        ("compare digits --results=~/results --against=~/results -o ~/both.txt", "both.txt"),
        ("report digits --results=~/results -o ~/page.html", "page.html"),
        ("export-results digits --to csv --results=~/results -o ~/tables", "tables/runs.csv"),
    ],
)
def test_files_are_written_below_the_home_folder(home, command, file):
    call(home, *command.split())
    assert (home / file).is_file()


@pytest.mark.parametrize(
    "command",
    [
        "validate ~/nothing.yaml",
        "run ~/nothing.yaml",
        "params ~/nothing.yaml",
        "doctor ~/nothing.yaml",
        "bench model ~/nothing.yaml",
        "predict ~/nothing/runs/cnn --test 1 --results=~/nothing.yaml",
        "kernels x --results=~/nothing.yaml",
        "export x --format litert --results=~/nothing.yaml",
        "bench export x --results=~/nothing.yaml",
    ],
)
def test_what_is_missing_is_named_below_the_home_folder(home, command):
    done = call(home, *command.split(), code=2)
    assert f"{home}/nothing.yaml" in done.stderr


def test_a_run_is_named_by_its_path(home):
    (folder,) = (home / "results/digits/runs").glob("cnn-seed1-*")
    done = call(home, "show", f"~/results/digits/runs/{folder.name}")
    assert done.stdout.startswith(f"digits/{folder.name}\n")


def test_a_name_of_nobody_stays_as_it_is(home):
    done = call(home, "validate", "~nobody-of-this-name/x.yaml", code=2)
    assert done.stderr.startswith("error: ~nobody-of-this-name/x.yaml: no such file")


def test_the_cache_is_below_the_home_folder(home, monkeypatch):
    monkeypatch.setenv("INVOLBENCH_CACHE", "~/decoded")
    assert cache_folder() == home / "decoded"
