"""Models that were tuned are compared at their own values, apart from runs with others."""

import json
import re
from pathlib import Path

import pytest

from tests.cli import called
from tests.results.factory import SPEC as WITHOUT_VALIDATION
from tests.results.factory import make_run

RATE = "training.optimizer.learning_rate"
SPEC = WITHOUT_VALIDATION.replace("digits}", "digits, validation: 0.2}")
TUNE = f"tune: {{{RATE}: [0.001, 0.003, 0.01]}}\n"
CHOSEN = {"cnn": 0.001, "inn": 0.01}


def made(results: Path, model: str, rate: float, seeds: int = 3, **changes: object) -> None:
    training = {"epochs": 20, "optimizer": {"name": "adam", "learning_rate": rate}}
    for seed in range(seeds):
        data = {"dataset": "digits", "validation": 0.2}
        make_run(results, model, seed, training=training, data=data, **changes)


def chose(results: Path, at_edge: tuple[str, ...] = ()) -> None:
    """What `tune` chose."""
    choices = [
        {
            "model": model,
            "point": {},
            "values": {RATE: rate},
            "at_edge": at_edge if model == "inn" else (),
            "candidates": [{"values": {RATE: rate}, "by_seed": {"100": 0.5}, "mean": 0.5}],
        }
        for model, rate in CHOSEN.items()
    ]
    folder = results / "digits/tuning"
    folder.mkdir()
    document = {"schema_version": 1, "seeds": [100], "choices": choices}
    (folder / "choices.json").write_text(json.dumps(document))


def compared(folder: Path, *options: str) -> tuple[list[tuple[dict[str, float | None], bool]], str]:
    """What was tuned in each group, and whether the spec states it; and what was printed."""
    done = called("compare", "digits", "--json", *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    (first,) = json.loads(done.stdout)["experiments"]
    groups = [
        (
            {each["model"]: each.get("tuned", {}).get(RATE) for each in group["models"]},
            group.get("is_stated", True),
        )
        for group in [first, *first.get("other_settings", [])]
    ]
    return groups, done.stderr


@pytest.fixture
def tuned(tmp_path: Path) -> Path:
    """A tuned experiment, and later runs at the one rate that the spec had before."""
    results = tmp_path / "results"
    made(results, "cnn", 0.001)  # Trained before the spec had `tune`, so without a mark.
    made(results, "inn", 0.01, tuned={RATE: 0.01})
    (results / "digits/spec.yaml").write_text(SPEC.format(name="digits") + TUNE)
    chose(results)
    return tmp_path


def test_each_model_is_compared_at_its_own_rate(tuned: Path) -> None:
    groups, warnings = compared(tuned)
    assert groups == [(CHOSEN, True)] and warnings == ""
    table = called("compare", "digits", "--md", cwd=tuned).stdout
    assert re.search(r"^\| model .*\| learning rate \|$", table, re.MULTILINE)
    assert re.search(r"^\| inn .*\| 0\.01 \|$", table, re.MULTILINE)
    assert f"{RATE}: chosen for each model by its mean validation accuracy" in table


def test_runs_at_one_rate_are_a_group_of_their_own(tuned: Path) -> None:
    made(tuned / "results", "inn", 0.001, seeds=4, ended="2026-02-01T00:00:00+00:00")
    groups, _ = compared(tuned)
    # The run of the cnn is both: its rate was chosen, and is the one of the other runs.
    alone = {"cnn": 0.001, "inn": None}
    assert sorted(groups, key=str) == sorted([(CHOSEN, True), (alone, False)], key=str)


def test_without_tune_in_the_spec_the_others_are_stated(tuned: Path) -> None:
    for model in CHOSEN:
        made(tuned / "results", model, 0.003)
    rate = "training: {epochs: 20, optimizer: {name: adam, learning_rate: 0.003}}\n"
    spec = tuned / "results/digits/spec.yaml"
    spec.write_text(SPEC.format(name="digits") + rate)
    groups, _ = compared(tuned)
    assert ({"cnn": None, "inn": None}, True) in groups
    spec.write_text(SPEC.format(name="digits") + rate + TUNE)
    groups, _ = compared(tuned)
    assert (CHOSEN, True) in groups and ({"cnn": None, "inn": None}, False) in groups


def test_a_choice_at_the_edge_and_a_damaged_file_are_named(tuned: Path) -> None:
    file = tuned / "results/digits/tuning/choices.json"
    text = file.read_text()
    file.write_text(text.replace('"at_edge": []', f'"at_edge": ["{RATE}"]'))
    _, warnings = compared(tuned)
    assert (
        f"inn: the best candidate is at the edge of the grid of `tune`, {RATE} = 0.01" in warnings
    )
    file.write_text(text[:100])
    groups, warnings = compared(tuned)
    assert groups[0][0]["inn"] == 0.01  # Its records say so.
    assert "choices.json: damaged: not a whole JSON document" in warnings
