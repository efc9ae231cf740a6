"""The trials of a spec, their order and their ids."""

import json
from pathlib import Path

import pytest

from involbench.errors import SpecError
from involbench.spec.load import expand, load_spec
from involbench.spec.trial import Trial
from tests.spec.helpers import GOOD, complaint, heads, written

FINGERPRINT = "0" * 64


def trials(folder: Path, *overrides: str) -> list[Trial]:
    return expand(load_spec(written(folder, GOOD), overrides))


def ids(folder: Path, *overrides: str) -> list[str]:
    return [trial.run_id(FINGERPRINT) for trial in trials(folder, *overrides)]


def test_trials_come_seed_by_seed(tmp_path: Path) -> None:
    order = [(trial.seed, trial.model) for trial in trials(tmp_path, "seeds=[4, 1]")]
    assert order == [(4, "cnn"), (4, "inn"), (1, "cnn"), (1, "inn")]


def test_ids_never_change(tmp_path: Path) -> None:
    # A change here makes every run ever made start anew: raise RESULT_VERSION if it is meant.
    on_test = ["cnn-seed0-847e13e5", "inn-seed0-a334cb59"]
    assert ids(tmp_path, "data.validation=test") == on_test
    stated = ids(tmp_path, "data.validation=0.1")
    assert ids(tmp_path) == stated == ["cnn-seed0-b00428a4", "inn-seed0-a1ea29e8"]
    rich = ("training.optimizer={name: sgd, learning_rate: 1}", "data.augmentation=[flip]")
    assert ids(tmp_path, *rich, "data.validation=test")[0] == "cnn-seed0-b21ab526"


def test_what_says_the_same_has_the_same_id(tmp_path: Path) -> None:
    plain = ids(tmp_path)
    assert ids(tmp_path, "training.optimizer={name: adam}", "training.batch_size=256") == plain
    assert ids(tmp_path, "models.inn.kernel_size=3", "data.validation=0.1") == plain
    assert ids(tmp_path, "name=other", "baseline=inn") == plain
    assert ids(tmp_path, "training.distribution=auto", "training.checkpoint_every=5") == plain
    one, other = (ids(tmp_path, f"training.optimizer.learning_rate={x}") for x in ("1", "1.0"))
    assert one == other
    assert ids(tmp_path, "training.learning_rate_schedule=", "training.label_smoothing=0") == plain
    given = ("cosine", "{name: cosine, alpha: 0}", "{name: cosine, warmup_epochs: 0.0}")
    assert len({ids(tmp_path, f"training.learning_rate_schedule={x}")[0] for x in given}) == 1
    assert ids(tmp_path, "evaluate={}", "evaluate.blur=[]") == plain
    one, other = (ids(tmp_path, f"evaluate.blur={x}") for x in ("[1, 2]", "[2.0, 1.0]"))
    assert one == other != plain


@pytest.mark.parametrize(
    "override",
    [
        "evaluate.noise=[0.1]",
        "training.epochs=3",
        "training.optimizer=sgd",
        "training.learning_rate_schedule=cosine",
        "training.label_smoothing=0.1",
        "training.precision=mixed_bfloat16",
        "data.train_size=100",
        "data.validation=0.2",
        "data.validation=test",
        "models.inn.kernel_size=5",
        "seeds=[1]",
    ],
)
def test_what_decides_the_result_changes_the_id(tmp_path: Path, override: str) -> None:
    assert ids(tmp_path, override)[1] != ids(tmp_path)[1]


def test_a_trial_survives_json(tmp_path: Path) -> None:
    for trial in trials(tmp_path, "data.augmentation=[flip]", "training.optimizer.learning_rate=1"):
        assert Trial.model_validate_json(trial.model_dump_json()) == trial
        assert Trial.model_validate(json.loads(trial.model_dump_json())) == trial


def test_a_sweep_takes_every_combination(tmp_path: Path) -> None:
    swept = trials(
        tmp_path, "sweep.training.epochs=[1, 2]", "sweep.training.optimizer.learning_rate=[1e-3, 1]"
    )
    seen = [
        (t.training.epochs, t.training.optimizer.arguments["learning_rate"])
        for t in swept
        if t.model == "cnn"
    ]
    assert seen == [(1, 0.001), (1, 1.0), (2, 0.001), (2, 1.0)]
    assert len(swept) == 8
    assert swept[0].point == {"training.epochs": 1, "training.optimizer.learning_rate": 0.001}


def test_a_sweep_of_one_model_leaves_the_others_alone(tmp_path: Path) -> None:
    swept = trials(tmp_path, "sweep.models.inn.kernel_size=[3, 5]", "seeds=2")
    assert [(t.seed, t.model, t.point) for t in swept] == [
        (seed, model, point)
        for seed in (0, 1)
        for model, point in (
            ("cnn", {}),
            ("inn", {"models.inn.kernel_size": 3}),
            ("inn", {"models.inn.kernel_size": 5}),
        )
    ]


def test_a_sweep_of_every_model_pairs_them(tmp_path: Path) -> None:
    both = "models={a: {architecture: plain}, b: {architecture: plain, operator: involution}}"
    swept = trials(tmp_path, both, "sweep.models.*.kernel_size=[3, 5]")
    assert [(t.model, t.architecture.arguments["kernel_size"], t.point) for t in swept] == [
        (model, size, {"models.*.kernel_size": size}) for size in (3, 5) for model in "ab"
    ]
    at_five = trials(tmp_path, both, "models.*.kernel_size=5")
    assert [t.architecture for t in at_five] == [t.architecture for t in swept[2:]]


