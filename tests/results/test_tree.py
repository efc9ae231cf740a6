"""Damaged and foreign files in a results tree."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from involbench.errors import ResultsError
from involbench.results.paths import ResultsPath
from involbench.results.tree import ResultsTree, SpecSummary, read_spec_summary
from tests.results.factory import make_experiment, make_run


def models_read(results: Path) -> tuple[list[str], list[str]]:
    runs, warnings = ResultsTree(results).runs("digits")
    return [run.record.trial.model for run in runs], warnings


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_record_is_skipped_and_left_alone(tmp_path: Path, kept: float) -> None:
    make_experiment(tmp_path, seeds=1)
    victim = next(tmp_path.glob("digits/runs/inn-*/run.json"))
    text = victim.read_bytes()
    victim.write_bytes(text[: int(len(text) * kept)])
    models, warnings = models_read(tmp_path)
    assert models == ["cnn", "control"]
    assert warnings == [f"{victim}: damaged: not a whole JSON document (skipped)"]
    assert victim.read_bytes() == text[: int(len(text) * kept)]


@pytest.mark.parametrize("place", ['"point": {', '"git": {', '"metrics": {'])
def test_a_number_too_large_for_a_float_is_refused(tmp_path: Path, place: str) -> None:
    make_experiment(tmp_path, seeds=1)
    victim = next(tmp_path.glob("digits/runs/inn-*/run.json"))
    text = victim.read_text().replace('"git": null', '"git": {}').replace("{}", '{"y": 0}')
    assert place in text
    victim.write_text(text.replace(place, f'{place} "x": 1e999, '))
    models, warnings = models_read(tmp_path)
    assert models == ["cnn", "control"]
    assert warnings == [f"{victim}: damaged: not a whole JSON document (skipped)"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe\x00garbage", "damaged"),
        (b"[1, 2]", "not a record of this version"),
        (b'{"schema_version": 1}', "not a record of this version"),
        (b'{"run_id": "x"}', "it has no schema_version"),
        (b'{"schema_version": true}', "it has no schema_version"),
        (b'{"schema_version": 0}', "schema_version 0 was never one"),
        (b'{"schema_version": 1, "x": 1e999}', "damaged"),
        (b'{"schema_version": 1, "x": NaN}', "damaged"),
        (b"[" * 100_000, "damaged"),
    ],
)
def test_garbage_is_skipped_with_its_name(tmp_path: Path, content: bytes, said: str) -> None:
    make_experiment(tmp_path, seeds=1)
    victim = next(tmp_path.glob("digits/runs/inn-*/run.json"))
    victim.write_bytes(content)
    models, (warning,) = models_read(tmp_path)
    assert models == ["cnn", "control"]
    assert str(victim) in warning
    assert said in warning


def test_a_copied_run_folder_counts_once(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "cnn", 0)
    copy = folder.with_name(f"{folder.name}-copy")
    copy.mkdir()
    (copy / "run.json").write_bytes((folder / "run.json").read_bytes())
    models, (warning,) = models_read(tmp_path)
    assert models == ["cnn"]
    assert "is a copy" in warning


def test_a_run_under_way_is_no_damage(tmp_path: Path) -> None:
    make_run(tmp_path, "cnn", 0)
    (tmp_path / "digits" / "runs" / "inn-seed0-00000000").mkdir()
    (tmp_path / "digits" / "runs" / ".DS_Store").touch()
    assert models_read(tmp_path) == (["cnn"], [])


def test_experiments_are_listed_without_the_published_ones(tmp_path: Path) -> None:
    for name in ("zeta", "alpha", "reference/cifar10-jpeg"):
        make_run(tmp_path, "cnn", 0, experiment=name)
    (tmp_path / "notes").mkdir()
    tree = ResultsTree(tmp_path)
    assert tree.experiments() == ["alpha", "zeta"]
    assert tree.references() == ["reference/cifar10-jpeg"]
    assert len(tree.runs("reference/cifar10-jpeg")[0]) == 1


def test_history_and_parameters_are_read_when_asked_for(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "inn", 0)
    (run,), _ = ResultsTree(tmp_path).runs("digits")
    assert len(run.history()["val_loss"]) == 20
    assert run.parameters().by_role["head"] == 13002
    (folder / "history.json").write_text('{"loss": ["x"]}')
    (folder / "parameters.json").unlink()
    with pytest.raises(ResultsError, match=r"history\.json: not a record"):
        run.history()
    with pytest.raises(ResultsError, match=r"parameters\.json: cannot be read"):
        run.parameters()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("models: [", "not valid YAML: expected the node content, but found '<stream end>'"),
        ("- a", "it is not a mapping"),
        ("\x00", "not valid YAML: unacceptable character"),
        ("a: &a *b", "not valid YAML: expected <block end>, but found '<alias>'"),
    ],
)
def test_a_damaged_spec_gives_an_empty_outline_and_says_so(
    tmp_path: Path, text: str, fault: str
) -> None:
    (tmp_path / "spec.yaml").write_text(text)
    outline = read_spec_summary(ResultsPath(tmp_path))
    assert replace(outline, faults=()) == SpecSummary()
    (said,) = outline.faults
    assert said.startswith(f"spec.yaml is not used: {fault}")


def test_what_is_of_another_kind_in_a_spec_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("models: 3\nbaseline: [x]\ntraining: 3\nsweep: 3")
    assert read_spec_summary(ResultsPath(tmp_path)) == SpecSummary()


def test_a_sweep_larger_than_any_that_can_be_run_is_not_expanded(tmp_path: Path) -> None:
    sweep = {f"data.k{place}": list(range(100)) for place in range(9)}
    (tmp_path / "spec.yaml").write_text(json.dumps({"sweep": sweep}))
    assert read_spec_summary(ResultsPath(tmp_path)).sweep == {}


def test_the_outline_keeps_the_order_of_the_models(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(json.dumps({"models": {"b": {}, "a": {}}, "baseline": "a"}))
    assert read_spec_summary(ResultsPath(tmp_path)) == SpecSummary(("b", "a"), "a")
