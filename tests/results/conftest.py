"""A results tree that was really trained, to be damaged in copies."""

from pathlib import Path

import pytest

from . import hostile


@pytest.fixture(scope="session")
def good(once) -> Path:
    """Two models, trained, compared and reported; not to be changed."""
    return once("hostile tree", hostile.build)
