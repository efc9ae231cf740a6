"""The keras.io tutorial's shape, for any operator and any widths."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from involbench.models.slot import apply_operator
from involbench.registry import architecture
from involbench.schema_types import KernelSize, PositiveInt
from involbench.spec.architectures import OperatorSpec


def _scale(arguments: Mapping[str, Any], width: int) -> dict[str, Any]:
    """A width of the first stage, and the others in proportion."""
    widths = arguments["widths"]
    return {"widths": tuple(max(1, round(width * other / widths[0])) for other in widths)}


@architecture(channels=lambda arguments: arguments["widths"], scale=_scale)
def plain(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    operator: OperatorSpec = "convolution",
    widths: Annotated[tuple[PositiveInt, ...], Field(strict=False, min_length=1)] = (32, 64, 64),
    kernel_size: KernelSize = 3,
) -> Any:
    """The shape of the keras.io networks, for any operator and any widths.

    One operator a stage, ReLU, max pooling between the stages, and the tutorial's head. With the
    defaults it is the tutorial's CNN, of 319,178 trainable parameters for 32x32x3 images and 10
    classes. An operator that keeps the channels gets a 1x1 convolution in front where the
    width changes, so that networks of equal width exist of every operator.

    Args:
        widths: Channels of each stage; there is a pooling between each two.
        kernel_size: Height and width of the operator's neighbourhood; odd.

    Returns:
        A model from images to logits (B, num_classes).

    Raises:
        ValueError: There is no stage, the images are too small for the poolings, or the operator's
            arguments do not fit.
    """
    import keras
    from keras import layers

    if not widths:
        raise ValueError(f"`widths` must name at least one stage. Received: widths={widths}")
    if min(input_shape[:2]) >> (len(widths) - 1) == 0:
        raise ValueError(
            f"`widths` has {len(widths)} stages, with a pooling between each two, too many for "
            f"images of {input_shape[0]}x{input_shape[1]} pixels. Received: widths={widths}"
        )
    inputs = x = keras.Input(input_shape)
    for stage, width in enumerate(widths, start=1):
        x = apply_operator(x, operator, width, kernel_size, 1, f"operator_{stage}", presets={})
        x = layers.ReLU(name=f"relu_{stage}")(x)
        if stage < len(widths):
            x = layers.MaxPooling2D(name=f"pool_{stage}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(64, activation="relu", name="head_hidden")(x)
    logits = layers.Dense(num_classes, dtype="float32", name="head_logits")(x)
    return keras.Model(inputs, logits, name="plain")
