"""`--fail-if` through its front door."""

import json
from pathlib import Path

import pytest

from tests.cli import called
from tests.results.factory import make_experiment, make_run

NOTHING_MORE = "expected the end; repeat --fail-if for another gate"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """cnn, inn and control at 73, 47 and 42%, eight seeds, and inn four points worse before."""
    make_experiment(tmp_path / "results", seeds=8)
    for seed in range(8):
        noise = 0.03 * (-1) ** seed
        for name, accuracy in (("better", 0.51), ("like", 0.47 + noise)):
            make_run(tmp_path / "results", "inn", seed, experiment=name, accuracy=accuracy)
    return tmp_path


@pytest.mark.parametrize(
    ("gate", "code", "reason"),
    [
        ("inn.test_accuracy < 0.40", 0, "inn.test_accuracy is 0.477 (8 seeds)"),
        ("inn.test_accuracy < 0.5", 3, "inn.test_accuracy is 0.477 (8 seeds)"),
        ("inn.test_accuracy <= 1", 3, "inn.test_accuracy is 0.477 (8 seeds)"),
        ("inn.test_loss > 40", 0, "inn.test_loss is "),
        ("inn.trainable_parameters>=13074", 3, "is 13074 (8 seeds)"),
        (
            "inn.test_accuracy < cnn.test_accuracy",
            3,
            "beyond the gate by 0.26 on average (8 seeds)",
        ),
        ("inn.test_accuracy > cnn.test_accuracy", 0, "within the gate by 0.26"),
        ("inn.trainable_parameters >= cnn.trainable_parameters", 0, "within the gate by 306104"),
        ("inn.test_accuracy drops 0.02 from better", 3, "beyond the gate by 0.013 on average"),
        ("inn.test_accuracy drops 0.04 from better", 0, "within the gate by 0.007"),
        ("inn.test_accuracy rises 0.04 from better", 0, "within the gate by 0.073"),
        ("inn.test_accuracy rises 0 from like", 0, "on average (8 seeds), undecided"),
    ],
)
def test_a_gate_passes_or_fails_with_its_reason(
    results: Path, gate: str, code: int, reason: str
) -> None:
    done = called("compare", "digits", "--fail-if", gate, cwd=results)
    assert done.returncode == code
    assert f"gate {'failed' if code else 'passed'}: {gate}: digits: " in done.stderr
    assert reason in done.stderr
    assert done.stdout.startswith("digits\n")


def test_what_is_undecided_fails_only_when_strict(results: Path) -> None:
    gate = ["--fail-if", "inn.test_accuracy rises 0.0 from like"]
    assert called("compare", "digits", *gate, cwd=results).returncode == 0
    strict = called("compare", "digits", *gate, "--strict", cwd=results)
    assert (strict.returncode, "undecided" in strict.stderr) == (3, True)


@pytest.mark.parametrize(
    ("gate", "code", "strict", "reason"),
    [
        (
            "inn.test_accuracy < 0.4",
            0,
            3,
            "6 of 8 seeds), undecided, because the other seeds have no value",
        ),
        ("inn.test_accuracy < 0.5", 3, 3, "(6 of 8 seeds)"),
        ("cnn.generalization_gap > 0.9", 0, 0, "(8 seeds)"),
        (
            "inn.generalization_gap > 0.9",
            *(0, 3),
            "undecided, because 1 of 6 seeds of inn collapsed, and this metric favors",
        ),
    ],
)
def test_a_threshold_passes_in_doubt_where_seeds_have_no_value_or_a_flattering_one(
    results: Path, gate: str, code: int, strict: int, reason: str
) -> None:
    for path in (results / "results" / "digits" / "runs").glob("inn-seed[067]*/run.json"):
        record = json.loads(path.read_text())
        if "inn-seed0" in str(path):
            record["collapsed"] = True
        else:
            record |= {"status": "failed", "error": "ValueError: no memory"}
        path.write_text(json.dumps(record))
    for flags, wanted in (([], code), (["--strict"], strict)):
        done = called("compare", "digits", "--fail-if", gate, *flags, cwd=results)
        assert (done.returncode, reason in done.stderr) == (wanted, True), done.stderr


@pytest.mark.parametrize(("collapsed", "codes"), [(4, [0, 3]), (7, [3, 3])])
def test_a_model_that_begins_to_collapse_does_not_pass_its_reference(
    results: Path, collapsed: int, codes: list[int]
) -> None:
    for seed in range(collapsed):
        (path,) = results.glob(f"results/digits/runs/inn-seed{seed}-*/run.json")
        record = json.loads(path.read_text())
        record["collapsed"], record["metrics"]["test_accuracy"] = True, 0.1
        path.write_text(json.dumps(record))
    gate = ["--fail-if", "inn.test_accuracy drops 0.04 from better"]
    done = [called("compare", "digits", *gate, *flag, cwd=results) for flag in ([], ["--strict"])]
    assert [each.returncode for each in done] == codes
    assert all("beyond the gate by 0." in each.stderr for each in done)


