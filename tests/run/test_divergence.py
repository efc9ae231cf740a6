"""A network whose weights are not finite has diverged, whatever its loss says."""

import json
import math
import os

import pytest

from tests.cli import called

BACKEND = os.environ.get("KERAS_BACKEND") or "tensorflow"

SPEC = """\
name: tiny
data: {dataset: digits, image_size: 8, train_size: 100}
models:
  cnn: {architecture: plain, widths: [8, 4], operator: {name: convolution}}
training: {epochs: 3, batch_size: 50}
seeds: 1
"""
INFINITE = """\
models.cnn.operator={
  name: involution, groups: 1, normalization: null, use_reduce_bias: true, use_span_bias: false,
  bias_initializer: {name: constant, value: -1.0e+39}
}"""
"""In float32 the value is infinite. The ReLU behind it gives zeros, and so a finite loss."""


def trained(folder, *changes):
    """What the run printed, its record, and its losses."""
    (folder / "tiny.yaml").write_text(SPEC)
    options = [option for change in changes for option in ("-S", change)]
    done = called("run", "tiny.yaml", *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    (run,) = folder.glob("results/tiny/runs/*")
    losses = json.loads((run / "history.json").read_text())["loss"]
    return done, json.loads((run / "run.json").read_text()), losses


@pytest.mark.usefixtures("here", "eager")
def test_an_infinite_weight_behind_a_finite_loss_is_divergence(tmp_path):
    done, record, losses = trained(tmp_path, INFINITE)
    assert record["status"] == "diverged"
    assert record["error"] == "the weight operator_1/reduce/bias was not finite in epoch 1"
    assert f"diverged: {record['error']}" in done.stderr
    assert [math.isfinite(loss) for loss in losses] == [True]


@pytest.mark.skipif(BACKEND != "tensorflow", reason="elsewhere a ReLU of NaN is NaN")
@pytest.mark.usefixtures("here", "eager")
def test_weights_that_an_optimizer_made_nan_are_divergence(tmp_path):
    _, record, losses = trained(tmp_path, "training.optimizer=adafactor")
    assert record["status"] == "diverged"
    assert record["error"].startswith("the weight operator_1/kernel was not finite in epoch ")
    assert all(map(math.isfinite, losses))


@pytest.mark.usefixtures("here", "eager")
def test_finite_weights_are_no_divergence(tmp_path):
    _, record, losses = trained(tmp_path)
    assert (record["status"], len(losses)) == ("finished", 3)
