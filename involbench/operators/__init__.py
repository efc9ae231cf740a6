"""Operators, one a file: its arguments, its layer and what must fit its channels."""

from typing import Any

from involbench import registry


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
