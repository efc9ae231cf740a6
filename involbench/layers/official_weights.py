"""Weights of the authors' PyTorch layer, for `Involution2D.official`."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from involbench.layers.involution2d import Involution2D

# Their names in the layer of the authors: https://github.com/d-li14/involution.
_REDUCE = "conv1.conv.weight"
_SPAN = ("conv2.conv.weight", "conv2.conv.bias")
_NORMALIZATION = {
    "gamma": "conv1.bn.weight",
    "beta": "conv1.bn.bias",
    "moving_mean": "conv1.bn.running_mean",
    "moving_variance": "conv1.bn.running_var",
}


def load_official_weights(layer: Involution2D, arrays: Mapping[str, Any]) -> None:
    """Set the weights of a built layer to those of the authors' PyTorch layer.

    1x1 convolutions (out, in, 1, 1) become (1, 1, in, out). All else is the same: the filters of
    the span are ordered group by group, with taps in row-major order.

    Args:
        layer: A built `Involution2D.official(...)`.
        arrays: The PyTorch layer's state dict, as NumPy arrays: `conv1.conv.weight`,
            `conv1.bn.weight`, `.bias`, `.running_mean`, `.running_var`, `conv2.conv.weight`,
            `conv2.conv.bias`. Others, such as `num_batches_tracked`, are ignored.

    Raises:
        ValueError: The layer is not built or not of the official form, or an array is missing or
            has a wrong shape.
    """
    assign(paired(layer, arrays))


def paired(
    layer: Involution2D, arrays: Mapping[str, Any]
) -> list[tuple[keras.Variable, np.ndarray]]:
    """The variables of the layer, each with its array; see `load_official_weights`."""
    if not layer.built:
        raise ValueError(f"`layer` must be built first. Received: layer={layer.name}, not built")
    if layer.group_layout != "contiguous" or layer.use_reduce_bias or not layer.use_span_bias:
        raise ValueError(
            "`layer` must be of the official form: contiguous groups, no reduce bias, a span bias. "
            f"Received: layer={layer.get_config()}"
        )
    if layer.normalization_type != "batch":
        raise ValueError(
            "`layer` must use batch normalization. "
            f"Received: normalization={layer.normalization_type!r}"
        )
    weights = [
        (layer.reduce.kernel, _convolution(arrays, _REDUCE)),
        (layer.span.kernel, _convolution(arrays, _SPAN[0])),
        (layer.span.bias, _array(arrays, _SPAN[1])),
    ]
    for attribute, name in _NORMALIZATION.items():
        weights.append((getattr(layer.normalization, attribute), _array(arrays, name)))
    return weights


def assign(weights: Sequence[tuple[keras.Variable, np.ndarray]]) -> None:
    """Set variables to arrays.

    Raises:
        ValueError: A shape is wrong. No variable was set.
    """
    for variable, array in weights:
        if tuple(variable.shape) != array.shape:
            raise ValueError(
                f"`arrays` do not fit {variable.path} of shape {tuple(variable.shape)}. "
                f"Received: an array of shape {array.shape}"
            )
    for variable, array in weights:
        variable.assign(array)


def _convolution(arrays: Mapping[str, Any], name: str) -> np.ndarray:
    array = _array(arrays, name)
    if array.ndim != 4 or array.shape[2:] != (1, 1):
        raise ValueError(
            f"`arrays` must hold a 1x1 convolution as {name}. Received: shape={array.shape}"
        )
    return np.transpose(array, (2, 3, 1, 0))


def _array(arrays: Mapping[str, Any], name: str) -> np.ndarray:
    if name not in arrays:
        raise ValueError(f"`arrays` must hold {name}. Received: {sorted(arrays)}")
    return np.asarray(arrays[name])
