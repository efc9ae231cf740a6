"""A deep stack of residual involutions between two convolutions, as published and as it can run."""

from typing import Annotated, Any

from pydantic import Field

from involbench.operators import apply_operator
from involbench.registry import architecture
from involbench.schema_types import KernelSize, PositiveInt
from involbench.spec.architectures import OperatorSpec

_PRESETS = {"use_reduce_bias": True}


@architecture(channels=lambda arguments: (arguments["width"],))
def residual_involution(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    num_layers: Annotated[PositiveInt, Field(le=1000)] = 50,
    operator: OperatorSpec = "involution",
    kernel_size: KernelSize = 3,
    width: PositiveInt = 64,
) -> Any:
    """A deep stack of residual blocks of one operator each, at the full size of the image.

    A 3x3 convolution to `width` channels, residual operators, a 3x3 convolution to 3, a head.

    The published network has 50 involutions of 64 channels, 16 a group, with kernels of 3x3,
    reduction ratio 4, a bias on the reduce convolution and no stride; its twin is this one with
    `operator="convolution"`.

    The printed code is cut off and cannot run. What is repaired: the residual block is completed as
    `relu(x + norm(operator(x)))`, since 50 sums without normalization grow beyond all bounds; both
    convolutions keep the image's size, so that the head fits images of any size, where the printed
    one fits 32x32; the first convolution and the hidden layer of 500 units have ReLUs. The last
    convolution has none: 50 blocks end in positive numbers alone, so that Adam's first steps move
    all that it makes together, and three channels of ReLUs are soon dead for good. The
    normalizations have the momentum and epsilon of `resnet` and of the authors' generators: with
    0.99 the moving averages were far behind after two epochs, and the tested network at chance.

    Args:
        num_layers: Number of residual blocks.
        kernel_size: Height and width of the operator's neighbourhood; odd.
        width: Channels of the blocks.

    Returns:
        A model from images to logits (B, num_classes).

    Raises:
        ValueError: The operator's arguments do not fit.
    """
    import keras
    from keras import layers

    inputs = keras.Input(input_shape)
    x = layers.Conv2D(width, 3, padding="same", activation="relu", name="stem_conv")(inputs)
    for block in range(1, num_layers + 1):
        y = apply_operator(x, operator, width, kernel_size, 1, f"operator_{block}", _PRESETS)
        y = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"norm_{block}")(y)
        x = layers.ReLU(name=f"relu_{block}")(layers.Add(name=f"add_{block}")([x, y]))
    x = layers.Conv2D(3, 3, padding="same", name="head_conv")(x)
    x = layers.Flatten(name="head_flatten")(x)
    x = layers.Dense(500, activation="relu", name="head_hidden")(x)
    logits = layers.Dense(num_classes, dtype="float32", name="head_logits")(x)
    return keras.Model(inputs, logits, name="residual_involution")
