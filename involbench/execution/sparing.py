"""Imports that leave out what a worker has no use for."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """Let packages seem not to be installed to those that import them only if they are there.

    For wrappers and pictures, Keras imports scikit-learn and matplotlib: a third of the time that
    its import takes with TensorFlow's.
    """
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
