"""Runs to export, and exporting in this process, where TensorFlow is started once."""

import shutil
from types import SimpleNamespace

import pytest

from involbench.execution.desk import Desk
from tests.run.conftest import smoke

__all__ = ["smoke"]


class Here:
    """In place of a worker process: the same desk, in this one."""

    def __init__(self, *_: object) -> None:
        self.desk = Desk(SimpleNamespace(send=lambda report: None))

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ask(self, request, show):
        return self.desk.handle(request)


@pytest.fixture
def here(monkeypatch):
    """Commands that export do it in this process."""
    monkeypatch.setattr("involbench.execution.exporting.Worker", Here)


@pytest.fixture
def tree(smoke, tmp_path):
    """A folder with a copy of the runs of the smoke experiment."""
    shutil.copytree(smoke[0] / "results", tmp_path / "results")
    return tmp_path
