"""The promises about how the house is built."""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import involbench
from tests.cli import COMMAND, TINY, called
from tests.results.factory import make_run

ROOT = Path(__file__).parents[2]
FRAMEWORKS = ("tensorflow", "keras", "jax", "torch", "numba")


@pytest.fixture
def poisoned(tmp_path):
    """An environment in which importing a framework fails loudly."""
    for name in FRAMEWORKS:
        package = tmp_path / "poison" / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f"raise SystemExit('{name} was imported')\n")
    path = [str(tmp_path / "poison"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def test_the_poison_works(poisoned):
    done = subprocess.run([sys.executable, "-c", "import keras"], env=poisoned, capture_output=True)
    assert b"keras was imported" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--help"], ["run", "--help"], ["--version"], ["validate", "tiny.yaml"], ["schema"]),
        *(
            ["init"],
            ["list"],
            ["show", "cnn-seed0"],
            ["clean", "--dry-run"],
            ["compare"],
            ["claims"],
            ["report"],
        ),
        *(["bench", "operator", "--help"], ["doctor", "--help"]),
    ],
    ids=" ".join,
)
def test_the_light_half_imports_no_framework(arguments, poisoned, tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    make_run(tmp_path / "results", "cnn", 0)
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=tmp_path, env=poisoned, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert "was imported" not in done.stderr


def test_the_package_loads_what_is_used_of_it_and_no_framework(poisoned, tmp_path):
    make_run(tmp_path / "results", "cnn", 0)
    program = """
import sys
import involbench
print(*dir(involbench))
print(*{"numpy", "pydantic", "rich", "yaml", "matplotlib"} & sys.modules.keys())
from involbench import *
experiment = load("digits")
print(experiment.best("cnn").record.trial.seed, compare(experiment).models[0].model)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=poisoned, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    listed, imported, found = done.stdout.splitlines()
    assert listed.split() == sorted([*involbench.__all__, "__version__"])
    assert {"Experiment", "Run", "compare", "load", "run"} <= {*involbench.__all__}
    assert (imported, found) == ("", "0 cnn")


def test_a_name_that_the_package_has_not_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'involbench' has no attribute 'runs'"):
        _ = involbench.runs


def test_the_wheel_of_the_source_distribution_is_whole(tmp_path):
    built, installed, empty = tmp_path / "built", tmp_path / "installed", tmp_path / "empty folder"
    empty.mkdir()
    python = [sys.executable, "-m"]
    # It builds the wheel from the source distribution.
    subprocess.run([*python, "build", "--no-isolation", "--outdir", built, ROOT], check=True)
    source, wheel = sorted(built.iterdir(), key=lambda path: path.suffix)
    assert (source.suffix, wheel.suffix) == (".gz", ".whl")
    subprocess.run([*python, "twine", "check", "--strict", source, wheel], check=True)
    pip = [*python, "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--target", installed, wheel], check=True)
    environment = {**os.environ, "PYTHONPATH": str(installed)}

    def lines(*arguments):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=empty, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    assert lines("-c", "import involbench; print(involbench.__file__)") == [
        str(installed / "involbench" / "__init__.py")
    ]
    assert lines("-m", "involbench", "validate", "smoke", "cifar10") == [
        "smoke: ok, 6 trials (3 models, 2 seeds)",
        "cifar10: ok, 18 trials (3 models, 6 seeds)",
    ]
    lines("-m", "involbench", "init", "mine", "--from", "smoke")
    small = ["-S", "seeds=1", "-S", "training.epochs=1", "-S", "data.train_size=50"]
    assert "mine" in lines("-m", "involbench", "run", "mine.yaml", *small)[0]
    assert len(list(empty.glob("results/mine/runs/*/run.json"))) == 3
    lines("-m", "involbench", "report", "mine", "-o", "report.html")
    assert "<title>mine" in (empty / "report.html").read_text(encoding="utf-8")


def test_imports_go_downward_and_the_light_half_is_light():
    lint_imports = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "2 kept, 0 broken" in done.stdout


def test_the_version_stands_in_one_place():
    assert version("involbench") == involbench.__version__
    assert "version =" not in (ROOT / "pyproject.toml").read_text().split("[tool.")[0]


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == involbench.__version__
    for authors in (citation["authors"], citation["references"][0]["authors"]):
        assert all("name" in each or "family-names" in each for each in authors)


@pytest.mark.parametrize("template", [*ROOT.glob(".github/ISSUE_TEMPLATE/*")], ids=lambda p: p.stem)
def test_an_issue_form_has_what_forms_need(template):
    form = yaml.safe_load(template.read_text())
    assert {"name", "description", "body"} <= form.keys()
    assert all(each["type"] == "textarea" and each["attributes"]["label"] for each in form["body"])
    assert len({each["id"] for each in form["body"]}) == len(form["body"])


def test_every_dependency_is_pinned_in_the_constraints():
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    project = (ROOT / "pyproject.toml").read_text().split("[project.scripts]")[0]
    wanted = {name.lower() for name in re.findall(r'^    "([A-Za-z-]+)>=', project, re.MULTILINE)}
    assert len(wanted) > 15
    assert wanted - pinned == set()


def test_the_constraints_name_no_address():
    text = (ROOT / "constraints.txt").read_text()
    assert all(re.fullmatch(r"[\w.-]+==[\w.+-]+", line) for line in text.splitlines())


@pytest.mark.parametrize("group", [[], ["bench"]])
def test_what_a_command_is_for_fits_its_line(group, tmp_path):
    _, _, commands = called(*group, "--help", cwd=tmp_path).stdout.partition("Commands:")
    assert len(commands.splitlines()) > 4
    assert "..." not in commands
