"""The architectures by name; each is a function of the input shape and the number of classes."""

from collections.abc import Callable
from typing import Any

import keras

from involbench.models import keras_io, plain, pythonguides, residual_involution, resnet

ARCHITECTURES: dict[str, Callable[..., keras.Model]] = {
    "keras_io_cnn": keras_io.keras_io_cnn,
    "keras_io_inn": keras_io.keras_io_inn,
    "keras_io_control": keras_io.keras_io_control,
    "pythonguides_cnn": pythonguides.pythonguides_cnn,
    "pythonguides_inn": pythonguides.pythonguides_inn,
    "plain": plain.plain,
    "residual_involution": residual_involution.residual_involution,
    "resnet": resnet.resnet,
    "rednet": resnet.rednet,
}


def build_model(
    name: str, input_shape: tuple[int, int, int], num_classes: int, **arguments: Any
) -> keras.Model:
    """Build an untrained model.

    Args:
        name: An architecture's name, such as `"keras_io_inn"`.
        input_shape: (height, width, channels) of the images, scaled to about unit range.
        num_classes: Number of classes.
        **arguments: The architecture's own arguments.

    Returns:
        A model from images (B, height, width, channels) to logits (B, num_classes). Layers named
        `head*` turn features into logits, the others make the features.

    Raises:
        ValueError: The name is unknown, or an argument is out of range.
    """
    if name not in ARCHITECTURES:
        raise ValueError(f"`name` must be one of {sorted(ARCHITECTURES)}. Received: name={name!r}")
    return ARCHITECTURES[name](input_shape, num_classes, **arguments)
