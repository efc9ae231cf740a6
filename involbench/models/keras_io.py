"""The networks of the keras.io tutorial "Involutional neural networks", and their control.

Reference: https://keras.io/examples/vision/involution/ (A. R. Gosthipaty and R. Raha, 2021).
"""

from typing import Annotated, Any

from pydantic import Field

from involbench.registry import architecture
from involbench.schema_types import KernelSize, PositiveInt


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
    default, and where its ReLU dies the network is constant. 13,074 trainable parameters for
    32x32x3 images and 10 classes, of which 72 are involution, and 6 that are not trainable.

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


def _head(features: Any, num_classes: int) -> Any:
    from keras import layers

    x = layers.Flatten(name="flatten")(features)
    x = layers.Dense(64, activation="relu", name="head_hidden")(x)
    # Probabilities and losses are computed in float32 under every precision.
    return layers.Dense(num_classes, dtype="float32", name="head_logits")(x)
