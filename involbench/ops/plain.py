"""The choice of plain operations of the backend, for graphs that leave this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_CHOSEN = ContextVar("involbench_plain_operations", default=False)


@contextmanager
def plain_operations() -> Iterator[None]:
    """Compute involutions by plain operations of the backend inside a `with`.

    On CPUs, TensorFlow and PyTorch otherwise call compiled loops, which only work in this process.
    Trace a `tf.function` inside the `with` before you give it to a converter, freeze it or save it
    as a signature. A `tf.function` that was traced before keeps its calls of the loops, so make a
    new one. Results are equal to rounding; the operations take longer. Keras's own
    `model.export` and `tf2onnx` need no `with`. The choice holds for the current thread.

    Example:

    >>> with plain_operations():
    ...     function = tf.function(model).get_concrete_function(tf.TensorSpec((1, 32, 32, 3)))
    >>> tf.lite.TFLiteConverter.from_concrete_functions([function]).convert()
    """
    token = _CHOSEN.set(True)
    try:
        yield
    finally:
        _CHOSEN.reset(token)


def plain_operations_chosen() -> bool:
    """Whether this is inside `plain_operations`."""
    return _CHOSEN.get()
