"""The authors' PyTorch checkpoints of RedNet, for `rednet`."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import layers

from involbench.layers import Involution2D
from involbench.layers.official_weights import load_official_weights as load_involution

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
        ValueError: An array is missing, has no place in the model, or does not fit. A model whose
            arrays are missing or left over is as it was.

    Reference: https://github.com/d-li14/involution
    """
    rows = [layer for layer in model.layers if layer.weights]
    wanted = {f"{official_name(row.name)}.{name}": row for row in rows for name in _names(row)}
    given = {name for name in arrays if not name.endswith("num_batches_tracked")}
    for what, names in (("lack", wanted.keys() - given), ("hold too much", given - wanted.keys())):
        if names:
            first = ", ".join(sorted(names)[:3])
            raise ValueError(
                f"`arrays` {what}: {first}, {len(names)} in all; they are of another depth, or of "
                f"another network. Received: {len(given)} arrays for {model.name}"
            )
    for row in rows:
        prefix = f"{official_name(row.name)}."
        own = {name: np.asarray(arrays[prefix + name]) for name in _names(row)}
        _set(row, own)


def _names(layer: layers.Layer) -> tuple[str, ...]:
    """The arrays of a layer, without what they have in common."""
    if isinstance(layer, Involution2D):
        return _INVOLUTION
    if isinstance(layer, layers.BatchNormalization):
        return tuple(_NORMALIZATION.values())
    return ("weight", "bias") if layer.use_bias else ("weight",)


def _set(layer: layers.Layer, arrays: Mapping[str, np.ndarray]) -> None:
    if isinstance(layer, Involution2D):
        load_involution(layer, arrays)
        return
    if isinstance(layer, layers.BatchNormalization):
        pairs = [(getattr(layer, own), arrays[name]) for own, name in _NORMALIZATION.items()]
    else:
        kernel = arrays["weight"].transpose((2, 3, 1, 0) if arrays["weight"].ndim == 4 else None)
        pairs = [(layer.kernel, kernel)]
        pairs += [(layer.bias, arrays["bias"])] if layer.use_bias else []
    for variable, array in pairs:
        if tuple(variable.shape) != array.shape:
            raise ValueError(
                f"`arrays` do not fit {variable.path} of shape {tuple(variable.shape)}. "
                f"Received: an array of shape {array.shape}"
            )
        variable.assign(array)
