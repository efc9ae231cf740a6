"""Runs with several settings in one experiment: each group is shown, and one can be chosen."""

import csv
import json
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.cli import called
from tests.reporting.html.page import Page
from tests.results.factory import SPEC, VERSIONS, make_run

CLAIM = "claims:\n  - {says: big, source: me, metric: test_accuracy, greater: cnn, lesser: inn}\n"
SMALL = {"data": {"dataset": "digits", "train_size": 50}}
LATER = "2026-05-01T00:00:00+00:00"
MAIN = "digits: data.train_size = default (12 runs)"
TRY = "digits: data.train_size = 50 (2 runs, as spec.yaml states)"


def spec(results: Path, old: str = "", new: str = "") -> None:
    text = SPEC.format(name="digits").replace(old, new) + f"baseline: cnn\n{CLAIM}"
    (results / "digits/spec.yaml").write_text(text)


@pytest.fixture
def tried(tmp_path: Path) -> Path:
    """Six seeds of two models, and a quick try of fifty images afterwards."""
    results = tmp_path / "results"
    for model in ("cnn", "inn"):
        for seed in range(6):
            make_run(results, model, seed)
        make_run(results, model, 0, accuracy=0.2, ended=LATER, **SMALL)
    spec(results, "{dataset: digits}", "{dataset: digits, train_size: 50}")
    return tmp_path


def headings(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("digits")]


def test_a_quick_try_stands_below_the_main_result(tried: Path) -> None:
    done = called("compare", cwd=tried)
    assert (done.returncode, done.stderr) == (0, "")
    assert headings(done.stdout) == [MAIN, TRY]
    main, quick = done.stdout.split(TRY)
    assert "73.50 ± 0.37" in main
    assert "Holds here: big" in main
    assert "20.00" in quick
    assert "Undecided: big" in quick
    shown = called("compare", "--md", cwd=tried).stdout
    assert [line for line in shown.splitlines() if line.startswith("###")] == [
        f"### {MAIN}",
        f"### {TRY}",
    ]


def test_json_has_the_largest_group_and_the_others_below_it(tried: Path) -> None:
    (experiment,) = json.loads(called("compare", "--json", cwd=tried).stdout)["experiments"]
    chosen = json.loads(
        called("compare", "--json", "-S", "data.train_size=null", cwd=tried).stdout
    )["experiments"]
    (other,) = experiment.pop("other_settings")
    settings = [(each.pop("settings"), each.pop("is_stated")) for each in (experiment, other)]
    assert settings == [({"data.train_size": None}, False), ({"data.train_size": 50}, True)]
    assert chosen == [experiment]
    assert other["models"][0]["metrics"]["test_accuracy"]["by_seed"] == {"0": 0.2}
    rows = list(csv.DictReader(StringIO(called("compare", "--csv", cwd=tried).stdout)))
    accuracies = [
        (json.loads(row["settings"])["data.train_size"], row["model"], row["n"])
        for row in rows
        if row["metric"] == "test_accuracy"
    ]
    assert accuracies == [
        (None, "cnn", "6"),
        (None, "inn", "6"),
        (50, "cnn", "1"),
        (50, "inn", "1"),
    ]


def test_claims_and_gates_are_about_what_the_spec_states(tried: Path) -> None:
    gate = ("--fail-if", "cnn.test_accuracy < 0.5")
    said = called("claims", cwd=tried)
    assert headings(said.stdout) == [MAIN, TRY]
    assert said.stdout.endswith(
        "0 hold here, 0 do not hold here, 1 undecided, for the settings in the specs.\n"
    )
    document = json.loads(called("claims", "--json", cwd=tried).stdout)
    assert [row["verdict"] for row in document["claims"]] == ["undecided"]
    assert [row["verdict"] for row in document["other_settings"]] == ["supported"]
    failed = called("compare", *gate, cwd=tried)
    assert (failed.returncode, f"--fail-if is about {TRY}" in failed.stderr) == (3, True)
    assert called("compare", *gate, "-S", "data.train_size=null", cwd=tried).returncode == 0
    spec(tried / "results")  # As after the main runs were begun once more.
    assert called("compare", *gate, cwd=tried).returncode == 0
    again = called("claims", cwd=tried).stdout
    assert headings(again)[0] == "digits: data.train_size = default (12 runs, as spec.yaml states)"
    assert "1 hold here" in again


