"""One look at an untrained network: which layers give the same output for every image."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from involbench.results.record import ConstantLayer, Probe

IMAGES = 256
"""At most; fewer where the outputs of the layers for so many would need too much memory."""
_LARGEST = 2**26
"""Numbers in the outputs of all layers together."""
_SHARE = 0.95
"""Of the images, from which on a layer is named. On CIFAR-10, those of 30 initializations of the
tutorial's network that are named at this share are those that never learned; on the digits one of
six learned."""


def probe(model: keras.Model, images: Any) -> Probe | None:
    """Find the layers of an untrained model that tell hardly any image from another.

    The images pass once, in training mode, so that batch normalization uses their statistics; the
    weights, averages and random states stay as they are. A layer is named if its output is the
    same for 95% of the images though its input is not: a ReLU that is zero, or a layer without
    weights. (A layer with weights, such as a normalization that begins at zero, can still learn.)

    Args:
        model: A functional model.
        images: Scaled images, (N, H, W, C); the first 256 are used, or fewer for large networks.

    Returns:
        What was found; None if there are no two images, or the model is not functional.
    """
    layers = [layer for layer in model.layers if _tensors(layer, "output")]
    outputs = [tensor for layer in layers for tensor in _tensors(layer, "output")]
    numbers = sum(math.prod(size or 1 for size in tensor.shape[1:]) for tensor in outputs)
    images = images[: min(IMAGES, _LARGEST // max(1, numbers))]
    if not outputs or len(images) < 2:
        return None
    values = _forward(model, outputs, images)
    same = {id(tensor): _same(value) for tensor, value in zip(outputs, values, strict=True)}
    zero = {
        id(tensor): _count(value == 0)
        for tensor, value in zip(outputs, values, strict=True)
        if same[id(tensor)] >= _SHARE * len(images)
    }
    found = []
    for layer in layers:
        own, before = _tensors(layer, "output"), _tensors(layer, "input")
        if not all(id(each) in zero for each in own) or all(id(each) in zero for each in before):
            continue
        dead = min(zero[id(each)] for each in own)
        if _is_relu(layer) and dead >= _SHARE * len(images):
            found.append(ConstantLayer(name=layer.name, images=dead, zero=True))
        elif not layer.trainable_variables:
            alike = min(same[id(each)] for each in own)
            found.append(ConstantLayer(name=layer.name, images=alike, zero=False))
    blind = bool(found) and all(id(each) in zero for each in model.outputs)
    return Probe(images=len(images), layers=tuple(found), blind=blind)


def _same(values: Any) -> int:
    """How many images have the same values as another: the most of three that are tried."""
    return max(_count(values == values[None, place]) for place in (0, len(values) // 2, -1))


def _count(holds: Any) -> int:
    """The number of images for which a condition holds everywhere."""
    everywhere = keras.ops.all(keras.ops.reshape(holds, (len(holds), -1)), axis=1)
    return int(keras.ops.sum(keras.ops.cast(everywhere, "int32")))


def _tensors(layer: keras.Layer, side: str) -> Sequence[Any]:
    """The symbolic tensors into or out of a layer; none outside a functional model."""
    try:
        return keras.tree.flatten(getattr(layer, side))
    except (AttributeError, ValueError):
        return []


def _forward(model: keras.Model, outputs: Sequence[Any], images: Any) -> Sequence[Any]:
    """The value of each of the symbolic outputs, in training mode; the model stays as it is."""
    # A name, so that the next model without one is called as it would be without the probe.
    every = keras.Model(model.inputs, list(outputs), name="probe")
    values, _ = every.stateless_call(
        [variable.value for variable in every.trainable_variables],
        [variable.value for variable in every.non_trainable_variables],
        [images],
        training=True,
    )
    return values


def _is_relu(layer: keras.Layer) -> bool:
    """Whether its output is that of a ReLU; in a layer not of Keras, `activation` may be inside."""
    if not type(layer).__module__.startswith("keras."):
        return False
    activation = getattr(layer, "activation", None)
    return isinstance(layer, keras.layers.ReLU) or activation is keras.activations.relu
