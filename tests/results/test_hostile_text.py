"""Text from a stranger's results folder is shown, and never obeyed."""

import csv
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from pydantic import ValidationError

import involbench
from involbench.reporting.plots import plot_seeds, save_figure
from involbench.reporting.tables import csv_text
from involbench.results.record import RunRecord
from involbench.text import printable, visible
from tests.cli import called
from tests.results.factory import make_experiment

HOSTILE = "\x1b]0;owned\x07\x9b31m\u202e\u2066\u200b\x00x\x85"
"""A terminal title, a C1 colour, direction marks, an invisible space, NUL, a C1 line break."""
CLAIM = """\
claims:
  - says: "TEXT"
    source: "TEXT"
    metric: test_accuracy
    greater: cnn
    lesser: inn
"""


def strings(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each text in a document."""
    if isinstance(value, str):
        yield path
    if isinstance(value, dict | list):
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield from strings(below, (*path, key))


def put(document: Any, path: tuple[Any, ...], text: str) -> None:
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = text


def is_valid(record: Any) -> bool:
    try:
        RunRecord.model_validate_json(json.dumps(record))
    except ValidationError:
        return False
    return True


def assert_inert(text: str) -> None:
    assert {c for c in text if not c.isprintable()} <= {"\n"}, ascii(text)


def outputs(cwd: Path, *commands: tuple[str, ...]) -> str:
    """What the commands print, each of which must not print what a terminal obeys."""
    printed = ""
    for arguments in commands:
        done = called(*arguments, cwd=cwd)
        assert_inert(done.stdout)
        assert_inert(done.stderr)
        printed += done.stdout + done.stderr
    return printed


ALL = (
    ("list",),
    ("list", "digits"),
    ("list", "--json"),
    ("compare",),
    ("compare", "--json"),
    ("compare", "--md"),
    ("compare", "--csv"),
    ("claims",),
    ("clean", "--dry-run"),
)


@pytest.fixture
def tree(tmp_path):
    folder = make_experiment(tmp_path / "results", seeds=2)
    with (folder / "spec.yaml").open("a") as file:
        file.write(CLAIM.replace("TEXT", HOSTILE.encode("unicode_escape").decode()))
    return tmp_path


def test_nothing_prints_past_the_safe_console():
    package = Path(involbench.__file__).parent
    made = [
        p.name
        for p in package.rglob("*.py")
        if re.search(r"= Console\(|with Console", p.read_text())
    ]
    assert made == []  # ruff (TID251) keeps `typer.echo` to cli/page.py.


def test_control_characters_become_escapes():
    assert visible("a\x1b[31m\u202eb\nc\u00e9\u65e5") == "a\\x1b[31m\\u202eb\nc\u00e9\u65e5"
    assert printable(" two\n lines\x00 ") == "two lines\\x00"
    assert visible("\ud800") == "\\ud800"


def test_all_texts_of_a_record_are_inert(tree):
    for path in tree.glob("results/digits/runs/*/run.json"):
        record, kept = json.loads(path.read_text()), 0
        for place in list(strings(record)):
            tried = json.loads(json.dumps(record))
            put(tried, place, HOSTILE)
            if is_valid(tried) and place != ("run_id",) and place != ("trial", "model"):
                record, kept = tried, kept + 1
        assert kept > 20
        path.write_text(json.dumps(record))
    runs = [path.name for path in tree.glob("results/digits/runs/*")]
    printed = outputs(tree, *ALL, *(("show", run) for run in runs))
    assert "\\x1b]0;owned" in printed


def test_a_text_that_makes_a_record_invalid_is_inert(tree):
    path = next(tree.glob("results/digits/runs/inn-seed0-*/run.json"))
    record, tested = json.loads(path.read_text()), 0
    for place in list(strings(record)):
        tried = json.loads(json.dumps(record))
        put(tried, place, HOSTILE)
        if not is_valid(tried):
            path.write_text(json.dumps(tried))
            outputs(tree, ("list",))
            tested += 1
    assert tested > 3


def test_names_of_folders_are_inert(tree):
    experiment = tree / "results/digits"
    name = HOSTILE.replace("\x00", "")
    shutil.copytree(experiment, tree / "results" / name)
    run = next((experiment / "runs").glob("cnn-seed0-*"))
    shutil.copytree(run, experiment / "runs" / name)
    (experiment / "runs" / f"{name}2").mkdir()
    printed = outputs(
        tree, *ALL, ("list", name), ("compare", name), ("show", name), ("compare", f"{name}x")
    )
    assert "\\x1b]0;owned" in printed


def test_keys_and_values_of_a_spec_are_inert(tree):
    escaped = HOSTILE.encode("unicode_escape").decode()
    source = (tree / "results/digits/spec.yaml").read_text()
    for line, text in enumerate(source.splitlines()):
        key, _, value = text.partition(":")
        for changed in (f'"{escaped}{key.strip()}": {value}', f'{key}: "{escaped}"'):
            lines = source.splitlines()
            lines[line] = changed
            (tree / "hostile.yaml").write_text("\n".join(lines))
            (tree / "results/digits/spec.yaml").write_text("\n".join(lines))
            outputs(tree, ("validate", "hostile.yaml"), ("compare",), ("claims",))


def test_a_report_is_inert(tree):
    for path in tree.glob("results/digits/runs/*/run.json"):
        record = json.loads(path.read_text())
        record["data"]["class_names"][0] = record["hardware"]["cpu"] = HOSTILE
        record["notes"] = [HOSTILE]
        path.write_text(json.dumps(record))
    outputs(tree, ("report", "digits", "-o", "report.html"))
    page = (tree / "report.html").read_text()
    assert {c for c in page if not c.isprintable()} <= {"\n", "\t"}
    assert "\\x1b]0;owned" in page


def test_a_chart_with_hostile_names_is_whole_xml(tmp_path):
    figure = plot_seeds({HOSTILE: [0.5, 0.6], "inn": [0.4, 0.3]}, chance=0.1)
    save_figure(figure, tmp_path / "seeds", ["svg"])
    ElementTree.fromstring((tmp_path / "seeds.svg").read_bytes())


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(start):
    text = csv_text(["name", "1"], [[f"{start}HYPERLINK(1)", -0.5]])
    name, number = list(csv.reader(text.splitlines()))[1]
    assert name[0] in ("'", "\\")
    assert number == "-0.5"
