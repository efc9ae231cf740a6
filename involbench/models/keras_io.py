"""The networks of the keras.io tutorial "Involutional neural networks", and their control.

Reference: https://keras.io/examples/vision/involution/ (A. R. Gosthipaty and R. Raha, 2021).
"""

import keras
from keras import layers

from involbench.layers import Involution2D


def keras_io_cnn(input_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """The tutorial's CNN: three 3x3 convolutions of 32, 64 and 64 filters.

    319,178 trainable parameters for 32x32x3 images and 10 classes.
    """
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(32, 3, padding="same", name="conv_1")(inputs)
    x = layers.MaxPooling2D(name="pool_1")(layers.ReLU(name="relu_1")(x))
    x = layers.Conv2D(64, 3, padding="same", name="conv_2")(x)
    x = layers.MaxPooling2D(name="pool_2")(layers.ReLU(name="relu_2")(x))
    x = layers.Conv2D(64, 3, padding="same", name="conv_3")(x)
    x = layers.ReLU(name="relu_3")(x)
    return keras.Model(inputs, _head(x, num_classes), name="keras_io_cnn")


def keras_io_inn(
    input_shape: tuple[int, int, int],
    num_classes: int,
    kernel_size: int = 3,
    reduction_ratio: int = 2,
) -> keras.Model:
    """The tutorial's INN: three involutions where the CNN has convolutions.

    The involutions keep the image's channels, so their generators have `channels //
    reduction_ratio` hidden channels: a single one for RGB images by default, and where its ReLU
    dies the network is constant. 13,074 trainable parameters for 32x32x3 images and 10 classes,
    of which 72 are involution, and 6 that are not trainable.
    """
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


def keras_io_control(input_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """The INN with its involutions left out: two poolings and the dense head.

    What it reaches, the head reaches alone. 13,002 trainable parameters for 32x32x3 images and
    10 classes.
    """
    inputs = keras.Input(input_shape)
    x = layers.MaxPooling2D(name="pool_1")(layers.ReLU(name="relu_1")(inputs))
    x = layers.MaxPooling2D(name="pool_2")(layers.ReLU(name="relu_2")(x))
    x = layers.ReLU(name="relu_3")(x)
    return keras.Model(inputs, _head(x, num_classes), name="keras_io_control")


def _head(features: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
    x = layers.Flatten(name="flatten")(features)
    x = layers.Dense(64, activation="relu", name="head_hidden")(x)
    # Probabilities and losses are computed in float32 under every precision.
    return layers.Dense(num_classes, dtype="float32", name="head_logits")(x)