def test_one_of_several_gates_is_enough(results: Path) -> None:
    gates = ["--fail-if", "inn.test_accuracy<0.1", "--fail-if", "cnn.test_accuracy > .1"]
    done = called("compare", "digits", *gates, "--json", "-o", "x.json", cwd=results)
    assert done.returncode == 3
    assert done.stderr.count("gate passed") == done.stderr.count("gate failed") == 1
    assert (results / "x.json").exists()


@pytest.mark.parametrize(
    ("gate", "message", "column"),
    [
        ("", "expected MODEL.METRIC, such as inn.test_accuracy", 1),
        ("inn < 0.4", "expected MODEL.METRIC, such as inn.test_accuracy", 0),
        ("inn.test_accuracy == 0.4", "expected one of <=, >=, <, >, drops, rises", 18),
        ("inn.test_accuracy", "expected one of <=, >=, <, >, drops, rises", 18),
        ("inn.test_accuracy < 40%", "expected a number or MODEL.METRIC", 20),
        ("inn.test_accuracy < 0.4 and 1", NOTHING_MORE, 24),
        ("a.b < c.d", "expected b, the metric of the left side", 6),
        ("inn.test_accuracy drops from x", "expected a number, such as 0.4", 24),
        ("inn.test_accuracy drops -1 from x", "expected a number that is not negative", 24),
        ("inn.test_accuracy drops 0.1 to x", "expected 'from' and an experiment", 28),
        ("inn.test_accuracy drops 0.1 from", "expected an experiment, by name or folder", 33),
        ("inn.test_accuracy < 40", "test_accuracy is a fraction, at most 1; write 0.4 for", 20),
        ("cnn.macro_f1 >= 1.5", "macro_f1 is a fraction, at most 1; write 0.015 for 1.5%", 16),
        (
            "inn.accuracy_drop@noise=0.1>5",
            "accuracy_drop@noise=0.1 is a fraction, at most 1",
            28,
        ),
        (
            "inn.test_accuracy drops 2 from x",
            "test_accuracy is a fraction, at most 1; write",
            24,
        ),
        ("inn.collapsed > 300", "collapsed is a fraction, at most 1", 16),
        ("__import__('os').system('x') < 1", "expected MODEL.METRIC", 0),
    ],
)
def test_a_gate_that_does_not_parse_gets_a_caret_under_the_place(
    results: Path, gate: str, message: str, column: int
) -> None:
    done = called("compare", "digits", "--fail-if", gate, cwd=results)
    assert (done.returncode, done.stdout) == (2, "")
    said, shown, caret = done.stderr.splitlines()
    assert said.startswith(f"error: --fail-if: {message}")
    assert shown == f"  {gate}"
    assert caret == f"  {' ' * column}^"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fail-if", "in.test_loss < 1"], "no experiment has a model 'in'; did you mean 'inn'?"),
        (["--fail-if", "inn.test_los < 1"], "has no inn.test_los; did you mean 'test_loss'?"),
        (["--fail-if", "inn.test_loss drops 1 from bettr"], "did you mean 'better'?"),
        (["--fail-if", "cnn.test_loss drops 1 from better"], "no experiment has a model 'cnn'"),
        (["--strict"], "--strict needs --fail-if"),
    ],
)
def test_a_gate_about_nothing_is_bad_usage(
    results: Path, arguments: list[str], message: str
) -> None:
    done = called("compare", "digits", *arguments, cwd=results)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize(
    ("gate", "code", "reason"),
    [
        (
            "inn.epochs_to@val_accuracy=0.3 > 1000",
            3,
            "has no value: 2 of 8 seeds of inn never reached the accuracy",
        ),
        (
            "inn.epochs_to@val_accuracy=0.3 < 1000",
            0,
            "has no value: 2 of 8 seeds of inn never reached the accuracy",
        ),
        ("cnn.epochs_to@val_accuracy=0.3 > 1000", 0, "cnn.epochs_to@val_accuracy=0.3 is "),
        (
            "cnn.epochs_to@val_accuracy=0.3 < inn.epochs_to@val_accuracy=0.3",
            0,
            "undecided, because in digits, 2 of 8 seeds of inn never reached the accuracy",
        ),
        (
            "inn.seconds_to@val_accuracy=0.6 rises 0 from quick",
            0,
            "undecided, because 8 seeds of inn never reached the accuracy",
        ),
        (
            "cnn.seconds_to@val_accuracy=0.3 rises 0 from slow",
            0,
            "undecided, because in slow, 8 seeds of cnn never reached the accuracy",
        ),
    ],
)
def test_what_was_never_reached_is_over_any_limit_and_decides_nothing_else(
    tmp_path: Path, gate: str, code: int, reason: str
) -> None:
    for seed in range(8):
        make_run(tmp_path / "results", "cnn", seed)
        make_run(tmp_path / "results", "inn", seed, accuracy=0.2 if seed < 2 else 0.45)
        make_run(tmp_path / "results", "inn", seed, experiment="quick", accuracy=0.7)
        make_run(tmp_path / "results", "cnn", seed, experiment="slow", accuracy=0.2)
    done = called("compare", "digits", "--fail-if", gate, cwd=tmp_path)
    assert (done.returncode, reason in done.stderr) == (code, True), done.stderr
    if "undecided" in reason:
        assert (
            called("compare", "digits", "--fail-if", gate, "--strict", cwd=tmp_path).returncode == 3
        )


