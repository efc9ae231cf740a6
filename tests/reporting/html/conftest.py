"""The report of the published results, made once."""

from pathlib import Path

import pytest

from tests.cli import called
from tests.reporting.html.page import Page

ROOT = Path(__file__).parents[3]
REFERENCE = "reference/cifar10-jpeg"


@pytest.fixture
def published_file(once):
    """Where it is."""

    def make(folder):
        done = called("report", REFERENCE, "-o", folder / "report.html", cwd=ROOT)
        assert (done.returncode, done.stderr) == (0, "")

    return once("published-report", make) / "report.html"


@pytest.fixture
def published(published_file):
    """What it says."""
    return Page(published_file.read_text())