def test_claims_on_other_settings_than_the_spec_states_are_said(tried: Path) -> None:
    spec(tried / "results", "seeds: 3", "training: {epochs: 3}")
    done = called("claims", cwd=tried)
    assert headings(done.stdout)[1] == "digits: data.train_size = 50 (2 runs, the latest)"
    assert done.stderr == (
        "warning: digits: claims use other settings than spec.yaml: "
        "data.train_size 50, not default; training.epochs 20, not 3\n"
    )


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("data.train_size=50", ["digits: data.train_size = 50 (2 runs)"]),
        ("data={dataset: digits, validation: test}", [MAIN]),
        ("training.optimizer=adam", [MAIN, TRY]),
        ("backend=tensorflow", [MAIN, TRY]),
    ],
)
def test_settings_are_chosen_as_run_sets_them(
    tried: Path, chosen: str, expected: list[str]
) -> None:
    for command in ("compare", "claims"):
        done = called(command, "-S", chosen, cwd=tried)
        assert (done.returncode, headings(done.stdout)) == (0, expected)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (
            "data.train_size=7",
            "no run of digits has these settings; the runs have data.train_size default, 50",
        ),
        ("training.optimizer=sgd", "the runs have training.optimizer adam"),
        ("backend=jax", "no run of digits has these settings; the runs have backend tensorflow"),
        ("training.epoch=20", "training.epoch: unknown key; did you mean 'epochs'?"),
        ("models.in.kernel_size=3", "--set models.in: no run of that model; did you mean 'inn'?"),
        ("models=1", "--set models: expected models.NAME.KEY"),
        ("models.inn=1", "models.inn: expected a mapping, got 1"),
        ("seeds=3", "--set seeds: runs can't be chosen by this key"),
        ("train_size", "--set train_size: expected KEY=VALUE"),
        ("data.train_size=[", "--set data.train_size=[: not valid YAML"),
    ],
)
def test_settings_that_no_run_has_are_refused(tried: Path, chosen: str, message: str) -> None:
    for command in ("compare", "claims", "report"):
        done = called(command, "-S", chosen, cwd=tried)
        assert (done.returncode, done.stdout, message in done.stderr) == (2, "", True), done.stderr


def test_of_several_experiments_those_without_the_settings_are_named(tried: Path) -> None:
    make_run(tried / "results", "cnn", 0, experiment="other")
    done = called("compare", "-S", "data.train_size=50", cwd=tried)
    assert (done.returncode, len(headings(done.stdout))) == (0, 1)
    assert "no run of other has these settings" in done.stderr


def test_what_is_set_of_one_model_is_compared_with_the_runs_of_the_others(tmp_path: Path) -> None:
    results, large = tmp_path / "results", {"architecture": "keras_io_inn", "kernel_size": 5}
    for seed in range(3):
        make_run(results, "cnn", seed)
        make_run(results, "inn", seed)
    make_run(results, "inn", 1, accuracy=0.6, architecture=large, ended=LATER)
    done = called("compare", cwd=tmp_path)
    assert headings(done.stdout) == [
        "digits: models.inn.kernel_size = 3 (6 runs)",
        "digits: models.inn.kernel_size = 5 (4 runs, the latest)",
    ]
    second = done.stdout.split("(4 runs")[1]
    assert "~ -13.2" in second  # 60.0 against the 73.2 of seed 1.
    chosen = called("compare", "-S", "models.inn.kernel_size=5", cwd=tmp_path)
    assert len(headings(chosen.stdout)) == 1
    assert "~ -13.2" in chosen.stdout


def test_a_swept_point_is_chosen_and_a_try_of_a_sweep_is_a_group(tmp_path: Path) -> None:
    results = tmp_path / "results"
    for size in (100, 1000):
        data: dict[str, Any] = {"data": {"dataset": "digits", "train_size": size}}
        for model in ("cnn", "inn"):
            make_run(results, model, 0, point={"data.train_size": size}, **data)
            make_run(results, model, 1, point={"data.train_size": size}, **data)
            epochs = {"training": {"epochs": 1}, "ended": LATER}
            make_run(results, model, 0, point={"data.train_size": size}, **data, **epochs)
    everything = called("compare", cwd=tmp_path).stdout
    assert headings(everything) == [
        "digits: training.epochs = 20 (8 runs)",
        "digits: training.epochs = 1 (4 runs, the latest)",
    ]
    chosen = called("compare", "-S", "data.train_size=100", cwd=tmp_path).stdout
    assert chosen.count("data.train_size = 100") == 2
    assert "data.train_size = 1000" not in chosen