def test_a_gate_of_which_nothing_can_be_said_does_not_hide_another(results: Path) -> None:
    gates = ("inn.test_accuracy < 0.5", "inn.test_los < 1", "cnn.test_accuracy < 0.5")
    options = [part for gate in gates for part in ("--fail-if", gate)]
    done = called("compare", "digits", *options, cwd=results)
    assert done.returncode == 2
    assert "gate failed: inn.test_accuracy < 0.5" in done.stderr
    assert "gate passed: cnn.test_accuracy < 0.5" in done.stderr
    assert "has no inn.test_los" in done.stderr


def test_models_that_saw_other_images_are_not_held_against_each_other(tmp_path: Path) -> None:
    for seed in range(6):
        make_run(tmp_path / "results", "cnn", seed)
        make_run(tmp_path / "results", "inn", seed, fingerprint="cd" * 32)
    for gate in ("inn.test_accuracy < cnn.test_accuracy", "inn.test_accuracy >= cnn.test_accuracy"):
        done = called("compare", "digits", "--fail-if", gate, cwd=tmp_path)
        assert done.returncode == 2
        assert f"--fail-if {gate}: inn and cnn have different images" in done.stderr


def test_a_reference_that_was_made_otherwise_is_named(results: Path) -> None:
    for seed in range(8):
        training = {"epochs": 5, "batch_size": 32}
        make_run(results / "results", "inn", seed, experiment="short", training=training)
    gate = "inn.test_accuracy drops 0.02 from short"
    done = called("compare", "digits", "--fail-if", gate, cwd=results)
    assert done.returncode == 0
    assert (
        "the settings differ from short: training.epochs 20, not 5; training.batch_size"
        in done.stderr
    )


def test_a_swept_model_is_held_against_the_one_beside_it(tmp_path: Path) -> None:
    for size, gain in ((500, 0.1), (5000, -0.1)):
        for seed in range(6):
            point = {"data.train_size": size}
            data = {"dataset": "digits", "train_size": size}
            make_run(tmp_path / "results", "cnn", seed, accuracy=0.5, data=data, point=point)
            for kernel in (3, 5):
                make_run(
                    *(tmp_path / "results", "inn", seed),
                    accuracy=0.5 + gain,
                    data=data,
                    architecture={"architecture": "keras_io_inn", "kernel_size": kernel},
                    point={**point, "models.inn.kernel_size": kernel},
                )
    gate = "inn.test_accuracy < cnn.test_accuracy"
    done = called("compare", "digits", "--fail-if", gate, cwd=tmp_path)
    assert done.returncode == 3
    said = [line for line in done.stderr.splitlines() if line.startswith("gate ")]
    assert [line.split()[1] for line in said] == ["passed:"] * 2 + ["failed:"] * 2
    assert len(set(said)) == 4
    make_run(tmp_path / "results", "inn", 0, experiment="one")
    for reference in ("one", "digits"):
        moved = f"inn.test_accuracy drops 0 from {reference}"
        done = called("compare", "digits", "--fail-if", moved, cwd=tmp_path)
        assert (done.returncode == 2) == (reference == "one"), done.stderr
    assert (
        "no results of inn to compare inn at data.train_size = 500, models.inn.kernel_size = 3 with"
        in called(
            "compare", "digits", "--fail-if", "inn.test_accuracy drops 0 from one", cwd=tmp_path
        ).stderr
    )
