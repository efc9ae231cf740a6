"""Operators: the arguments of each, its layer and what must fit its channels."""

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any

from involbench import registry

Operator = str | Mapping[str, Any]
"""An operator's name, or a mapping with its `name` and its own arguments."""


def for_stages(name: str, value: Any, count: int) -> Sequence[Any]:
    """The value of an argument for each stage of a network: one for all, or a list of them.

    Raises:
        ValueError: The list has another length.
    """
    if not isinstance(value, list | tuple):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"`{name}` must be one value, or a list of {count}, one for each stage. "
            f"Received: {name}={value}"
        )
    return value


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
        ValueError: The operator is unknown, an argument is out of range, or it returns no layer.
    """
    import keras

    known = _registered(operator)
    fields = known.arguments.model_fields
    # What the network sets and a spec can't begins with an underscore in the signature.
    own = {key if key in fields else f"_{key}": value for key, value in arguments.items()}
    layer = known.build(filters, kernel_size, strides, **own)
    if not isinstance(layer, keras.layers.Layer):
        raise ValueError(
            f"{known.where}: {operator} must return a Keras layer. Received: {layer!r}"
        )
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
        ValueError: The operator is unknown, an argument is out of range, or its layer has another
            shape.
    """
    kind, arguments = _name_and_arguments(operator)
    known = _registered(kind)
    accepted = signature(known.build).parameters
    settings = {
        key: value
        for key, value in presets.items()
        if not accepted.keys().isdisjoint((key, f"_{key}"))
    }
    settings |= {key: _of_keras(value) for key, value in arguments.items()}
    if known.keeps_channels and x.shape[-1] != filters:
        from keras import layers

        x = layers.Conv2D(filters, 1, name=f"{name}_widen")(x)
    try:
        layer = make_operator(kind, filters, kernel_size, strides, name, **settings)
    except TypeError as error:
        raise ValueError(f"`operator` {kind}: {error}. Received: operator={operator}") from error
    y = layer(x)
    size = [side and -(-side // strides) for side in x.shape[1:3]]
    if list(y.shape[1:]) != [*size, filters]:
        raise ValueError(
            f"{known.where}: {kind} must give images of shape {(*size, filters)} for those of "
            f"{tuple(x.shape[1:])} with strides {strides}. Received: {tuple(y.shape[1:])}"
        )
    return y


def _registered(name: str) -> registry.Operator:
    known = registry.operators()
    if name not in known:
        raise ValueError(f"`operator` must be one of {tuple(known)}. Received: operator={name!r}")
    return known[name]


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