def test_swept_values_may_need_each_other(tmp_path: Path) -> None:
    swept = trials(tmp_path, "sweep.data.dataset=[folder]", "sweep.data.path=[a, b]")
    assert [t.data.path for t in swept] == ["a", "a", "b", "b"]


@pytest.mark.parametrize(
    ("sweep", "expected"),
    [
        ("training.epoch: [1]", "11:3: sweep.training.epoch: unknown key; did you mean 'epochs'?"),
        ("data.train_size: [1, x]", "11:24: sweep.data.train_size[1]: expected a whole number"),
        ("training.epochs: []", "11:20: sweep.training.epochs: empty; expected at least 1 entry"),
        ("training.epochs: 3", "11:20: sweep.training.epochs: expected a list, got 3"),
        ("training.epochs: [1, 2, 1]", "11:27: sweep.training.epochs[2]: 1 is listed twice"),
        ("seeds: [1]", "11:3: sweep.seeds: expected a key path: data.KEY, training.KEY, models."),
        ("training.epochs.x: [1]", "11:3: sweep.training.epochs.x: training.epochs is 2, which"),
        (
            "training.max_minutes: [1, 2]",
            "11:3: sweep.training.max_minutes: changes nothing that a trial results in, so its",
        ),
        ("models.imn.x: [1]", "11:3: sweep.models.imn.x: 'imn' is not one of the models; did"),
        (
            "models.*.kernel_size: [3]",
            "11:3: sweep.models.*.kernel_size: unknown key; keras_io_cnn",
        ),
        (
            "{models.inn.architecture: [keras_io_inn], models.*.architecture: [keras_io_inn]}",
            "11:4: sweep.models.inn.architecture: lies inside 'models.*.architecture', which is",
        ),
        (
            "models.inn.architecture: [keras_io_inn, keras_io_cnn]",
            "11:43: sweep.models.inn.architecture[1]: with 'keras_io_cnn', models.inn.kernel_size: "
            "unknown key",
        ),
        (
            "training.optimizer: [adam, {name: sgd, momentum: x}]",
            "11:52: sweep.training.optimizer[1].momentum: expected a number, got the text 'x'",
        ),
    ],
)
def test_a_wrong_sweep_is_found_before_anything_runs(
    tmp_path: Path, sweep: str, expected: str
) -> None:
    (head,) = heads(complaint(tmp_path, f"{GOOD}# why\nsweep:\n  {sweep}\n"))
    assert head.startswith(f"x.yaml:{expected}")


INVOLUTION = GOOD.replace("keras_io_cnn", "plain, operator: involution, widths: [8, 20]")


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("", ["5:40: models.cnn.operator.group_channels: the default 16 does not divide 8"]),
        (
            "sweep: {training.epochs: [1, 2], models.cnn.widths: [[16, 32], [32, 24], [48]]}\n",
            ["9:64: sweep.models.cnn.widths[1]: with [32, 24], models.cnn.operator.group_channels"],
        ),
        (
            "sweep: {models.cnn.operator.group_channels: [4, 6, 8]}\n",
            [
                "9:49: sweep.models.cnn.operator.group_channels[1]: 6 does not divide 8 channels; "
                "4 divides those of every layer",
                "9:52: sweep.models.cnn.operator.group_channels[2]: 8 does not divide 20",
            ],
        ),
        (
            "sweep: {models.cnn.operator: [depthwise, {name: outlook_attention, heads: 3}]}\n",
            ["9:75: sweep.models.cnn.operator[1].heads: 3 does not divide 8 channels; 2 divides"],
        ),
        (
            "sweep: {training.epochs: [1, 2]}\n",
            ["5:40: models.cnn.operator.group_channels: the default 16 does not divide 8"],
        ),
    ],
)
def test_channels_that_do_not_fit_are_named_at_what_brings_them(
    tmp_path: Path, rest: str, expected: list[str]
) -> None:
    with pytest.raises(SpecError) as caught:
        expand(load_spec(written(tmp_path, INVOLUTION + rest)))
    found = heads(str(caught.value).replace(str(tmp_path / "x.yaml"), "x.yaml"))
    assert len(found) == len(expected)
    for line, start in zip(found, expected, strict=True):
        assert line.startswith(f"x.yaml:{start}")


def test_a_swept_key_inside_another_is_refused(tmp_path: Path) -> None:
    inside = "sweep:\n  training.optimizer.learning_rate: [1]\n  training.optimizer: [sgd]\n"
    (head,) = heads(complaint(tmp_path, GOOD + inside))
    assert head == (
        "x.yaml:10:3: sweep.training.optimizer.learning_rate: lies inside 'training.optimizer', "
        "which is swept too"
    )


def test_an_experiment_has_a_largest_size(tmp_path: Path) -> None:
    many = str(list(range(1, 200)))
    points = complaint(
        tmp_path, GOOD, f"sweep.training.epochs={many}", f"sweep.training.batch_size={many}"
    )
    assert "sweep: 39601 points; at most 10000" in points
    message = complaint(tmp_path, GOOD, f"sweep.training.epochs={many}", "seeds=100")
    assert message == "x.yaml: 39800 trials; an experiment has at most 10000"
