"""Records of other versions: an invented older one, and newer ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from involbench import __version__
from involbench.results import migrations as migration
from involbench.results.record import SCHEMA_VERSION
from involbench.results.tree import ResultsTree
from tests.results.factory import make_run


def rewritten(folder: Path, **changes: Any) -> bytes:
    """Change keys of a run's record; "" takes one out."""
    path = folder / "run.json"
    record = {**json.loads(path.read_bytes()), **changes}
    path.write_text(json.dumps({key: value for key, value in record.items() if value != ""}))
    return path.read_bytes()


def gather_metrics(record: dict[str, Any]) -> dict[str, Any]:
    """Version 0, as it is invented here, had each metric beside the other keys."""
    return {"metrics": {"test_accuracy": record.pop("accuracy")}, **record}


def rename_state(record: dict[str, Any]) -> dict[str, Any]:
    """Version -1 called the status its state."""
    return {"status": record.pop("state"), **record}


@pytest.fixture
def old_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(migration.STEPS, 0, gather_metrics)
    monkeypatch.setitem(migration.STEPS, -1, rename_state)


@pytest.mark.usefixtures("old_versions")
@pytest.mark.parametrize(
    "changes",
    [
        {"schema_version": 0, "accuracy": 0.625},
        {"schema_version": -1, "accuracy": 0.625, "state": "finished", "status": ""},
    ],
)
def test_an_older_record_is_migrated_as_it_is_read(tmp_path: Path, changes: dict[str, Any]) -> None:
    written = rewritten(make_run(tmp_path, "cnn", 0), metrics="", **changes)
    (run,), warnings = ResultsTree(tmp_path).runs("digits")
    assert warnings == []
    assert run.record.schema_version == SCHEMA_VERSION
    assert run.record.metrics == {"test_accuracy": 0.625}
    assert run.record.status == "finished"
    assert (run.path.path / "run.json").read_bytes() == written


@pytest.mark.usefixtures("old_versions")
def test_a_damaged_older_record_is_skipped_with_its_name(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "cnn", 0)
    rewritten(folder, schema_version=0, metrics="")
    assert ResultsTree(tmp_path).runs("digits") == (
        [],
        [f"{folder / 'run.json'}: damaged: not a record of schema_version 0 (skipped)"],
    )


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ({"involbench": "7.1.0"}, "install involbench 7.1.0 or newer to read it"),
        ({"involbench": "rm -rf\n\x1b[31m"}, "install a newer involbench to read it"),
        ({}, "install a newer involbench to read it"),
    ],
)
def test_a_newer_record_is_refused_with_what_to_install(
    tmp_path: Path, versions: dict[str, str], said: str
) -> None:
    written = rewritten(make_run(tmp_path, "cnn", 0), schema_version=9, versions=versions, x=1)
    runs, (warning,) = ResultsTree(tmp_path).runs("digits")
    assert runs == []
    assert f"schema_version 9; this one, {__version__}, reads {SCHEMA_VERSION}" in warning
    assert said in warning
    assert warning.isprintable()
    assert next(tmp_path.glob("digits/runs/*/run.json")).read_bytes() == written


def test_a_key_that_only_another_version_knows_is_explained(tmp_path: Path) -> None:
    rewritten(make_run(tmp_path, "cnn", 0), versions={"involbench": "0.9.0"}, power=3)
    _, (warning,) = ResultsTree(tmp_path).runs("digits")
    assert "power: Extra inputs are not permitted; involbench 0.9.0 wrote it, this is " in warning


def test_there_is_a_step_from_every_older_version() -> None:
    assert set(migration.STEPS) == set(range(1, SCHEMA_VERSION))
