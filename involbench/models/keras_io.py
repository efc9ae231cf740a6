"""The networks of the keras.io tutorial "Involutional neural networks", their control, and `plain`.

Reference: https://keras.io/examples/vision/involution/ (A. R. Gosthipaty and R. Raha, 2021).
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from involbench.operators import apply_operator, for_stages
from involbench.registry import architecture
from involbench.schema_types import KernelSize, PositiveInt, StageKernelSizes
from involbench.spec.architectures import StageOperators


@architecture()
def keras_io_cnn(input_shape: tuple[int, int, int], num_classes: int) -> Any:
    """The convolutional network of the keras.io involution tutorial.

    Three 3x3 convolutions of 32, 64 and 64 filters. 319,178 trainable parameters for
    32x32x3 images and 10 classes.
    """
    import keras
    from keras import layers

    inputs = keras.Input(input_shape)
    x = layers.Conv2D(32, 3, padding="same", name="conv_1")(inputs)
    x = layers.MaxPooling2D(name="pool_1")(layers.ReLU(name="relu_1")(x))
    x = layers.Conv2D(64, 3, padding="same", name="conv_2")(x)
    x = layers.MaxPooling2D(name="pool_2")(layers.ReLU(name="relu_2")(x))
    x = layers.Conv2D(64, 3, padding="same", name="conv_3")(x)
    x = layers.ReLU(name="relu_3")(x)
    return keras.Model(inputs, _head(x, num_classes), name="keras_io_cnn")


@architecture()
def keras_io_inn(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    kernel_size: KernelSize = 3,
    reduction_ratio: Annotated[PositiveInt, Field(le=3)] = 2,
) -> Any:
    """The involutional network of the keras.io involution tutorial.

    Three involutions where the CNN has convolutions. They keep the image's channels, so their
    generators have `channels // reduction_ratio` hidden channels: a single one for RGB images by
    default. It and the image are never negative, so that negative generator weights make every
    output of an involution negative. The ReLU behind it is then zero, and the network constant.
    13,074 trainable parameters for 32x32x3 images and 10 classes, of which 72 are involution, and
    6 that are not trainable.

    Args:
        kernel_size: Height and width of the involution kernels; odd.
        reduction_ratio: The kernel generator reduces 3 channels to 3 // reduction_ratio; at most 3.
    """
    import keras
    from keras import layers

    from involbench.layers import Involution2D

    inputs = keras.Input(input_shape)
    x = inputs
    for stage in (1, 2, 3):
        x = Involution2D(
            kernel_size,
            group_layout="interleaved",
            reduction_ratio=reduction_ratio,
            use_reduce_bias=True,
            name=f"inv_{stage}",
        )(x)
        x = layers.ReLU(name=f"relu_{stage}")(x)
        if stage < 3:
            x = layers.MaxPooling2D(name=f"pool_{stage}")(x)
    return keras.Model(inputs, _head(x, num_classes), name="keras_io_inn")


@architecture()
def keras_io_control(input_shape: tuple[int, int, int], num_classes: int) -> Any:
    """The keras.io involutional network with its involutions left out.

    Two poolings and the dense head: what it reaches, the head reaches alone. 13,002 trainable
    parameters for 32x32x3 images and 10 classes.
    """
    import keras
    from keras import layers

    inputs = keras.Input(input_shape)
    x = layers.MaxPooling2D(name="pool_1")(layers.ReLU(name="relu_1")(inputs))
    x = layers.MaxPooling2D(name="pool_2")(layers.ReLU(name="relu_2")(x))
    x = layers.ReLU(name="relu_3")(x)
    return keras.Model(inputs, _head(x, num_classes), name="keras_io_control")


def _scale(arguments: Mapping[str, Any], width: int) -> dict[str, Any]:
    """A width of the first stage, and the others in proportion."""
    widths = arguments["widths"]
    return {"widths": tuple(max(1, round(width * other / widths[0])) for other in widths)}


@architecture(
    any_image_size=lambda arguments: arguments.get("head") == "pooling",
    channels=lambda arguments: arguments["widths"],
    scale=_scale,
)
def plain(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    operator: StageOperators = "convolution",
    widths: Annotated[tuple[PositiveInt, ...], Field(strict=False, min_length=1)] = (32, 64, 64),
    kernel_size: StageKernelSizes = 3,
    pointwise: bool = False,
    normalization: Literal["none", "batch"] = "none",
    head: Literal["dense", "pooling"] = "dense",
) -> Any:
    """The shape of the keras.io networks, for any operator and any widths.

    One operator a stage, ReLU, max pooling between the stages, and the tutorial's head. With the
    defaults it is the tutorial's CNN, of 319,178 trainable parameters for 32x32x3 images and 10
    classes. An operator that keeps the channels gets a 1x1 convolution in front where the
    width changes, so that networks of equal width exist of every operator.

    With `pointwise`, every operator has this convolution, so that networks differ by nothing but
    the operator.

    Args:
        widths: Channels of each stage; there is a pooling between each two.
        kernel_size: Height and width of the operator's neighbourhood, odd; or a list of them, one
            for each stage.
        pointwise: Whether a 1x1 convolution to the width of the stage stands before each operator.
        normalization: `batch`, between each operator and its ReLU (momentum 0.9, as `resnet`), or
            `none`.
        head: `dense`, the tutorial's hidden layer of 64 units on all pixels, or `pooling`, the mean
            of each channel.

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
    operators = for_stages("operator", operator, len(widths))
    sizes = for_stages("kernel_size", kernel_size, len(widths))
    inputs = x = keras.Input(input_shape)
    for stage, (width, kind, size) in enumerate(zip(widths, operators, sizes, strict=True), 1):
        if pointwise:
            x = layers.Conv2D(width, 1, name=f"pointwise_{stage}")(x)
        x = apply_operator(x, kind, width, size, 1, f"operator_{stage}", presets={})
        if normalization == "batch":
            x = layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, name=f"normalization_{stage}"
            )(x)
        x = layers.ReLU(name=f"relu_{stage}")(x)
        if stage < len(widths):
            x = layers.MaxPooling2D(name=f"pool_{stage}")(x)
    if head == "pooling":
        x = layers.GlobalAveragePooling2D(name="head_pool")(x)
        return keras.Model(inputs, _logits(x, num_classes), name="plain")
    return keras.Model(inputs, _head(x, num_classes), name="plain")


def _head(features: Any, num_classes: int) -> Any:
    from keras import layers

    x = layers.Flatten(name="flatten")(features)
    return _logits(layers.Dense(64, activation="relu", name="head_hidden")(x), num_classes)


def _logits(features: Any, num_classes: int) -> Any:
    from keras import layers

    # Probabilities and losses are computed in float32 under every precision.
    return layers.Dense(num_classes, dtype="float32", name="head_logits")(features)
