"""A network whose weights are not finite has diverged, whatever its loss says; on every backend."""

import json
import math

import pytest

from tests.cli import called

SPEC = """\
name: tiny
data: {dataset: digits, image_size: 8, train_size: 60, validation: test}
models:
  cnn: {architecture: plain, widths: [4]}
training:
  epochs: 3
  batch_size: 60
  optimizer: {name: adamw, learning_rate: 1.0e+30, weight_decay: 1.0e+30}
seeds: 1
"""
"""The one step of an epoch computes its loss before it makes the weights infinite."""


@pytest.mark.usefixtures("here", "eager")
def test_infinite_weights_behind_a_finite_loss_are_divergence(tmp_path):
    (tmp_path / "tiny.yaml").write_text(SPEC)
    done = called("run", "tiny.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (run,) = tmp_path.glob("results/tiny/runs/*")
    record = json.loads((run / "run.json").read_text())
    assert record["status"] == "diverged"
    assert record["error"] == "the weight operator_1/kernel was not finite in epoch 1"
    assert f"diverged: {record['error']}" in done.stderr
    (loss,) = json.loads((run / "history.json").read_text())["loss"]
    assert math.isfinite(loss)
