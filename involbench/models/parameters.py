"""One model -> its parameters and multiply-accumulates, by layer and by role."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
from keras import layers

from involbench.registry import Operator, operators
from involbench.results.record import ROLES, LayerParameters, Parameters, Role


@contextmanager
def build_without_weights() -> Iterator[None]:
    """Within it, networks are built without values for their weights, five times as fast.

    They can be counted, not called. At the end Keras forgets them and every other network.
    """
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        # Its list of what has no value yet, first of all. Collecting would take longer than
        # building did.
        keras.backend.clear_session(free_memory=False)


Shape = tuple[int, ...]

NORMALIZATIONS = (layers.BatchNormalization, layers.LayerNormalization, layers.GroupNormalization)
CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D)
UNCOUNTED_BY_CONVENTION = (
    layers.InputLayer, layers.Identity, layers.ReLU, layers.Activation, layers.Dropout, layers.Add,
    layers.Flatten, layers.ZeroPadding2D, layers.MaxPooling2D, layers.AveragePooling2D,
    layers.GlobalAveragePooling2D, *NORMALIZATIONS,
)  # fmt: skip
"""Layers without multiply-accumulates, and normalizations, which fold into their neighbours."""


def count_macs(layer: layers.Layer) -> int | None:
    """The multiply-accumulates of a layer for one image.

    Only products of features with weights, or with features, are counted: neither biases,
    activations, softmax, pooling and sums, nor normalizations, which inference can fold away.

    Args:
        layer: A layer of a functional model, which has one input and one output.

    Returns:
        The number that its operator declares, or the layer's own `count_macs`, or the number for a
        layer of Keras; 0 for layers that have none by this convention; None where the layer is of
        another type, or a size of the image is unknown.
    """
    operator = _registered(layer)
    if operator and operator.macs:
        count = partial(operator.macs, layer)
    elif hasattr(layer, "count_macs"):
        count = layer.count_macs
    elif isinstance(layer, UNCOUNTED_BY_CONVENTION):
        return 0
    elif isinstance(layer, (*CONVOLUTIONS, layers.Dense)):
        count = partial(_of_keras_layer, layer)
    elif isinstance(layer, keras.Model):
        inner = [count_macs(each) for each in layer.layers]
        return None if None in inner else sum(each or 0 for each in inner)
    else:
        return None
    inputs, outputs = tuple(layer.input.shape[1:]), tuple(layer.output.shape[1:])
    return None if None in inputs + outputs else count(inputs, outputs)


def _registered(layer: layers.Layer) -> Operator | None:
    """The registered operator that made the layer, if one did."""
    return operators().get(getattr(layer, "registered_operator", ""))


def _of_keras_layer(layer: Any, inputs: Shape, outputs: Shape) -> int:
    """Each number of the result is a sum over a window of one channel, or of all in a group."""
    if isinstance(layer, layers.DepthwiseConv2D):
        return math.prod(outputs) * math.prod(layer.kernel_size)
    return math.prod(outputs) * math.prod(layer.kernel.shape[:-1])


def count_parameters(model: keras.Model) -> Parameters:
    """Count the weights of `model` and its multiply-accumulates for one image.

    Layer by layer; layers without weights are listed too.
    """
    rows = tuple(_of_layer(layer) for layer in model.layers)
    by_role: dict[Role, int] = dict.fromkeys(ROLES, 0)
    for row in rows:
        by_role[row.role] += row.trainable
    trainable = sum(row.trainable for row in rows)
    non_trainable = sum(row.non_trainable for row in rows)
    return Parameters(
        total=trainable + non_trainable,
        trainable=trainable,
        non_trainable=non_trainable,
        by_role=by_role,
        layers=rows,
    )


def _of_layer(layer: layers.Layer) -> LayerParameters:
    return LayerParameters(
        name=layer.name,
        layer=type(layer).__name__,
        output_shape=tuple(layer.output.shape),
        role=role_of(layer),
        trainable=sum(math.prod(weight.shape) for weight in layer.trainable_weights),
        non_trainable=sum(math.prod(weight.shape) for weight in layer.non_trainable_weights),
        macs=count_macs(layer),
    )


def role_of(layer: layers.Layer) -> Role:
    """What a layer is for: the compared operator, normalization, the head, or something else.

    A layer that an operator made has the role that the operator declares. Elsewhere the operator is
    what sees a neighbourhood: a layer that declares it, with all that makes its kernels, or a
    convolution larger than 1x1, except that of a stem, which all the networks of an architecture
    share.
    """
    operator, convolution = _registered(layer), isinstance(layer, CONVOLUTIONS)
    if layer.name.startswith("head"):
        return "head"
    # A 1x1 convolution mixes no neighbourhood, whichever operator made it.
    if convolution and max(layer.kernel_size) == 1:
        return "other"
    if operator:
        return operator.role
    if convolution:
        return "other" if layer.name.startswith("stem") else "operator"
    return "normalization" if isinstance(layer, NORMALIZATIONS) else getattr(layer, "role", "other")
