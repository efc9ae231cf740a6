"""The authors' PyTorch checkpoints of RedNet, for `rednet`."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import layers

from involbench.layers import Involution2D
from involbench.layers.official_weights import assign, paired

_NORMALIZATION = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_INVOLUTION = (
    *("conv1.conv.weight", "conv2.conv.weight", "conv2.conv.bias"),
    *(f"conv1.bn.{name}" for name in _NORMALIZATION.values()),
)


def official_name(layer: str) -> str:
    """What the authors' checkpoint calls a layer of `rednet`.

    `stem_0_conv` is `backbone.stem.0.conv`, `layer3_5_conv2` is `backbone.layer3.5.conv2`, and so
    on, with dots for underscores; `head_logits` is `head.fc`.
    """
    return "head.fc" if layer == "head_logits" else f"backbone.{layer.replace('_', '.')}"


def load_official_weights(model: keras.Model, arrays: Mapping[str, Any]) -> None:
    """Set the weights of a RedNet from those of the authors' checkpoint.

    Convolutions (out, in, Kh, Kw) become (Kh, Kw, in, out), the dense layer (out, in) becomes
    (in, out), all else is the same. The checkpoints were trained on RGB images x of 0 to 255, as
    (x - (123.675, 116.28, 103.53)) / (58.395, 57.12, 57.375).

    Args:
        model: `build_model("rednet", (224, 224, 3), 1000, depth=...)`, of the checkpoint's depth.
        arrays: The checkpoint's `state_dict`, as NumPy arrays, under the names that
            `official_name` gives. `num_batches_tracked` is left unread.

    Raises:
        ValueError: The model is no RedNet, or an array is missing, has no place in the model, or
            does not fit. The model is as it was.

    Reference: https://github.com/d-li14/involution
    """
    rows = [layer for layer in model.layers if layer.weights]
    if model.name != "rednet":
        raise ValueError(f"`model` must be a `rednet`. Received: a {model.name}")
    wanted = {f"{official_name(row.name)}.{name}": row for row in rows for name in _names(row)}
    given = {name for name in arrays if not name.endswith("num_batches_tracked")}
    for what, names in (("lack", wanted.keys() - given), ("hold too much", given - wanted.keys())):
        if names:
            first = ", ".join(sorted(names)[:3])
            raise ValueError(
                f"`arrays` {what}: {first}, {len(names)} in all; they are of another depth, or of "
                f"another network. Received: {len(given)} arrays for {model.name}"
            )
    weights = list[tuple[keras.Variable, np.ndarray]]()
    for row in rows:
        prefix = f"{official_name(row.name)}."
        weights += _pairs(row, {name: np.asarray(arrays[prefix + name]) for name in _names(row)})
    assign(weights)


def _names(layer: layers.Layer) -> tuple[str, ...]:
    """The arrays of a layer, without what they have in common."""
    if isinstance(layer, Involution2D):
        return _INVOLUTION
    if isinstance(layer, layers.BatchNormalization):
        return tuple(_NORMALIZATION.values())
    return ("weight", "bias") if layer.use_bias else ("weight",)


def _pairs(
    layer: layers.Layer, arrays: Mapping[str, np.ndarray]
) -> list[tuple[keras.Variable, np.ndarray]]:
    """The layer's variables, each with its array."""
    if isinstance(layer, Involution2D):
        return paired(layer, arrays)
    if isinstance(layer, layers.BatchNormalization):
        return [(getattr(layer, own), arrays[name]) for own, name in _NORMALIZATION.items()]
    kernel = arrays["weight"].transpose((2, 3, 1, 0) if arrays["weight"].ndim == 4 else None)
    return [(layer.kernel, kernel), *([(layer.bias, arrays["bias"])] if layer.use_bias else [])]
