"""Where a skeleton puts the operator that is compared."""

from collections.abc import Mapping
from inspect import signature
from typing import Any

from involbench.operators import make_operator
from involbench.registry import operators

Operator = str | Mapping[str, Any]
"""An operator's name, or a mapping with its `name` and its own arguments."""


def named(operator: Operator) -> tuple[str, dict[str, Any]]:
    """An operator's name and its own arguments.

    Raises:
        ValueError: It is a mapping without a name.
    """
    if isinstance(operator, str):
        return operator, {}
    if "name" not in operator:
        raise ValueError(f"`operator` must have a name. Received: operator={dict(operator)}")
    return operator["name"], {key: value for key, value in operator.items() if key != "name"}


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
        filters: Channels of the result.
        kernel_size: Height and width of the neighbourhood; odd.
        strides: Distance between output pixels.
        name: Of the operator's layer; the convolution's is `<name>_widen`.
        presets: The skeleton's own defaults of arguments, for the operators that have them.

    Returns:
        Features (B, ceil(H / strides), ceil(W / strides), filters).

    Raises:
        ValueError: The operator is unknown, or an argument is out of range.
    """
    kind, arguments = named(operator)
    known = operators().get(kind)
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


def _of_keras(value: Any) -> Any:
    """`{"name": "l2", "l2": 0.01}` as Keras spells it; anything but a mapping as it is."""
    if not isinstance(value, Mapping):
        return value
    name, arguments = named(value)
    return {"class_name": name, "config": arguments}
