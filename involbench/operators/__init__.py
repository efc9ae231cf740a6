"""Operators: the arguments of each, its layer and what must fit its channels."""

from collections.abc import Mapping
from inspect import signature
from typing import Any

from involbench import registry

Operator = str | Mapping[str, Any]
"""An operator's name, or a mapping with its `name` and its own arguments."""


def make_operator(
    operator: str, filters: int, kernel_size: int, strides: int, name: str, **arguments: Any
) -> Any:
    """A layer that mixes the neighbourhood of each pixel, or, for comparison, nothing.

    Args:
        operator: The name of a registered operator.
        filters: Channels of the output, and of the input where the operator keeps the channels.
        kernel_size: Height and width of the neighbourhood; odd.
        strides: Distance between output pixels.
        name: Name of the layer.
        **arguments: The operator's own arguments.

    Returns:
        A Keras layer from images (B, H, W, channels) to
        (B, ceil(H / strides), ceil(W / strides), filters).

    Raises:
        ValueError: The operator is unknown, or an argument is out of range.
    """
    known = registry.operators()
    if operator not in known:
        raise ValueError(
            f"`operator` must be one of {tuple(known)}. Received: operator={operator!r}"
        )
    fields = known[operator].arguments.model_fields
    # What the network sets and a spec can't begins with an underscore in the signature.
    own = {key if key in fields else f"_{key}": value for key, value in arguments.items()}
    layer = known[operator].build(filters, kernel_size, strides, **own)
    layer.name = name
    layer.registered_operator = operator
    return layer


def apply_operator(
    x: Any,
    operator: Operator,
    filters: int,
    kernel_size: int,
    strides: int,
    name: str,
    presets: Mapping[str, Any],
) -> Any:
    """Apply an operator, behind a 1x1 convolution to `filters` channels if it must have as many.

    Args:
        x: Features (B, H, W, channels).
        operator: Its name, or a mapping with its name and its own arguments.
        name: Of the operator's layer; the convolution's is `<name>_widen`.
        presets: The network's own defaults of arguments, for the operators that have them.

    Returns:
        Features (B, ceil(H / strides), ceil(W / strides), filters).

    Raises:
        ValueError: The operator is unknown, or an argument is out of range.
    """
    kind, arguments = _name_and_arguments(operator)
    known = registry.operators().get(kind)
    accepted = signature(known.build).parameters if known else {}
    settings = {
        key: value
        for key, value in presets.items()
        if not accepted.keys().isdisjoint((key, f"_{key}"))
    }
    settings |= {key: _of_keras(value) for key, value in arguments.items()}
    if known and known.keeps_channels and x.shape[-1] != filters:
        from keras import layers

        x = layers.Conv2D(filters, 1, name=f"{name}_widen")(x)
    try:
        layer = make_operator(kind, filters, kernel_size, strides, name, **settings)
    except TypeError as error:
        raise ValueError(f"`operator` {kind}: {error}. Received: operator={operator}") from error
    return layer(x)


def _name_and_arguments(operator: Operator) -> tuple[str, dict[str, Any]]:
    """The name and the other arguments."""
    if isinstance(operator, str):
        return operator, {}
    if "name" not in operator:
        raise ValueError(f"`operator` must have a name. Received: operator={dict(operator)}")
    return operator["name"], {key: value for key, value in operator.items() if key != "name"}


def _of_keras(value: Any) -> Any:
    """`{"name": "l2", "l2": 0.01}` as Keras spells it; anything but a mapping as it is."""
    if not isinstance(value, Mapping):
        return value
    name, arguments = _name_and_arguments(value)
    return {"class_name": name, "config": arguments}
