"""What a run needs of an operator, tried on small images: shapes, types, gradients, saving.

Every gradient is compared with the change of a loss in float64 along a random direction, as
`scipy.optimize.check_grad` does.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from involbench.operators import make_operator
from involbench.plugins import reason_of
from involbench.results.checks import OperatorCheck

CHANNELS = 16
_SIZES = ((8, 8), (7, 5), (1, 1))
_STRIDES = (1, 2)
_KERNEL_SIZES = (3, 5)
_BATCH = 4


class _Fails(Exception):
    """A check does not hold; the message says why."""


@dataclass(frozen=True)
class _Layer:
    """An operator with its arguments, of which a layer is made anew for each check."""

    name: str
    arguments: Mapping[str, Any]

    def make(self, kernel_size: int = 3, strides: int = 1) -> Any:
        return make_operator(
            self.name, CHANNELS, kernel_size, strides, "operator", **self.arguments
        )

    def model(self, height: int | None, width: int | None, **sizes: int) -> Any:
        import keras

        inputs = keras.Input((height, width, CHANNELS))
        return keras.Model(inputs, self.make(**sizes)(inputs))


def check_operator(
    name: str,
    arguments: Mapping[str, Any],
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> tuple[OperatorCheck, ...]:
    """Try a registered operator with 16 channels.

    Args:
        name: The name of the operator.
        arguments: Its own arguments, as a spec gives them.
        progress: Called with the name of each check, its number and how many there are.

    Returns:
        A result for each check; that of the shapes alone where the layer does not have them.
    """
    import keras

    layer = _Layer(name, arguments)
    done = []
    for number, (title, needed, check) in enumerate(_CHECKS):
        progress(title, number, len(_CHECKS))
        keras.utils.set_random_seed(0)
        try:
            check(layer)
            reason = None
        except _Fails as error:
            reason = str(error)
        except Exception as error:
            reason = reason_of(error)
        done.append(OperatorCheck(title, needed, reason))
        if check is _shapes and reason:
            break
    return tuple(done)


def _images(height: int = 7, width: int = 5, batch: int = _BATCH) -> Any:
    import numpy as np

    return np.random.default_rng(0).normal(size=(batch, height, width, CHANNELS)).astype("float32")


def _array(tensor: Any) -> Any:
    import keras

    return keras.ops.convert_to_numpy(tensor)


def _shapes(layer: _Layer) -> None:
    for (height, width), size, strides in product(_SIZES, _KERNEL_SIZES, _STRIDES):
        what = f"images of {height}x{width}, kernel_size {size}, strides {strides}"
        expected = (_BATCH, -(-height // strides), -(-width // strides), CHANNELS)
        try:
            made = layer.make(size, strides)
            shape = tuple(made(_images(height, width)).shape)
        except Exception as error:
            raise _Fails(f"{what}: {reason_of(error)}") from error
        if shape != expected:
            raise _Fails(f"{what}: expected the shape {expected}, got {shape}")


def _one_image(layer: _Layer) -> None:
    import numpy as np

    images, made = _images(), layer.make()
    together, alone = _array(made(images, training=False)), _array(made(images[:1], training=False))
    if not np.allclose(together[:1], alone, atol=1e-4):
        raise _Fails("an image alone has another result than the same image in a batch")


def _precision(policy: str) -> Callable[[_Layer], None]:
    def check(layer: _Layer) -> None:
        import keras
        import numpy as np

        with _policy(policy):
            made = layer.make()
            result = made(_images())
            kind = keras.backend.standardize_dtype(result.dtype)
            if kind != made.compute_dtype:
                raise _Fails(f"expected a result of {made.compute_dtype}, got {kind}")
            if not np.isfinite(_array(keras.ops.cast(result, "float32"))).all():
                raise _Fails("the result is not finite")

    return check


def _gradients(layer: _Layer) -> None:
    """One step of gradient descent with rate 1 moves each weight by its gradient."""
    import keras
    import numpy as np

    with _policy("float64"):
        model, numbers = _with_trained_images(layer), np.arange(2)
        weights = model.trainable_weights
        upstream = np.random.default_rng(1).normal(size=(2, *model.output.shape[1:]))

        def loss() -> float:
            return float(np.sum(_array(model(numbers, training=True)) * upstream))

        if loss() != loss():
            raise _Fails("its result in training is random: gradients can't be compared")
        before = [_array(weight) for weight in weights]
        model.compile(
            optimizer=keras.optimizers.SGD(1.0),
            loss=lambda wanted, result: keras.ops.sum(wanted * result),
        )
        model.train_on_batch(numbers, upstream)
        after = [_array(weight) for weight in weights]
        for weight, value in zip(weights, before, strict=True):
            weight.assign(value)
        for weight, old, new in zip(weights, before, after, strict=True):
            _compare_gradient(weight, old, old - new, loss)


def _compare_gradient(weight: Any, value: Any, gradient: Any, loss: Callable[[], float]) -> None:
    import numpy as np

    what = "of the images" if weight.path.startswith("images/") else f"of {weight.path}"
    if not np.isfinite(gradient).all():
        raise _Fails(f"the gradient {what} is not finite")
    direction = np.random.default_rng(2).normal(size=value.shape)
    exact = value.dtype == np.float64
    step = 1e-6 if exact else 1e-2
    losses = []
    for sign in (1, -1):
        weight.assign(value + sign * step * direction)
        losses.append(loss())
    weight.assign(value)
    numerical, given = (losses[0] - losses[1]) / (2 * step), float(np.sum(gradient * direction))
    scale = max(abs(numerical), abs(given), float(np.linalg.norm(gradient)), 1e-3)
    if abs(numerical - given) > (1e-4 if exact else 0.05) * scale:
        raise _Fails(
            f"the gradient {what} is {given:.6g} where the loss changes by {numerical:.6g}"
        )


def _with_trained_images(layer: _Layer) -> Any:
    """A network whose input is the numbers 0 and 1 of two images, which are a weight of it."""
    from keras import Input, Model, initializers, layers

    number = Input((), dtype="int32")
    values = layers.Embedding(
        2, 7 * 5 * CHANNELS, initializers.RandomNormal(stddev=1.0, seed=3), name="images"
    )
    return Model(number, layer.make()(layers.Reshape((7, 5, CHANNELS))(values(number))))


def _saved(layer: _Layer) -> None:
    import keras
    import numpy as np

    model, images = layer.model(7, 5), _images()
    expected = _array(model(images, training=False))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        try:
            loaded = keras.models.load_model(path)
        except (TypeError, ValueError) as error:
            raise _Fails(
                "the saved network can't be loaded: register the class with "
                "keras.saving.register_keras_serializable, and let get_config give all arguments "
                f"({reason_of(error)[:100]})"
            ) from error
    if not np.array_equal(_array(loaded(images, training=False)), expected):
        raise _Fails("the network that is saved and loaded has other results")


def _cloned(layer: _Layer) -> None:
    import keras
    import numpy as np

    model, images = layer.model(7, 5), _images()
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    if not np.array_equal(_array(clone(images)), _array(model(images))):
        raise _Fails("a clone with the same weights has other results")


def _compiled(layer: _Layer) -> None:
    import numpy as np

    model, images = layer.model(7, 5), _images()
    expected = _array(model(images, training=False))
    model.compile(jit_compile=True)
    if not np.allclose(model.predict(images, verbose=0), expected, atol=1e-3):
        raise _Fails("the compiled network has other results")


def _any_size(layer: _Layer) -> None:
    import numpy as np

    model, images = layer.model(None, None), _images()
    known = layer.model(7, 5)
    known.set_weights(model.get_weights())
    if not np.allclose(_array(model(images)), _array(known(images)), atol=1e-4):
        raise _Fails("a network for images of any size has other results")


@contextmanager
def _policy(name: str) -> Iterator[None]:
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


_CHECKS: tuple[tuple[str, bool, Callable[[_Layer], None]], ...] = (
    ("shapes", True, _shapes),
    ("one image", True, _one_image),
    ("float32", True, _precision("float32")),
    ("mixed_bfloat16", False, _precision("mixed_bfloat16")),
    ("mixed_float16", False, _precision("mixed_float16")),
    ("gradients", True, _gradients),
    ("save and load", True, _saved),
    ("clone", False, _cloned),
    ("jit_compile", False, _compiled),
    ("images of any size", False, _any_size),
)
