"""`involbench validate`, `schema` and `init`, as a user runs them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from involbench.spec.load import load_spec
from tests.cli import EXPERIMENTS, called, involbench
from tests.spec.helpers import GOOD


def test_validate_counts_the_trials(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text(GOOD + "seeds: 3\nsweep: {models.inn.kernel_size: [3, 5]}\n")
    done = called("validate", "a.yaml", "b.yaml", cwd=tmp_path)
    few = "of each model: too few for a verdict, which needs at least 4\n"
    assert (done.returncode, done.stderr) == (0, f"1 seed {few}3 seeds {few}")
    assert done.stdout.splitlines() == [
        "a.yaml: ok, 2 trials (2 models, 1 seed)",
        "b.yaml: ok, 9 trials (2 models, 3 seeds, 2 points of the sweep)",
    ]


def test_validate_names_a_claim_that_could_never_be_judged(tmp_path: Path) -> None:
    claim = "{says: x, source: y, metric: test_acuracy, greater: cnn, lesser: inn}"
    (tmp_path / "a.yaml").write_text(f"{GOOD}claims: [{claim}]\n")
    done = called("validate", "a.yaml", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr.splitlines()[1:] == [
        "warning: claims[0].metric: no run measures test_acuracy; did you mean 'test_accuracy'?"
    ]


def test_validate_warns_of_an_interaction_that_is_not_tested(tmp_path: Path) -> None:
    claim = "{says: x, source: ours, metric: latency, greater: cnn, lesser: inn, interaction: ["
    points = "{data.train_size: 500}, {data.train_size: 900}]}"
    sweep = "sweep: {data.train_size: [500, 900]}\n"
    (tmp_path / "a.yaml").write_text(f"{GOOD}{sweep}claims: [{claim}{points}]\n")
    done = called("validate", "a.yaml", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr.splitlines()[1:] == [
        "warning: claims[0].metric: an interaction is tested for what is learned, not for times, "
        "sizes and collapses"
    ]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ("source: ours, ", "claims[0].source: missing; name who says it"),
        (", {data.train_size: 900}", "claims[0].interaction: expected two points of the sweep, "),
    ],
)
def test_a_claim_without_a_source_or_of_one_point_is_refused(
    tmp_path: Path, changed: str, message: str
) -> None:
    claim = (
        "{says: x, source: ours, metric: test_loss, greater: cnn, lesser: inn, "
        "interaction: [{data.train_size: 500}, {data.train_size: 900}]}"
    )
    sweep = "sweep: {data.train_size: [500, 900]}\n"
    for text, code in ((claim, 0), (claim.replace(changed, ""), 2)):
        (tmp_path / "a.yaml").write_text(f"{GOOD}{sweep}claims: [{text}]\n")
        done = called("validate", "a.yaml", cwd=tmp_path)
        assert done.returncode == code
        assert done.stderr.count("a.yaml:") == (1 if code else 0)
        assert (message in done.stderr) == bool(code)


def test_validate_says_which_differences_the_seeds_can_find(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD + "sweep: {models.inn.kernel_size: [3, 5, 7]}\n")
    for seeds, said in (
        (
            6,
            "find a difference of 1.8 standard deviations four times in five; as one of 3 "
            "comparisons, 2.2 standard deviations",
        ),
        (
            4,
            "find a difference of 2.7 standard deviations four times in five; as one of 3 "
            "comparisons, they cannot give a verdict",
        ),
        (3, "too few for a verdict, which needs at least 4"),
    ):
        done = called("validate", "a.yaml", "-S", f"seeds={seeds}", cwd=tmp_path)
        assert f"{seeds} seeds of each model" in done.stderr
        assert said in done.stderr


def test_what_the_seeds_can_find_is_about_one_table(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD + "sweep: {training.batch_size: [10, 20, 30]}\n")
    done = called("validate", "a.yaml", "-S", "seeds=6", cwd=tmp_path)
    assert "standard deviations four times in five\n" in done.stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("margin: 0", "margin: expected a number above 0.0, got 0"),
        ("margin: 2", "margin: expected a number below 1.0, got 2"),
        ("margin: 2 points", "margin: expected a number"),
        ("primary: innn", "primary: 'innn' is not one of the models; did you mean 'inn'?"),
        ("primary: cnn", "primary: 'cnn' is the baseline, which is not compared with itself"),
    ],
)
def test_a_wrong_margin_or_primary_is_one_line(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "a.yaml").write_text(f"{GOOD}{line}\n")
    done = called("validate", "a.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr


def test_validate_accepts_the_experiments() -> None:
    paths = sorted(path.name for path in EXPERIMENTS.glob("*.yaml"))
    done = called("validate", *paths, "-S", "training.epochs=1", cwd=EXPERIMENTS)
    assert done.returncode == 0
    assert [line.partition(": ok, ")[0] for line in done.stdout.splitlines()] == paths


def test_validate_reports_every_problem_of_every_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text(GOOD.replace("epochs: 2", "epoch: -1\n  epochs: x"))
    done = called("validate", "b.yaml", "a.yaml", "a.yml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout.splitlines() == ["a.yaml: ok, 2 trials (2 models, 1 seed)"]
    for expected in (
        "b.yaml:8:3: training.epoch: unknown key; did you mean 'epochs'?\n  8 |   epoch: -1\n",
        "b.yaml:9:11: training.epochs: expected a whole number, got the text 'x'\n",
        "a.yml: no such file; did you mean a.yaml?\n",
    ):
        assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_override_is_said_once(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(GOOD)
    done = called("validate", "a.yaml", "b.yaml", "-S", "foo", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("--set foo: expected KEY=VALUE") == 1


def test_validate_needs_a_file(tmp_path: Path) -> None:
    done = called("validate", cwd=tmp_path)
    assert done.returncode == 2
    assert "missing argument" in done.stderr


def test_schema_prints_and_writes_the_same(tmp_path: Path) -> None:
    printed = called("schema", cwd=tmp_path)
    written = called("schema", "-o", "schema.json", cwd=tmp_path)
    assert (printed.returncode, written.returncode, written.stdout) == (0, 0, "")
    assert (tmp_path / "schema.json").read_text(encoding="utf-8") == printed.stdout
    assert json.loads(printed.stdout)["title"] == "involbench experiment"


@pytest.mark.parametrize("name", ["experiment", "my-test_2", "1e5", "007", "true", "null"])
def test_init_writes_a_spec_that_is_valid(tmp_path: Path, name: str) -> None:
    done = called("init", *([] if name == "experiment" else [name]), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.yaml"]
    checked = called("validate", f"{name}.yaml", cwd=tmp_path)
    assert checked.stdout == f"{name}.yaml: ok, 18 trials (3 models, 6 seeds)\n"


def test_init_copies_a_shipped_experiment(tmp_path: Path) -> None:
    assert called("init", "--from", "robustness", cwd=tmp_path).returncode == 0
    shipped = (EXPERIMENTS / "robustness.yaml").read_text(encoding="utf-8")
    copied = (tmp_path / "robustness.yaml").read_text(encoding="utf-8")
    assert copied == shipped.replace("run robustness", "run robustness.yaml")
    assert called("init", "mine", "--from", "robustness", cwd=tmp_path).returncode == 0
    assert (
        load_spec(tmp_path / "mine.yaml").spec
        == load_spec(tmp_path / "robustness.yaml", ["name=mine"]).spec
    )
    done = called("init", "--from", "robustnes", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        2, "error: --from robustnes: no such experiment; did you mean 'robustness'?\n",
    )  # fmt: skip


def test_init_overwrites_only_when_forced(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("precious\n")
    done = called("init", "mine", cwd=tmp_path)
    assert done.returncode == 2
    assert "mine.yaml: exists already; --force overwrites it" in done.stderr
    assert mine.read_text() == "precious\n"
    assert called("init", "mine", "--force", cwd=tmp_path).returncode == 0
    assert "name: mine " in mine.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a/b",), "'a/b' cannot name an experiment: expected at most 64 of a-z"),
        (("../x",), "'../x' cannot name an experiment"),
        (("x", "-o", "nowhere/x.yaml"), "nowhere/x.yaml: expected the name of a file in a folder"),
        (("x", "-o", ".", "--force"), ".: expected the name of a file in a folder that exists"),
    ],
)
def test_init_refuses_what_it_cannot_write(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = called("init", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_init_writes_a_plugin_that_works(tmp_path: Path) -> None:
    done = called("init", "--plugin", "my-ops", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert sorted(written) == ["my-ops.yaml", "my_ops.py", "test_my_ops.py"]
    left = re.compile("FILE|HERE|NAME|SPEC|THIS")
    assert not any(map(left.search, written.values()))
    plugin = ("--plugin", "my_ops.py")
    checked = involbench("validate", "my-ops.yaml", *plugin, cwd=tmp_path)
    assert checked.stdout == "my-ops.yaml: ok, 24 trials (4 models, 6 seeds)\n"
    refused = involbench("validate", "my-ops.yaml", cwd=tmp_path)
    assert (refused.returncode, "add --plugin my_ops.py" in refused.stderr) == (2, True)
    for name in written:
        again = called("init", "--plugin", "my-ops", cwd=tmp_path)
        assert (again.returncode, "exists already" in again.stderr) == (2, True)
        (tmp_path / name).unlink()


@pytest.mark.thorough
def test_the_test_of_the_plugin_passes(tmp_path: Path) -> None:
    assert called("init", "--plugin", cwd=tmp_path).returncode == 0
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, "test_my_operator.py"], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stdout.decode()
