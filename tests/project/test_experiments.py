"""Every experiment file: it says what it asks and costs, it is valid, and its models train."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.special import softmax

from involbench.data import make_dataset
from involbench.models import resnet
from involbench.results.paths import ResultsPath
from involbench.results.record import RunRecord
from involbench.spec.architectures import Scalable
from involbench.spec.load import expand, load_spec
from involbench.spec.schema import EvaluateSpec
from involbench.spec.trial import Trial
from involbench.training.trial import run_trial
from tests.cli import EXPERIMENTS
from tests.effort import THOROUGH

FILES = sorted(EXPERIMENTS.glob("*.yaml"))
NAMES = {
    *("attention", "cifar10", "collapse", "complexity", "depth", "digits", "edge"),
    "group_channels",
    *("kernel_generator", "kernel_size", "matched_macs", "matched_parameters", "pythonguides"),
    *("rednet", "residual_involution", "resolution", "robustness", "shift", "small_data", "smoke"),
    "tuned",
}


def test_they_are_all_there():
    assert {path.stem for path in FILES} == NAMES
    listed = (EXPERIMENTS.parent / "docs/reference/experiments.md").read_text()
    assert [name for name in NAMES if f"| `{name}` |" not in listed] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_opens_with_its_question_its_cost_and_its_command(path):
    comment = re.match(r"(?:#.*\n)+", path.read_text())[0]
    question, cost, command = re.search(
        r"(.*?)\n# Cost: (.*?)\n# Run:  (.*?)\n", comment, re.DOTALL
    ).groups()
    assert "?" in question
    assert re.search(r"about|under|a few|as measured", cost)
    assert command in (f"involbench run {path.stem}", "involbench run")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_is_valid_and_expands(path):
    loaded = load_spec(path)
    assert loaded.spec.name == path.stem
    trials = expand(loaded)
    assert {trial.model for trial in trials} == set(loaded.spec.models)
    assert len({trial.run_id("") for trial in trials}) == len(trials)
    assert all(claim.source for claim in loaded.spec.claims)


@pytest.fixture(scope="module")
def images():
    """Twenty to train on and ten to test on, of ten classes."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (30, 32, 32, 3), np.uint8), np.arange(30) % 10
    return make_dataset("made", x[:20], y[:20], x[20:], y[20:], tuple("abcdefghij"))


def small(trial: Trial) -> Trial:
    """The trial with a network of its kind that is shallow and narrow, for one step of training."""
    architecture = trial.architecture
    if isinstance(architecture, Scalable) and architecture.match is not None:
        architecture = architecture.scaled(16)
    if hasattr(architecture, "widths"):
        operator = architecture.operator
        width = operator.get("group_channels", 32) if isinstance(operator, dict) else 32
        architecture = architecture.model_copy(update={"widths": (width,)})
    if hasattr(architecture, "num_layers"):
        architecture = architecture.model_copy(update={"num_layers": 1})
    if hasattr(architecture, "width"):
        width = 32 if architecture.architecture == "rednet" else 16  # The least it can have.
        architecture = architecture.model_copy(update={"width": width})
    data = trial.data.model_copy(update={"train_size": None, "image_size": None})
    training = trial.training.model_copy(update={"epochs": 1, "batch_size": 20})
    return trial.model_copy(
        update={"architecture": architecture, "data": data, "training": training}
    )


def together(one: EvaluateSpec, other: EvaluateSpec) -> EvaluateSpec:
    """The conditions of both, the strongest of each kind."""
    kinds = {kind: getattr(one, kind) + getattr(other, kind) for kind in type(one).model_fields}
    return EvaluateSpec(**{kind: (max(values),) for kind, values in kinds.items() if values})


@pytest.mark.filterwarnings("ignore:Even though the `tf.config")
@pytest.mark.usefixtures("eager")
def test_every_model_of_every_file_trains_a_step(images, tmp_path, monkeypatch):
    for depth in () if THOROUGH else (26, 38, 50):
        monkeypatch.setitem(resnet.BLOCKS, depth, (1, 0, 0, 0))
    wanted = dict[str, Trial]()
    for path in FILES:
        last = {trial.model: trial for trial in expand(load_spec(path))}  # of the sweep, too
        for trial in map(small, last.values()):
            # What is in several files is trained once, and tested under the conditions of all.
            key = f"{trial.architecture!r} {trial.training!r} {trial.data.augmentation}"
            evaluate = together(wanted.get(key, trial).evaluate, trial.evaluate)
            wanted[key] = trial.model_copy(update={"evaluate": evaluate})
    for trial in wanted.values():
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        record = step(trial, images, folder)
        assert record.status == "finished", (trial.experiment, trial.model, record.error)
        assert_the_saved_model_predicts_what_the_trained_one_did(folder, images, record.data)
        tested = {name.partition("@")[2] for name in record.metrics if "@" in name}
        fixed = {c.name for c in trial.evaluate.all_conditions if c.kind == "image_size"}
        every = {c.name for c in trial.evaluate.all_conditions}
        assert tested == (every if trial.architecture.fits_any_image_size else every - fixed)


def assert_the_saved_model_predicts_what_the_trained_one_did(folder, images, facts) -> None:
    loaded = keras.models.load_model(folder / "model.keras")
    scaled = (images.x_test / 255 - np.array(facts.mean)) / np.array(facts.std)
    logits = keras.ops.convert_to_numpy(loaded(scaled.astype("float32"), training=False))
    with np.load(folder / "predictions.npz") as saved:
        expected = saved["probabilities"].astype("float64")
    np.testing.assert_allclose(softmax(logits, axis=1), expected, atol=1e-3)


def step(trial: Trial, images, folder: Path) -> RunRecord:
    folder.mkdir()
    return run_trial(
        trial,
        images,
        ResultsPath(folder),
        argv=(),
        on_epoch=lambda report: None,
        stop=lambda: False,
    )
