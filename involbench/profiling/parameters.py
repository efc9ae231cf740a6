"""One model -> its parameters and multiply-accumulates, by layer and by what they are for."""

import math

import keras
from keras import layers

from involbench.layers import Involution2D, LocalSelfAttention2D, OutlookAttention2D
from involbench.profiling.macs import count_macs
from involbench.results.record import ROLES, LayerParameters, Parameters, Role

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
    return "normalization" if isinstance(layer, NORMALIZATIONS) else "other"
