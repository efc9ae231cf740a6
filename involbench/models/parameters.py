"""One model -> its parameters and multiply-accumulates, by layer and by role."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import layers

from involbench.layers import Involution2D, LocalSelfAttention2D, OutlookAttention2D
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

UNCOUNTED_BY_CONVENTION = (
    layers.InputLayer,
    layers.Identity,
    layers.ReLU,
    layers.Activation,
    layers.Dropout,
    layers.Add,
    layers.Flatten,
    layers.ZeroPadding2D,
    layers.MaxPooling2D,
    layers.AveragePooling2D,
    layers.GlobalAveragePooling2D,
    layers.BatchNormalization,
    layers.LayerNormalization,
    layers.GroupNormalization,
)
"""Layers without multiply-accumulates, and normalizations, which fold into their neighbours."""


def count_macs(layer: layers.Layer) -> int | None:
    """The multiply-accumulates of a layer for one image.

    Only products of features with weights, or with features, are counted: neither biases,
    activations, softmax, pooling and sums, nor normalizations, which inference can fold away.

    Args:
        layer: A layer of a functional model, which has one input and one output.

    Returns:
        The number; 0 for layers that have none by this convention; None where the layer is of
        another type, or a size of the image is unknown.
    """
    if isinstance(layer, UNCOUNTED_BY_CONVENTION):
        return 0
    count = next((COUNTED[kind] for kind in COUNTED if isinstance(layer, kind)), None)
    declared = _registered(layer)
    if declared and declared.macs:
        count = declared.macs
    if count is None and isinstance(layer, keras.Model):
        inner = [count_macs(each) for each in layer.layers]
        return None if None in inner else sum(each or 0 for each in inner)
    if count is None:
        return None
    inputs, outputs = tuple(layer.input.shape[1:]), tuple(layer.output.shape[1:])
    return None if None in inputs + outputs else count(layer, inputs, outputs)


def _registered(layer: layers.Layer) -> Operator | None:
    """The registered operator that made the layer, if one did."""
    return operators().get(getattr(layer, "registered_operator", ""))


def _convolution(layer: Any, inputs: Shape, outputs: Shape) -> int:
    return math.prod(outputs) * math.prod(layer.kernel.shape[:-1])


def _depthwise(layer: Any, inputs: Shape, outputs: Shape) -> int:
    return math.prod(outputs) * math.prod(layer.kernel_size)


def _dense(layer: Any, inputs: Shape, outputs: Shape) -> int:
    return math.prod(outputs) * inputs[-1]


def _involution(layer: Any, inputs: Shape, outputs: Shape) -> int:
    """Both 1x1 convolutions, at the strided size, and the sum over the taps."""
    height, width = outputs[:2] if layer.data_format == "channels_last" else outputs[1:]
    taps, reduced = math.prod(layer.kernel_size), layer.reduce.filters
    channels = inputs[layer.channel_axis - 1]
    return height * width * ((channels + layer.span.filters) * reduced + channels * taps)


def _local_self_attention(layer: Any, inputs: Shape, outputs: Shape) -> int:
    """Queries, keys and values; scores by pixel and by relative position; the sum of the values.

    Neighbours outside the image are counted too.
    """
    height, width, channels = inputs
    rows, columns = layer.kernel_size
    of_rows, of_columns = (w.shape[2] for w in (layer.row_embedding, layer.column_embedding))
    positions = layer.heads * (rows * of_rows + columns * of_columns)
    products = 3 * channels * layer.filters + 2 * rows * columns * layer.filters + positions
    return int(height * width * products)


def _outlook_attention(layer: Any, inputs: Shape, outputs: Shape) -> int:
    """Values and logits, the sums in every window, and the last 1x1 convolution."""
    height, width, channels = inputs
    pairs = math.prod(layer.kernel_size) ** 2
    products = channels * (layer.filters + layer.heads * pairs) + pairs * layer.filters
    return int(height * width * products + math.prod(outputs) * layer.filters)


COUNTED: dict[type[layers.Layer], Callable[[Any, Shape, Shape], int]] = {
    layers.DepthwiseConv2D: _depthwise,
    layers.Conv2D: _convolution,
    layers.Dense: _dense,
    Involution2D: _involution,
    LocalSelfAttention2D: _local_self_attention,
    OutlookAttention2D: _outlook_attention,
}

OWN_OPERATORS = (Involution2D, LocalSelfAttention2D, OutlookAttention2D)
CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D)
NORMALIZATIONS = (layers.BatchNormalization, layers.LayerNormalization, layers.GroupNormalization)


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

    The operator is what sees a neighbourhood: an involution or an attention, with all that makes
    its kernels, or a convolution larger than 1x1, except that of a stem, which all the networks of
    a skeleton share.
    """
    if layer.name.startswith("head"):
        return "head"
    if isinstance(layer, OWN_OPERATORS):
        return "operator"
    if isinstance(layer, CONVOLUTIONS) and max(layer.kernel_size) > 1:
        return "other" if layer.name.startswith("stem") else "operator"
    if isinstance(layer, NORMALIZATIONS):
        return "normalization"
    declared = _registered(layer)
    # A 1x1 convolution mixes no neighbourhood, whatever slot it stands in.
    if declared is None or isinstance(layer, CONVOLUTIONS):
        return "other"
    return declared.role
