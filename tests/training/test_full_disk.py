"""No space left, at any write: a message, nothing half-written, and the next run goes on."""

import errno
import itertools
import json
import os

import numpy as np
import pytest

from involbench.data import make_dataset
from involbench.errors import ResultsError
from involbench.results.paths import ResultsPath
from involbench.results.store import ended
from involbench.spec.architectures import architecture_specs
from involbench.spec.schema import DataSpec, TrainingSpec
from involbench.spec.trial import Trial
from involbench.training.trial import run_trial

TRIAL = Trial(
    experiment="full",
    model="control",
    architecture=architecture_specs()["keras_io_control"](architecture="keras_io_control"),
    data=DataSpec(dataset="digits", validation="test"),
    training=TrainingSpec(epochs=1, batch_size=20, checkpoint_every=1),
    seed=0,
)


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (60, 8, 8, 3), np.uint8), np.arange(60) % 2
    return make_dataset("made", images[:40], labels[:40], images[40:], labels[40:], ("a", "b"))


def run(dataset, folder):
    folder.mkdir(exist_ok=True)
    return run_trial(TRIAL, dataset, ResultsPath(folder), (), lambda report: None, lambda: False)


def history(folder):
    values = json.loads((folder / "history.json").read_text())
    del values["seconds"]
    return values


def results(record):
    timed = {"seconds_per_epoch", "input_wait"}
    return {name: value for name, value in record.metrics.items() if name not in timed}


class Disk:
    """A disk that is full at one write, counted from 1."""

    def __init__(self, monkeypatch, full_at):
        self.writes, self.full_at = 0, full_at
        monkeypatch.setattr(os, "fsync", self.fsync)

    def fsync(self, descriptor):
        self.writes += 1
        if self.writes == self.full_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.usefixtures("eager")
def test_a_disk_that_is_full_at_any_write(dataset, tmp_path, monkeypatch):
    whole = run(dataset, tmp_path / "whole")
    for full_at in itertools.count(1):
        folder = tmp_path / str(full_at)
        with monkeypatch.context() as patch:
            disk = Disk(patch, full_at)
            try:
                run(dataset, folder)
            except ResultsError as error:
                assert "No space left on device" in str(error)
                assert str(folder) in str(error)
        if disk.writes < full_at:
            break
        assert ended(ResultsPath(folder), TRIAL) is None
        assert not [path for path in folder.rglob("*") if "tmp" in path.name]
        record = run(dataset, folder)
        assert record.status == "finished"
        assert history(folder) == history(tmp_path / "whole")
        assert results(record) == results(whole)
    assert full_at > 7  # Two checkpoints, five files and the record.
