"""What a valid spec means."""

from pathlib import Path
from typing import Any

import pytest

from involbench.errors import SpecError
from involbench.results.paths import ResultsPath
from involbench.results.tree import read_spec_summary
from involbench.spec.load import load_spec
from tests.spec.helpers import GOOD, complaint, written

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def loaded(folder: Path, *overrides: str, text: str = GOOD) -> Any:
    return load_spec(written(folder, text), overrides).spec


def test_silence_means_the_defaults(tmp_path: Path) -> None:
    spec = loaded(tmp_path)
    assert (spec.seeds, spec.baseline, spec.sweep) == ((0,), "cnn", {})
    assert (spec.training.batch_size, spec.training.precision) == (256, "float32")
    assert (spec.training.optimizer.name, spec.training.optimizer.arguments) == ("adam", {})
    assert (spec.data.validation, spec.data.augmentation, spec.data.path) == (0.1, (), None)


def test_an_empty_optional_key_means_its_default(tmp_path: Path) -> None:
    text = GOOD.replace("digits", "digits\n  path:\n  train_size:\n  image_size:") + "baseline:\n"
    spec = loaded(tmp_path, text=text)
    assert (spec.data.path, spec.data.train_size, spec.data.image_size) == (None, None, None)
    assert spec.baseline == "cnn"


def test_the_source_is_kept_with_what_was_set_in_it(tmp_path: Path) -> None:
    text = "# why\n" + GOOD
    path = written(tmp_path, text)
    result = load_spec(path, ["training.epochs=7"])
    assert (result.source, result.path) == (text.replace("epochs: 2", "epochs: 7"), str(path))
    assert load_spec(path).source == text
    assert result.spec.training.epochs == 7


@pytest.mark.parametrize(
    ("override", "seeds"),
    [("seeds=3", (0, 1, 2)), ("seeds=[7, 2]", (7, 2)), ("seeds=1", (0,))],
)
def test_seeds_are_a_number_or_a_list(
    tmp_path: Path, override: str, seeds: tuple[int, ...]
) -> None:
    assert loaded(tmp_path, override).seeds == seeds


def test_lists_become_tuples(tmp_path: Path) -> None:
    spec = loaded(
        tmp_path,
        "data={dataset: folder, path: ~/images, image_size: [32, 48], augmentation: [flip]}",
    )
    assert spec.data.image_size == (32, 48)
    assert spec.data.augmentation == ("flip",)
    assert spec.data.path == "~/images"


def test_an_optimizer_takes_its_arguments(tmp_path: Path) -> None:
    optimizer = "training.optimizer={name: sgd, learning_rate: 1, momentum: 9e-1, nesterov: true}"
    spec = loaded(tmp_path, optimizer)
    assert spec.training.optimizer.arguments == {
        "learning_rate": 1.0,
        "momentum": 0.9,
        "nesterov": True,
    }
    assert isinstance(spec.training.optimizer.arguments["learning_rate"], float)


def test_a_schedule_may_be_its_name_alone(tmp_path: Path) -> None:
    assert loaded(tmp_path).training.learning_rate_schedule is None
    name, key = "training.learning_rate_schedule=cosine", "training.learning_rate_schedule"
    schedule = loaded(tmp_path, name, f"{key}.warmup_epochs=1").training.learning_rate_schedule
    assert schedule.model_dump() == {"name": "cosine", "alpha": 0, "warmup_epochs": 1}


def test_overrides_reach_every_depth_and_the_last_wins(tmp_path: Path) -> None:
    spec = loaded(
        tmp_path,
        "training.epochs=3",
        "training.epochs=4",
        "training.optimizer=sgd",
        "training.optimizer.learning_rate=1e-2",
        "models.control.architecture=keras_io_control",
        "models.inn.kernel_size=5",
        "baseline=inn",
    )
    assert spec.training.epochs == 4
    assert spec.training.optimizer.name == "sgd"
    assert spec.training.optimizer.arguments == {"learning_rate": 0.01}
    assert list(spec.models) == ["cnn", "inn", "control"]
    assert spec.models["inn"].arguments == {"kernel_size": 5, "reduction_ratio": 2}
    assert spec.baseline == "inn"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epochs=-1", "expected a number above 0, got -1"),
        ("training.epochs=.inf", "expected a finite number, got .inf"),
        ("training.epoch=1", "unknown key; did you mean 'epochs'?"),
        ("models.inn.kernel_size=2", "expected an odd number, got 2"),
        ("models={}", "empty; expected at least 1 entry"),
        ("data.augmentation=[flip, x]", "data.augmentation[1]: unknown 'x'; expected one of "),
        ("foo", "expected KEY=VALUE, such as training.epochs=2"),
        ("=3", "expected KEY=VALUE, such as training.epochs=2"),
        ("training..epochs=3", "'training..epochs' is not a key path such as training.epochs"),
        ("training.=3", "'training.' is not a key path such as training.epochs"),
        ("name.x=3", "name is the text 'quick', which has no keys"),
        ("seeds=[1", "not valid YAML: expected ',' or ']'"),
    ],
)
def test_a_wrong_override_is_named_and_not_the_file(
    tmp_path: Path, override: str, message: str
) -> None:
    lines = complaint(tmp_path, GOOD, override).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"--set {override}: {message}")


