"""Budgets: the width that gives a model the size of another."""

import json

import pytest

from involbench.errors import SettingError
from involbench.training.match_width import nearest_width
from tests.cli import called

SPEC = """\
name: budgets
data: {dataset: digits, train_size: 100, validation: test}
models:
  cnn: {architecture: plain, widths: [16, 32]}
  inn:
    architecture: plain
    operator: {name: involution, groups: 2}
    widths: [32, 64]
    match: {MATCH: cnn}
training: {epochs: 1, batch_size: 50}
seeds: 2
"""


@pytest.mark.parametrize("step", [1, 2, 16])
@pytest.mark.parametrize("budget", [1, 90, 1000, 1001, 70_000])
def test_the_nearest_width_is_found(step, budget):
    asked = []

    def size(width):
        asked.append(width)
        if width % step or width < 4:
            raise SettingError("models.m", "cannot be built")
        return 3 * width**2 + width

    widths = [width for width in range(4, 400) if width % step == 0]
    best = min(widths, key=lambda width: abs(size(width) - budget))
    asked.clear()
    width, count = nearest_width(size, budget)
    assert (width, count) == (best, size(best))
    assert len(asked) < 80


def test_widths_that_are_few_and_far_between_are_found():
    def size(width):
        if width not in (16, 500, 512, 3000):
            raise SettingError("models.m", "cannot be built")
        return width**2

    for budget, expected in ((1, 16), (500**2 + 1, 500), (511**2, 512), (10**9, 512)):
        assert nearest_width(size, budget)[0] == expected


def test_what_can_never_be_built_says_why():
    def size(width):
        raise SettingError("models.m", f"width {width} does not fit")

    with pytest.raises(
        SettingError, match="width 256 does not fit; no smaller width can be built either"
    ):
        nearest_width(size, 100)


@pytest.mark.parametrize("what", ["parameters", "macs"])
@pytest.mark.usefixtures("here")
def test_params_shows_the_matched_width(what, tmp_path):
    (tmp_path / "spec.yaml").write_text(SPEC.replace("MATCH", what))
    done = called("params", "spec.yaml", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    key = "trainable" if what == "parameters" else "macs"
    cnn, inn = counts["cnn"][key], counts["inn"][key]
    assert abs(inn / cnn - 1) < 0.02
    assert f"{inn:,}" in done.stderr and f"{cnn:,}" in done.stderr
    assert "inn: width " in done.stderr


@pytest.mark.parametrize(
    ("match", "roles"),
    [
        ("parameters: cnn, of: body", ("operator", "other")),
        ("macs: cnn, of: operator", ["operator"]),
    ],
)
@pytest.mark.usefixtures("here")
def test_what_is_matched_can_leave_the_head_out(match, roles, tmp_path):
    (tmp_path / "spec.yaml").write_text(SPEC.replace("MATCH: cnn", f"{match}, tolerance: 0.1"))
    done = called("params", "spec.yaml", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    key = "macs_by_role" if "macs" in match else "by_role"
    sums = {
        model: sum(counted[key][role] for role in roles)
        for model, counted in json.loads(done.stdout).items()
    }
    assert sums["cnn"] > 0
    assert abs(sums["inn"] / sums["cnn"] - 1) < 0.1
    assert f"{sums['inn']:,} " in done.stderr and f"from the {sums['cnn']:,} of cnn" in done.stderr


@pytest.mark.parametrize(
    ("match", "message"),
    [
        ("parameters: cnn, tolerance: 0.0001", "no width is within 0.01% of cnn; the nearest: inn"),
        ("macs: none, of: operator", "models.inn.match: none has no MACs in its operators"),
        ("macs: cnn, of: head", "models.inn.match.of: unknown 'head'; expected one of all, body,"),
        (
            "macs: cnn, tolerance: 2",
            "models.inn.match.tolerance: expected a number below 1.0, got 2",
        ),
        ("of: body", "models.inn.match: expected one key, parameters or macs"),
    ],
)
@pytest.mark.usefixtures("here")
def test_what_can_not_be_matched_says_why(match, message, tmp_path):
    none = "models:\n  none: {architecture: plain, operator: none, widths: [4]}\n"
    text = SPEC.replace("MATCH: cnn", match).replace("models:\n", none)
    (tmp_path / "spec.yaml").write_text(text)
    done = called("params", "spec.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.usefixtures("here", "eager")
@pytest.mark.thorough
def test_bench_model_times_the_matched_width(tmp_path):
    (tmp_path / "spec.yaml").write_text(SPEC.replace("MATCH", "parameters"))
    few = ("--batch", 1, "--step-batch", 2, "--repeats", 2)
    done = called("bench", "model", "spec.yaml", *few, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    cnn, inn = (model["sizes"]["parameters"] for model in json.loads(done.stdout)["models"])
    assert abs(inn / cnn - 1) < 0.02


@pytest.mark.usefixtures("here", "eager", "undrawn")
def test_run_trains_at_the_matched_width_and_records_it(tmp_path):
    (tmp_path / "spec.yaml").write_text(SPEC.replace("MATCH", "parameters"))
    done = called("run", "spec.yaml", "--seeds", 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("inn: width ") == 1
    (run,) = (tmp_path / "results" / "budgets" / "runs").glob("inn-*")
    architecture = json.loads((run / "run.json").read_text())["trial"]["architecture"]
    parameters = json.loads((run / "parameters.json").read_text())
    assert architecture["match"] is None
    assert f"width {architecture['widths'][0]} has {parameters['trainable']:,}" in done.stderr
    again = called("run", "spec.yaml", "-n", cwd=tmp_path)
    assert (again.stdout.count("finished"), again.stdout.count("to run")) == (2, 2)


@pytest.mark.usefixtures("here")
def test_an_impossible_budget_is_refused_with_the_nearest(tmp_path):
    text = SPEC.replace("MATCH", "parameters").replace("groups: 2", "group_channels: 64")
    (tmp_path / "spec.yaml").write_text(text)
    for command in ("params", "run"):
        done = called(command, "spec.yaml", cwd=tmp_path)
        assert done.returncode == 2
        assert "models.inn.match: no width is within 2% of cnn; the nearest" in done.stderr
        assert "inn: width 64 has" in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


def test_a_swept_reference_is_refused(tmp_path):
    text = SPEC.replace("MATCH", "macs") + "sweep: {models.cnn.kernel_size: [3, 5]}\n"
    (tmp_path / "spec.yaml").write_text(text)
    done = called("params", "spec.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "cnn is swept, so it has several sizes" in done.stderr
