"""Involution: a kernel generated at each pixel and shared by a group of channels."""

from collections.abc import Mapping, Sequence
from typing import Any

from involbench.operators._arguments import (
    KerasObject,
    Number,
    Share,
    Switch,
    Text,
    Whole,
    divisor_faults,
    one_of,
)
from involbench.registry import operator

_GROUP_CHANNELS, _REDUCTION_RATIO = 16, 4


def _faults(given: Mapping[str, Any], channels: Sequence[int]) -> dict[str, str]:
    divisors = {"group_channels": _GROUP_CHANNELS}
    if "groups" in given:
        if "group_channels" in given:
            return {"group_channels": "contradicts groups; leave one of them out"}
        divisors = {"groups": 1}
    found, fewest = divisor_faults(divisors, given, channels), min(channels)
    ratio = given.get("reduction_ratio", _REDUCTION_RATIO)
    if "reduce_filters" not in given and fewest < ratio:
        found["reduction_ratio"] = f"expected at most the {fewest} channels, got {ratio}"
    return found


@operator(keeps_channels=True, check=_faults)
def involution(
    channels: int,
    kernel_size: int,
    strides: int,
    *,
    dilation_rate: Whole = 1,
    groups: Whole = None,  # type: ignore[assignment]
    group_channels: Whole = None,  # type: ignore[assignment]
    group_layout: one_of("contiguous", "interleaved") = "contiguous",  # type: ignore[valid-type]
    reduction_ratio: Whole = _REDUCTION_RATIO,
    reduce_filters: Whole = None,  # type: ignore[assignment]
    padding: one_of("same", "keras_io") = "same",  # type: ignore[valid-type]
    normalization: one_of("batch", "layer", "group", None) = "batch",  # type: ignore[valid-type]
    momentum: Share = 0.9,
    epsilon: Number = 1e-5,
    activation: Text = "relu",
    kernel_activation: Text = None,
    use_reduce_bias: Switch = False,
    use_span_bias: Switch = True,
    identity_start: Switch = False,
    generator_input: one_of("image", "constant") = "image",  # type: ignore[valid-type]
    kernel_initializer: KerasObject = "glorot_uniform",
    bias_initializer: KerasObject = "zeros",
    kernel_regularizer: KerasObject = None,
    bias_regularizer: KerasObject = None,
    activity_regularizer: KerasObject = None,
    kernel_constraint: KerasObject = None,
    bias_constraint: KerasObject = None,
) -> Any:
    """`Involution2D` as its authors publish it: 16 channels a group, reduction ratio 4.

    Args:
        dilation_rate: Distance between the taps of a kernel, in pixels.
        groups: Number of channel groups that each have a kernel, in place of `group_channels`.
        group_channels: Channels that share a kernel; divides the channels. Default: 16.
        group_layout: `contiguous`, as in the official code: neighbouring channels are a group.
            `interleaved`, as in the keras.io example: channel c is in group c mod groups.
        reduction_ratio: How many times fewer filters the first 1x1 convolution has than channels.
        reduce_filters: Filters of the first 1x1 convolution, in place of `reduction_ratio`.
        padding: `same`, symmetric zeros, or `keras_io`, TensorFlow's SAME.
        normalization: Normalization between the two 1x1 convolutions.
        momentum: Momentum of the moving averages of batch normalization.
        epsilon: Number added to the variances in normalization.
        activation: Activation between the two 1x1 convolutions.
        kernel_activation: Activation of the kernels: `softmax` over the taps of each, or null.
        use_reduce_bias: Whether the first 1x1 convolution has a bias.
        use_span_bias: Whether the second 1x1 convolution has a bias.
        identity_start: Whether every kernel begins as the identity.
        generator_input: `image`, or `constant`, a control: the same kernels at every pixel.
        kernel_initializer: Initializer of the weights of both 1x1 convolutions.
        bias_initializer: Initializer of the biases of both.
        kernel_regularizer: Regularizer of the weights of both.
        bias_regularizer: Regularizer of the biases of both.
        activity_regularizer: Regularizer of the output of the layer.
        kernel_constraint: Constraint of the weights of both.
        bias_constraint: Constraint of the biases of both.
    """
    own = dict(locals())
    for key in ("channels", "kernel_size", "strides"):
        own.pop(key)
    if groups is None and group_channels is None:
        own["group_channels"] = _GROUP_CHANNELS
    from involbench.layers.involution2d import Involution2D

    return Involution2D(kernel_size, strides, **own)
