"""What several files of tests hold their runs to."""

import pytest

from tests.cli import involbench

from .resumable import outcome, prepared


@pytest.fixture(scope="session")
def undisturbed(once):
    """The outcome of the experiment where nothing cuts it off."""

    def run(folder):
        done = involbench("run", prepared(folder), cwd=folder)
        assert done.returncode == 0, done.stderr

    found = outcome(once("undisturbed run", run))
    assert len(found) == 2
    return found