def test_problems_of_the_file_and_of_overrides_come_together(tmp_path: Path) -> None:
    text = GOOD.replace("epochs: 2", "epochs: 0")
    message = complaint(tmp_path, text, "seeds=-1", "oops")
    assert [line.split(": ")[0] for line in message.splitlines() if line[0] != " "] == [
        "x.yaml:8:11",
        "--set oops",
        "--set seeds=-1",
    ]


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("photos #2", "photos #2"),
        ("#x", "#x"),
        (" a b ", "a b"),
        ("a: b", "a: b"),
        ("- a", "- a"),
        ("'a #2'", "a #2"),
        ('"null"', "null"),
    ],
)
def test_the_value_of_an_override_is_read_to_its_end(tmp_path: Path, value: str, path: str) -> None:
    assert loaded(tmp_path, "data.dataset=folder", f"data.path={value}").data.path == path


@pytest.mark.parametrize("value", ["[1, 2] # two", "'x' y", "{a: 1} #"])
def test_nothing_may_follow_the_value_of_an_override(tmp_path: Path, value: str) -> None:
    (line,) = complaint(tmp_path, GOOD, f"seeds={value}").splitlines()
    assert line.startswith(f"--set seeds={value}: ")
    assert "expected nothing after the value" in line or "not valid YAML" in line


@pytest.mark.parametrize("null", ["null", "", "~"])
def test_null_takes_a_section_away(tmp_path: Path, null: str) -> None:
    claim = "{says: x, source: y, metric: test_loss, greater: cnn, lesser: inn}"
    text = (
        f"{GOOD}  optimizer: {{name: sgd, momentum: 0.9}}\nevaluate: {{noise: [0.1]}}\n"
        f"resources: {{cpus: 2}}\nclaims: [{claim}]\nsweep: {{training.epochs: [1, 2]}}\n"
    )
    sections = ("training.optimizer", "evaluate", "resources", "claims", "sweep")
    plain = loaded(tmp_path, text=GOOD)
    assert loaded(tmp_path, text=text) != plain
    assert loaded(tmp_path, *(f"{key}={null}" for key in sections), text=text) == plain
    assert loaded(tmp_path, f"training={null}").training.epochs == 20


def test_an_override_mends_what_is_wrong_in_the_file(tmp_path: Path) -> None:
    text = GOOD.replace("epochs: 2", "epochs: 0")
    assert loaded(tmp_path, "training.epochs=5", text=text).training.epochs == 5


def test_cifar10_runs_on_a_folder_with_two_overrides() -> None:
    spec = load_spec(EXPERIMENTS / "cifar10.yaml", ["data.dataset=folder", "data.path=images"]).spec
    assert (spec.data.dataset, spec.data.path) == ("folder", "images")


def test_the_built_in_spec_is_the_one_among_the_experiments() -> None:
    built_in = load_spec(None)
    assert built_in.path == "built-in digits"
    assert built_in.spec.name == "digits"
    assert built_in.source == (EXPERIMENTS / "digits.yaml").read_text(encoding="utf-8")


def test_a_shipped_experiment_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smoke").mkdir()
    assert load_spec(Path("smoke")).spec.name == "smoke"
    with pytest.raises(SpecError, match=r"^smokes: no such file; did you mean smoke\?$"):
        load_spec(Path("smokes"))
    with pytest.raises(SpecError, match=r"^folder/smoke: no such file; check the path$"):
        load_spec(Path("folder/smoke"))
    (tmp_path / "cifar10").write_text(GOOD)
    assert load_spec(Path("cifar10")).source == GOOD


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_experiment_opens_with_its_question_cost_and_command(path: Path) -> None:
    result = load_spec(path)
    head = result.source.partition("spec_version")[0]
    assert "?" in head
    assert "\n# Cost: " in head
    assert "\n# Run:  involbench run" in head
    assert result.spec.name == path.stem


def test_an_operator_is_a_name_or_takes_its_arguments(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace("keras_io_cnn", "plain"))
    assert load_spec(path).spec.models["cnn"].arguments["operator"] == "convolution"
    overrides = ["models.cnn.operator=involution", "models.cnn.operator.epsilon=1"]
    operator = load_spec(path, overrides).spec.models["cnn"].arguments["operator"]
    assert operator == {"name": "involution", "epsilon": 1.0}
    spelled_out = load_spec(path, ["models.cnn.operator={name: convolution}"]).spec
    assert spelled_out == load_spec(path).spec


def test_a_spec_in_results_states_its_validation(tmp_path: Path) -> None:
    """Without it, the results are of an earlier version, in which it was the test images."""
    silent = load_spec(written(tmp_path, GOOD))
    assert silent.source_for_results == GOOD.replace(
        "dataset: digits\n", "dataset: digits\n  validation: 0.1\n"
    )
    for stated in ("test", "0.2"):
        loaded = load_spec(written(tmp_path, GOOD), [f"data.validation={stated}"])
        assert loaded.source_for_results == loaded.source
    (tmp_path / "spec.yaml").write_text(GOOD)
    assert read_spec_summary(ResultsPath(tmp_path)).values["data"]["validation"] == "test"
    (tmp_path / "spec.yaml").write_text(silent.source_for_results)
    assert read_spec_summary(ResultsPath(tmp_path)).values["data"]["validation"] == 0.1
