"""Commands that train in the process of the test, where TensorFlow is started once."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from involbench.benchmark import measurement
from involbench.workers.local import in_process


@contextmanager
def in_this_process() -> Iterator[None]:
    """No command starts a worker process, and no benchmark warms up for long."""
    with in_process(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(measurement, "_MOST_CALLS", 2)
        yield


@contextmanager
def eagerly() -> Iterator[None]:
    """Let the backend compile nothing."""
    import keras

    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            from involbench.ops.tensorflow import compiled as operator

            tf.config.run_functions_eagerly(True)
            try:
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(operator, "_FEW", 0)  # XLA compiles its regions all the same.
                    yield
            finally:
                tf.config.run_functions_eagerly(False)
        case "jax":
            import jax

            with jax.disable_jit():
                yield
        case _:
            yield
