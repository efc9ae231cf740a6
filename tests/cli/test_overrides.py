"""What was set on the command line is what is kept: a spec that finds every trial finished."""

import json

import pytest

from tests.cli import called
from tests.reporting.html.page import Page

SPEC = """\
# Does one layer do?
name: tiny
data: {dataset: digits, train_size: 60, image_size: 8, validation: test}  # few
models:
  cnn: {architecture: plain, widths: [4]}   # of one layer

# How long?
training:
  epochs: 1  # too few
  batch_size: 30
seeds: 1
"""
KEPT = (
    SPEC.replace("1  # too few", "2  # too few")
    .replace("seeds: 1", "seeds: 2")
    .replace("batch_size: 30\n", "batch_size: 30\n  optimizer: {name: adam, learning_rate: 0.01}\n")
)


@pytest.mark.usefixtures("here", "eager", "undrawn")
def test_the_spec_that_is_kept_is_the_one_that_ran(tmp_path):
    (tmp_path / "q.yaml").write_text(SPEC)
    options = ("-S", "training.epochs=2", "-S", "training.optimizer={name: adam}")
    options += ("-S", "training.optimizer.learning_rate=0.01", "--seeds", 2)
    done = called("run", "q.yaml", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    kept = tmp_path / "results/tiny/spec.yaml"
    assert kept.read_text() == KEPT
    runs = {path.name for path in tmp_path.glob("results/tiny/runs/*")}
    again = called("run", "results/tiny/spec.yaml", "-n", cwd=tmp_path)
    assert dict(map(str.split, again.stdout.splitlines())) == dict.fromkeys(runs, "finished")
    assert not list(tmp_path.glob("results/tiny/runs/*/checkpoint"))
    called("report", "tiny", cwd=tmp_path)
    page = Page((tmp_path / "results/tiny/report.html").read_text())
    assert " ".join(KEPT.split()) in [each.text for each in page.by_id("runs").all("pre")]

    quick = called("run", "q.yaml", "-S", "data.train_size=30", cwd=tmp_path)
    assert quick.returncode == 0, quick.stderr
    shown = [line for line in quick.stdout.splitlines() if line.startswith("tiny")]
    assert shown[0].startswith("tiny: data.train_size = 60, training.epochs = 2,")
    assert shown[1].startswith("tiny: data.train_size = 30, training.epochs = 1,")
    document = json.loads((tmp_path / "results/tiny/comparison.json").read_text())
    assert [result["n_finished"] for result in document["models"]] == [2]
    (other,) = document["other_settings"]
    assert (other["settings"]["data.train_size"], other["is_stated"]) == (30, True)
    assert "train_size: 30" in kept.read_text()
