"""Architecture name -> keras.Model. Keras is imported when a model is built."""

from typing import TYPE_CHECKING, Any

from involbench.registry import architectures

if TYPE_CHECKING:
    import keras

    from involbench.layers import load_official_weights

__all__ = ["build_model", "load_official_weights"]


def __getattr__(name: str) -> Any:
    if name == "load_official_weights":
        from involbench.layers import load_official_weights

        return load_official_weights
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def build_model(
    name: str, input_shape: tuple[int, int, int], num_classes: int, **arguments: Any
) -> "keras.Model":
    """Build an untrained model.

    Args:
        name: An architecture's name, such as `"keras_io_inn"`.
        input_shape: (height, width, channels) of the images, scaled to about unit range.
        num_classes: Number of classes.
        **arguments: The architecture's own arguments.

    Returns:
        A model from images (B, height, width, channels) to logits (B, num_classes). Layers named
        `head*` turn features into logits, the others make the features.

    Raises:
        ValueError: The name is unknown, an argument is out of range, or it returns something else.
    """
    import keras

    known = architectures()
    if name not in known:
        raise ValueError(f"`name` must be one of {sorted(known)}. Received: name={name!r}")
    model = known[name].build(input_shape, num_classes, **arguments)
    shapes = [tuple(output.shape) for output in getattr(model, "outputs", None) or ()]
    if not isinstance(model, keras.Model) or shapes != [(None, num_classes)]:
        found = f"outputs of shape {shapes}" if shapes else repr(model)
        raise ValueError(
            f"{known[name].where}: {name} must return a functional keras.Model with logits of "
            f"shape {(None, num_classes)}. Received: {found}"
        )
    return model
