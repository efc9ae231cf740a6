"""What the tests of the command line share."""

from pathlib import Path

import pytest

from tests.results.factory import make_run
from tests.results.tree import unfinished


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A results folder with two experiments, one of a long name, and an unfinished run."""
    for name in ("COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    results = tmp_path / "results"
    for seed in range(2):
        for model in ("cnn", "inn"):
            make_run(results, model, seed)
            make_run(results, model, seed, experiment="images-of-leaves-in-the-botanic-garden")
    unfinished(results, "control", 0)
    return tmp_path
