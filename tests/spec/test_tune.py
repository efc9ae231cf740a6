"""`tune` in a spec: what is refused, and where; the trials; values beyond a grid."""

import pytest

from involbench.spec.load import expand, expand_tuning, load_mapping, load_spec
from involbench.spec.tune import value_beyond
from tests.spec.helpers import GOOD, complaint, heads, written

RATE = "training.optimizer.learning_rate"
SPEC = GOOD.replace("dataset: digits", "dataset: digits\n  validation: 0.2") + "tune:\n"
RATES = f"  {RATE}: [0.001, 0.01]\n"

REFUSED = {
    "a key that no run has": (
        "  training.momentum: [0.8, 0.9]\n",
        "x.yaml:11:3: tune.training.momentum: unknown key; did you mean 'training.optimizer.mom",
    ),
    "a key that the run id leaves out": (
        "  training.max_minutes: [1, 2]\n",
        "x.yaml:11:3: tune.training.max_minutes: changes nothing that a trial results in",
    ),
    "another section": (
        "  data.train_size: [50, 100]\n",
        "x.yaml:11:3: tune.data.train_size: unknown key; did you mean 'data.train_size'?",
    ),
    "epochs": (
        "  training.epochs: [1, 2]\n",
        "x.yaml:11:3: tune.training.epochs: cannot be tuned: every candidate is trained for as ",
    ),
    "one candidate": (
        f"  {RATE}: [0.01]\n",
        f"x.yaml:11:37: tune.{RATE}: expected at least two candidates",
    ),
    "no list": (
        f"  {RATE}: 0.01\n",
        f"x.yaml:11:37: tune.{RATE}: expected a list, got 0.01",
    ),
    "a candidate that is not valid": (
        f"  {RATE}: [0.01, -1]\n",
        f"x.yaml:11:44: tune.{RATE}[1]: expected a number above 0, got -1",
    ),
    "a candidate twice": (
        f"  {RATE}: [0.01, 1e-2]\n",
        f"x.yaml:11:44: tune.{RATE}[1]: 0.01 is listed twice",
    ),
    "no key": ("  extend: true\n", "x.yaml:11:3: tune: expected a key of training with its"),
    "a misspelt switch": (
        f"{RATES}  extent: true\n",
        "x.yaml:12:3: tune.extent: unknown key; did you mean 'extend'?",
    ),
    "the seeds of the experiment": (
        f"{RATES}  seeds: [7, 1]\nseeds: 2\n",
        "x.yaml:12:10: tune.seeds: 1 is a seed of the experiment, too; choose others",
    ),
    "as many seeds as reach those of tune": (
        f"{RATES}seeds: 101\n",
        "x.yaml:10:1: tune.seeds: 100 is a seed of the experiment, too; choose others",
    ),
    "a key that is swept": (
        f"{RATES}sweep: {{{RATE}: [0.1, 0.2]}}\n",
        f"x.yaml:11:3: tune.{RATE}: the sweep has '{RATE}'; a key is swept or tuned, not both",
    ),
    "a part of a key that is swept": (
        f"{RATES}sweep: {{training.optimizer: [adam, sgd]}}\n",
        f"x.yaml:11:3: tune.{RATE}: the sweep has 'training.optimizer'; a key is swept",
    ),
    "test images for validation at a point of the sweep": (
        f"{RATES}sweep: {{data.validation: [0.2, test]}}\n",
        "x.yaml:12:32: sweep.data.validation[1]: with 'test', tune: needs validation images that",
    ),
}


