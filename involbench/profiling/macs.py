"""One layer -> its multiply-accumulates, from its shapes, without running it."""

import math
from collections.abc import Callable
from typing import Any

from keras import layers

from involbench.layers import Involution2D, LocalSelfAttention2D, OutlookAttention2D

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
    if count is None:
        return None
    inputs, outputs = tuple(layer.input.shape[1:]), tuple(layer.output.shape[1:])
    return None if None in inputs + outputs else count(layer, inputs, outputs)


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
