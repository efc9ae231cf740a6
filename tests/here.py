"""Commands that train, count and look in this process, where TensorFlow is started once."""

import sys
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import pytest

from involbench.benchmark import timing as warm_up
from involbench.workers import handlers as desk
from involbench.workers.handlers import RequestHandler
from involbench.workers.local import Worker
from involbench.workers.process import respond


class Here:
    """In place of the pipe to a worker process: the same desk, in this one."""

    def __init__(self) -> None:
        self.said = deque()
        self.desk = RequestHandler(SimpleNamespace(send=self.said.append))

    def send(self, request) -> None:
        self.said.append(respond(self.desk, request))

    def recv(self):
        return self.said.popleft()


def _start(worker: Worker) -> Here:
    worker._connection = Here()
    return worker._connection


@contextmanager
def in_this_process() -> Iterator[None]:
    """Let no command start a worker process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "_start", _start)
        # A trial's traceback is for its log, not for what `called` takes for the command's output.
        printing = partial(traceback.print_exc, file=sys.__stderr__)
        patch.setattr(desk, "traceback", SimpleNamespace(print_exc=printing))
        # What a benchmark prints here is never looked at for how long anything took.
        patch.setattr(warm_up, "_MOST_CALLS", 2)
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
