"""`evaluate:` through the front door: what it measures, and that it changes nothing else."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.cli import EXPERIMENTS, called
from tests.in_process import in_this_process

CONDITIONS = {
    "noise": [0.1, 0.3],
    "blur": [1],
    "contrast": [0.5, 1],
    "shift": [2],
    "image_size": [24],
    "frozen_kernels": [1],
}
NAMES = ["noise=0.1", "noise=0.3", "blur=1", "contrast=0.5", "contrast=1", "shift=2"]
MEASURED = ["test_accuracy", "test_loss", "macro_f1", "expected_calibration_error", "agreement"]
MEASURED += ["agreement_if_correct"]


@pytest.fixture(scope="module")
def folder(once):
    """The smoke experiment's CNN with conditions, and a model that takes images of any size."""

    def run(folder):
        spec = yaml.safe_load((EXPERIMENTS / "smoke.yaml").read_text())
        spec["models"] = {"cnn": spec["models"]["cnn"]}
        spec["models"]["pooled"] = {"architecture": "pythonguides_cnn"}
        spec["models"]["inn"] = {"architecture": "plain", "operator": "involution", "widths": [16]}
        spec |= {"evaluate": CONDITIONS, "seeds": 1}
        (folder / "smoke.yaml").write_text(yaml.safe_dump(spec))
        with in_this_process():
            done = called("run", "smoke.yaml", cwd=folder)
        assert done.returncode == 0, done.stderr

    return once("smoke with conditions", run)


def runs(folder: Path) -> dict[str, Path]:
    """Model -> run folder, of seed 0."""
    found = folder.glob("results/smoke/runs/*-seed0-*")
    return {path.name.partition("-")[0]: path for path in found}


def record_of(path: Path) -> dict:
    return json.loads((path / "run.json").read_text())


def test_every_condition_is_measured(folder):
    for path in runs(folder).values():
        metrics = record_of(path)["metrics"]
        for name in NAMES:
            values = [metrics[f"{metric}@{name}"] for metric in MEASURED]
            assert np.isfinite(values).all()
        for metric in MEASURED[:4]:
            assert metrics[f"{metric}@contrast=1"] == metrics[metric]  # Nothing was changed.
        assert metrics["agreement@contrast=1"] == metrics["agreement_if_correct@contrast=1"] == 1
        # An image that was right and is the same is right: the others were wrong before.
        for name in NAMES:
            right = metrics["agreement_if_correct@" + name] * metrics["test_accuracy"]
            assert right <= metrics["test_accuracy@" + name] + 1e-9
            assert right <= metrics["agreement@" + name] + 1e-9


def test_another_size_is_for_the_models_that_take_it(folder):
    for model, path in runs(folder).items():
        record = record_of(path)
        measured = "test_accuracy@image_size=24" in record["metrics"]
        note = "not tested at image_size=24: the network takes no images of that size"
        assert (measured, note in record["notes"]) == (model == "pooled", model != "pooled")


def test_kernels_are_frozen_where_there_are_some(folder):
    for model, path in runs(folder).items():
        record = record_of(path)
        measured = "test_accuracy@frozen_kernels=1" in record["metrics"]
        note = "not tested at frozen_kernels=1: the network has no involution"
        assert (measured, note in record["notes"]) == (model == "inn", model != "inn")


def test_nothing_else_changes_by_a_bit(smoke, folder):
    both = plain, tested = runs(smoke[0])["cnn"], runs(folder)["cnn"]
    assert plain.name != tested.name
    histories = [json.loads((path / "history.json").read_text()) for path in both]
    metrics = [record_of(path)["metrics"] for path in both]
    for values in (*histories, *metrics):
        for timed in ("seconds", "seconds_per_epoch", "input_wait"):
            values.pop(timed, None)
    assert histories[0] == histories[1]
    assert metrics[0].items() <= metrics[1].items()
    with np.load(plain / "predictions.npz") as one, np.load(tested / "predictions.npz") as other:
        assert one["probabilities"].tobytes() == other["probabilities"].tobytes()


def test_a_gate_can_be_about_it(folder):
    gate = "cnn.agreement@contrast=1 < 1"
    done = called("compare", "smoke", "--fail-if", gate, cwd=folder)
    assert (done.returncode, f"gate passed: {gate}" in done.stderr) == (0, True)
