"""Checkpoints on disk: whole, or not used."""

from dataclasses import replace

import numpy as np
import pytest

from involbench.results.paths import ResultsPath
from involbench.training.checkpoint import METRICS, Checkpoint, Checkpoints, Training

TRAINING = Training((((2, 3), "float32"), ((), "int64")), epochs=3, steps=4)


def made(epoch, step=0):
    arrays = (np.arange(6, dtype=np.float32).reshape(2, 3) + epoch, np.array(epoch, np.int64))
    history = {name: [0.1 + k for k in range(epoch)] for name in METRICS if epoch}
    sums = (np.array(2.5, np.float32),) if step else ()
    return Checkpoint(epoch, step, 1.5, 0.5, history, {"keras": "3"}, arrays, sums)


def test_the_newest_comes_back_as_it_was_and_two_are_kept(tmp_path):
    kept = Checkpoints(ResultsPath(tmp_path / "checkpoint"), pytest.fail)
    for epoch, step in ((0, 3), (1, 0), (1, 3), (2, 0)):
        kept.save(made(epoch, step))
    assert len(list((tmp_path / "checkpoint").iterdir())) == 2
    found = kept.latest(TRAINING)
    assert found is not None
    assert (found.epoch, found.step) == (2, 0)
    assert found.history == {name: [0.1, 1.1] for name in METRICS}
    for actual, expected in zip(found.variables, made(2).variables, strict=True):
        assert actual.dtype == expected.dtype
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("share", [0, 0.3, 0.7, 0.999])
def test_a_truncated_file_is_named_and_the_one_before_is_taken(tmp_path, share):
    said = []
    kept = Checkpoints(ResultsPath(tmp_path), said.append)
    kept.save(made(1))
    kept.save(made(2))
    newest = max(tmp_path.glob("*.npz"))
    newest.write_bytes(newest.read_bytes()[: int(share * newest.stat().st_size)])
    found = kept.latest(TRAINING)
    assert found is not None
    assert found.epoch == 1
    assert len(said) == 1
    assert newest.name in said[0]


def test_where_none_fits_training_starts_anew(tmp_path):
    said = []
    kept = Checkpoints(ResultsPath(tmp_path), said.append)
    kept.save(made(1))
    assert kept.latest(replace(TRAINING, kinds=TRAINING.kinds[:1])) is None
    assert "another model" in said[0]
    assert kept.latest(TRAINING) is None