def test_a_failed_run_that_saw_no_data_is_counted_with_the_others(tried: Path) -> None:
    make_run(tried / "results", "inn", 7, error="OSError: gone", fingerprint=None)
    done = called("compare", cwd=tried)
    assert headings(done.stdout) == [MAIN.replace("12", "13"), TRY]


def test_the_report_has_every_group_and_draws_the_first(tried: Path) -> None:
    done = called("report", cwd=tried)
    page = Page((tried / done.stdout.strip()).read_text())
    for place in ("answer", "comparison"):
        found = [each.text for each in page.by_id(place).all("h3") if each.text != "Claims"]
        assert found == [MAIN, TRY]
    assert "Holds here: big" in page.by_id("answer").text
    assert f"The charts below show {MAIN}." in page.by_id("comparison").text
    assert "cnn-seed0" in page.by_id("chart-seeds").text
    assert "20.00" not in page.by_id("chart-seeds").text
    called("report", "-S", "data.train_size=50", cwd=tried)
    chosen = Page((tried / done.stdout.strip()).read_text())
    assert "20.00" in chosen.by_id("chart-seeds").text


def on_backends(root: Path) -> list[str]:
    """The same trials on three backends, in a folder each, and `--results` of them."""
    options = []
    for gain, name in enumerate(("torch", "jax", "tensorflow")):
        versions = {key: value for key, value in VERSIONS.items() if key != "tensorflow"}
        for seed in range(2):
            for model in ("cnn", "inn"):
                accuracy = 0.5 + 0.01 * gain
                given = {"accuracy": accuracy, "versions": {**versions, name: "9.9"}}
                make_run(root / f"x-{name}", model, seed, **given)
        options += ["--results", f"x-{name}"]
    return options


def test_runs_of_one_id_on_several_backends_are_groups(tmp_path: Path) -> None:
    options = on_backends(tmp_path)
    done = called("compare", *options, cwd=tmp_path)
    assert sorted(headings(done.stdout)) == [
        "digits: backend = jax (4 runs)",
        "digits: backend = tensorflow (4 runs)",
        "digits: backend = torch (4 runs, the latest)",
    ]
    assert done.stderr == (
        "warning: digits: the same trials were run with several backends (jax 4, tensorflow 4, "
        "torch 4 runs); their results differ, so each backend has a comparison of its own\n"
    )
    assert [f"{50 + k}.00 ± 0.00" in done.stdout for k in range(3)] == [True] * 3
    chosen = called("compare", *options, "-S", "backend=jax", cwd=tmp_path)
    assert (chosen.stderr, "51.00 ± 0.00" in chosen.stdout) == ("", True)
    assert headings(chosen.stdout) == ["digits: backend = jax (4 runs)"]
    page = called("report", *options, "-o", "page.html", cwd=tmp_path)
    assert page.returncode == 0, page.stderr
    assert "12 runs: finished." in Page((tmp_path / "page.html").read_text()).root.text


def test_a_run_trained_again_elsewhere_is_named_and_a_copy_is_not(tmp_path: Path) -> None:
    for seed in range(2):
        make_run(tmp_path / "a", "cnn", seed)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    options = ["--results", "a", "--results", "b"]
    assert called("compare", *options, cwd=tmp_path).stderr == ""
    again = next(tmp_path.glob("b/digits/runs/cnn-seed1-*")) / "run.json"
    record = json.loads(again.read_text())
    again.write_text(json.dumps({**record, "started": "2026-03-03T03:03:03+00:00"}))
    done = called("compare", *options, cwd=tmp_path)
    assert done.stderr == (
        "warning: digits: 1 run was trained again in another results folder and left out, since "
        f"the same run is in one named before: {again.parent.relative_to(tmp_path)}\n"
    )


def test_against_takes_what_each_spec_states(tried: Path) -> None:
    done = called("compare", "--against", "results", cwd=tried)
    assert f"--against is about {TRY}" in done.stderr
    assert "digits: results: left out 6 runs of cnn with other settings" in done.stderr
    chosen = called("compare", "--against", "results", "-S", "data.train_size=null", cwd=tried)
    assert (chosen.stderr, "6/6" in chosen.stdout) == ("", True)