@pytest.mark.parametrize(("lines", "start"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_tuned_is_refused_at_its_key(tmp_path, lines, start):
    (line,) = heads(complaint(tmp_path, SPEC + lines))
    assert line.startswith(start)


def test_test_images_for_validation_are_refused(tmp_path):
    (line,) = heads(complaint(tmp_path, SPEC + RATES, "data.validation=test"))
    assert line == (
        "x.yaml:11:3: tune: needs validation images that are held out from training; set "
        "data.validation to a fraction, such as 0.1"
    )


def test_each_kind_of_trial_is_tried_with_each_candidate_and_tuning_seed(tmp_path):
    more = f"{RATES}  training.batch_size: [32, 64]\n"
    sweep = "sweep: {data.train_size: [50, 100]}\nevaluate: {noise: [0.1]}\n"
    loaded = load_spec(written(tmp_path, SPEC + more + sweep))
    trials = expand_tuning(loaded, loaded.spec.tune.grid)
    assert len(trials) == 2 * 2 * 2 * 4  # Seeds, models, points and candidates.
    assert [trial.seed for trial in trials] == [100] * 16 + [101] * 16
    tried = [trial.candidate for trial in trials[:4]]
    assert tried == [{RATE: r, "training.batch_size": b} for r in (0.001, 0.01) for b in (32, 64)]
    for trial in trials:
        training = trial.training
        rate = training.optimizer.arguments["learning_rate"]
        assert trial.candidate == {RATE: rate, "training.batch_size": training.batch_size}
        assert not trial.evaluate.all_conditions


WARM_UP = "training.learning_rate_schedule={name: cosine, warmup_epochs: 2}"


def test_candidates_are_trained_for_their_own_epochs(tmp_path):
    loaded = load_spec(
        written(tmp_path, SPEC + RATES), ["training.epochs=9", "tune.epochs=3", WARM_UP]
    )
    assert {trial.training.epochs for trial in expand_tuning(loaded, loaded.spec.tune.grid)} == {3}
    assert {trial.training.epochs for trial in expand(loaded)} == {9}


def test_candidates_are_trained_for_longer_than_a_warm_up(tmp_path):
    text = SPEC + RATES + "  epochs: 2\n"
    (line,) = heads(complaint(tmp_path, text, "training.epochs=9", WARM_UP))
    assert line == (
        "x.yaml:12:11: tune.epochs: expected more than the schedule's warmup_epochs = 2, got 2"
    )


@pytest.mark.parametrize("override", ["tune={}", "tune=null", "tune="])
def test_without_keys_nothing_is_tuned(tmp_path, override):
    plain, path = load_mapping({"name": "quick", **PLAIN}), written(tmp_path, SPEC + RATES)
    loaded = load_spec(path, [override])
    assert loaded.spec.tune.grid == {} and expand_tuning(loaded, {}) == []
    assert [trial.run_id("") for trial in expand(loaded)] == [
        trial.run_id("") for trial in expand(plain)
    ]
    assert "tuned" not in expand(loaded)[0].model_dump(mode="json")


PLAIN = {
    "data": {"dataset": "digits", "validation": 0.2},
    "models": {
        "cnn": {"architecture": "keras_io_cnn"},
        "inn": {"architecture": "keras_io_inn", "kernel_size": 3},
    },
    "training": {"epochs": 2},
}


def test_keys_can_be_set_on_the_command_line(tmp_path):
    path = written(tmp_path, SPEC + RATES)
    overrides = [f"tune.{RATE}=[0.1, 0.3]", "tune.extend=true", "tune.seeds=[5]"]
    tune = load_spec(path, overrides).spec.tune
    assert (tune.grid, tune.extend, tune.seeds) == ({RATE: (0.1, 0.3)}, True, (5,))


@pytest.mark.parametrize(
    ("values", "chosen", "beyond"),
    [
        ((0.001, 0.003, 0.01), 0.01, 0.0333),
        ((0.001, 0.003, 0.01), 0.001, 0.000333),
        ((0.01, 0.001), 0.01, 0.1),
        ((32, 64, 128), 128, 256),
        ((32, 64, 128), 32, 16),
        ((0, 0.1, 0.2), 0.2, 0.3),
        ((0, 0.1, 0.2), 0, -0.1),
        ((0.001, 0.003, 0.01), 0.003, None),
        (("adam", "sgd"), "sgd", None),
        ((True, False), True, None),
    ],
)
def test_the_value_beyond_a_grid_goes_on_in_its_steps(values, chosen, beyond):
    assert value_beyond(values, chosen) == beyond
