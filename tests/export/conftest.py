"""Runs to export."""

import shutil

import pytest


@pytest.fixture
def tree(smoke, tmp_path):
    """A folder with a copy of the runs of the smoke experiment."""
    shutil.copytree(smoke[0] / "results", tmp_path / "results")
    return tmp_path
