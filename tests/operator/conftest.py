"""Fixtures of the operator's tests."""

from collections.abc import Iterator

import pytest

from tests.operator.backends import BACKEND


@pytest.fixture(scope="module")
def double_precision() -> Iterator[None]:
    """JAX has float64 only where asked for, and then in all that this process does."""
    if BACKEND != "jax":
        yield
        return
    import jax

    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)
