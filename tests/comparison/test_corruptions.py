"""What was measured on changed test images, in `compare`, gates and claims, as any other metric."""

import json
from pathlib import Path

import pytest

from tests.cli import called
from tests.results.factory import make_run
from tests.spec.helpers import GOOD

NOISY = "test_accuracy@noise=0.1"
DROP = "accuracy_drop@noise=0.1"
CLAIMS = f"""\
claims:
  - {{says: robust, source: me, metric: {DROP}, greater: cnn, lesser: inn}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """cnn loses 30 points of its 73 to noise, inn 10 of its 47; six seeds."""
    for seed in range(6):
        for model, noisy in (("cnn", 0.43), ("inn", 0.37)):
            measured = {NOISY: noisy + 0.002 * seed + 0.0001 * (seed % 3)}
            evaluate = {"noise": [0.1]}
            make_run(tmp_path / "results", model, seed, measured=measured, evaluate=evaluate)
    text = GOOD.replace("quick", "digits") + "evaluate: {noise: [0.1]}\n" + CLAIMS
    (tmp_path / "results/digits/spec.yaml").write_text(text)
    return tmp_path


def test_compare_shows_it_with_its_unit(folder: Path) -> None:
    shown = called("compare", "-m", NOISY, "-m", DROP, cwd=folder).stdout
    text = " ".join(shown.split())
    assert "43.51" in text and "-30.0" not in text
    assert "inn's test accuracy at noise 0.1 is 6.0 points lower than cnn's" in text
    assert "inn's loss of accuracy at noise 0.1 is 20.0 points lower than cnn's" in text
    assert max(map(len, shown.splitlines())) <= 80


def test_every_number_is_in_the_json(folder: Path) -> None:
    (experiment,) = json.loads(called("compare", "--json", cwd=folder).stdout)["experiments"]
    for result in experiment["models"]:
        metrics = result["metrics"]
        seeds = (metrics[name]["by_seed"] for name in ("test_accuracy", NOISY, DROP))
        plain, noisy, drop = (list(values.values()) for values in seeds)
        assert drop == pytest.approx([a - b for a, b in zip(plain, noisy, strict=True)])


def test_what_is_kept_is_a_share_and_its_mean_is_over_the_severities(tmp_path: Path) -> None:
    measured = {NOISY: 0.42, "test_accuracy@noise=0.2": 0.21, "test_accuracy@image_size=24": 0.5}
    make_run(tmp_path / "results", "cnn", 0, measured=measured)
    (experiment,) = json.loads(called("compare", "--json", cwd=tmp_path).stdout)["experiments"]
    metrics = {k: v["mean"] for k, v in experiment["models"][0]["metrics"].items()}
    plain = metrics["test_accuracy"]
    kept = [metrics[f"accuracy_kept@noise={value}"] for value in (0.1, 0.2)]
    assert kept == pytest.approx([0.42 / plain, 0.21 / plain])
    assert metrics["noise_accuracy_kept"] == pytest.approx(0.315 / plain)
    assert metrics["accuracy_kept@image_size=24"] == pytest.approx(0.5 / plain)
    assert "image_size_accuracy_kept" not in metrics


@pytest.mark.parametrize(
    ("gate", "code"),
    [
        (f"inn.{NOISY} < 0.4", 3),
        (f"inn.{NOISY}<0.3", 0),
        (f"inn.{DROP} < cnn.{DROP}", 3),
        (f"inn.{NOISY} drops 0.1 from digits", 0),
        ("inn.test_accuracy@noise=0.2 < 0.4", 2),
        ("inn.test_accuracy@noise < 0.4", 2),
    ],
)
def test_gates_know_it(folder: Path, gate: str, code: int) -> None:
    done = called("compare", "--fail-if", gate, cwd=folder)
    assert done.returncode == code, done.stderr
    if "0.2" in gate:
        assert "add evaluate: {noise: [0.2]} to the spec to measure it" in done.stderr


def test_a_claim_is_held_against_it(folder: Path) -> None:
    listed = called("claims", cwd=folder).stdout
    assert listed.startswith("digits\nHolds here: robust (me): loss of accuracy at noise 0.1: cnn")


def test_one_that_no_run_has_gets_the_remedy(folder: Path) -> None:
    done = called("compare", "--metric", "test_loss@blur=2", cwd=folder)
    assert done.returncode == 2
    remedy = "no run has that metric; add evaluate: {blur: [2]} to the spec to measure it"
    assert remedy in done.stderr


def test_runs_without_it_are_others(folder: Path) -> None:
    make_run(folder / "results", "inn", 0, ended="2025-01-01T00:00:00+00:00")
    done = called("compare", cwd=folder)
    lines = [line for line in done.stdout.splitlines() if line.startswith("digits")]
    assert lines == [
        "digits: evaluate.noise = [0.1] (12 runs, the latest)",
        "digits: evaluate.noise = unset (1 run)",
    ]
