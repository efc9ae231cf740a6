"""The weights of the authors' PyTorch code, for `Involution2D.official` and for `rednet`.

Reference: https://github.com/d-li14/involution
"""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from involbench.layers.involution2d import Involution2D

# The names of the authors, by those of Keras.
_NORMALIZATION = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_INVOLUTION = {"reduce": "conv1.conv", "span": "conv2.conv", "normalization": "conv1.bn"}
_AXES = {4: (2, 3, 1, 0), 2: (1, 0)}


def load_official_weights(target: Any, arrays: Mapping[str, Any]) -> None:
    """Set the weights of a layer or of a RedNet to those of the authors' PyTorch code.

    Convolutions (out, in, Kh, Kw) become (Kh, Kw, in, out), the dense layer (out, in) becomes
    (in, out). All else is the same: the filters of the span are ordered group by group, with taps
    in row-major order. The checkpoints were trained on RGB images x of 0 to 255, as
    (x - (123.675, 116.28, 103.53)) / (58.395, 57.12, 57.375).

    Args:
        target: A built `Involution2D.official(...)`, or
            `build_model("rednet", (224, 224, 3), 1000, depth=...)`, of the checkpoint's depth.
        arrays: The `state_dict` of the PyTorch layer or of the checkpoint, as NumPy arrays: for a
            layer `conv1.conv.weight`, `conv1.bn.weight`, `.bias`, `.running_mean`, `.running_var`,
            `conv2.conv.weight` and `conv2.conv.bias`, of which others are ignored.
            `num_batches_tracked` is not read.

    Raises:
        ValueError: The layer is not built or not of the official form, the model is no RedNet, or
            an array is missing, has no place in the model, or does not fit. No weight was set.
    """
    if isinstance(target, keras.Model):
        wanted = _of_rednet(target, arrays)
    else:
        wanted = dict(_of_layer(target, ""))
        if missing := [name for name in wanted if name not in arrays]:
            raise ValueError(f"`arrays` must hold {', '.join(missing)}. Received: {sorted(arrays)}")
    values = {name: np.asarray(arrays[name]) for name in wanted}
    values = {name: np.transpose(each, _AXES.get(each.ndim)) for name, each in values.items()}
    for name, variable in wanted.items():
        if tuple(variable.shape) != values[name].shape:
            raise ValueError(
                f"`arrays` do not fit {variable.path} of shape {tuple(variable.shape)}. "
                f"Received: {name} of shape {values[name].shape}, in the order of Keras"
            )
    for name, variable in wanted.items():
        variable.assign(values[name])


def _of_rednet(model: keras.Model, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The variables by the names of the authors, which must be those of the arrays.

    `stem_0_conv` is `backbone.stem.0.conv`, `layer3_5_conv2` is `backbone.layer3.5.conv2`, and so
    on, with dots for underscores; `head_logits` is `head.fc`.
    """
    if model.name != "rednet":
        raise ValueError(f"`model` must be a `rednet`. Received: a {model.name}")
    wanted = dict[str, Any]()
    for layer in model.layers:
        dotted = f"backbone.{layer.name.replace('_', '.')}."
        prefix = "head.fc." if layer.name == "head_logits" else dotted
        wanted |= _of_layer(layer, prefix) if layer.weights else ()
    given = {name for name in arrays if not name.endswith("num_batches_tracked")}
    for what, names in (("lack", wanted.keys() - given), ("hold too much", given - wanted.keys())):
        if names:
            first = ", ".join(sorted(names)[:3])
            raise ValueError(
                f"`arrays` {what}: {first}, {len(names)} in all; they are of another depth, or of "
                f"another network. Received: {len(given)} arrays for {model.name}"
            )
    return wanted


def _of_layer(layer: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """The variables of a layer, each with its name."""
    if isinstance(layer, Involution2D):
        _require_official(layer)
        for part, name in _INVOLUTION.items():
            yield from _of_layer(getattr(layer, part), f"{prefix}{name}.")
    elif isinstance(layer, keras.layers.BatchNormalization):
        for part, name in _NORMALIZATION.items():
            yield f"{prefix}{name}", getattr(layer, part)
    else:
        yield f"{prefix}weight", layer.kernel
        if layer.use_bias:
            yield f"{prefix}bias", layer.bias


def _require_official(layer: Involution2D) -> None:
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
