"""The networks of the Python Guides article "Involutional Neural Networks in Keras", made to run.

Reference: https://pythonguides.com/involutional-neural-networks-keras/
"""

from typing import Annotated, Any

from pydantic import Field

from involbench.registry import architecture
from involbench.schema_types import KernelSize, PositiveInt


@architecture(any_image_size=True)
def pythonguides_cnn(input_shape: tuple[int, int, int], num_classes: int) -> Any:
    """The convolutional network of the Python Guides article on involution.

    Two 3x3 convolutions of 32 and 64 filters, the second with stride 2. 29,002 parameters for
    32x32x3 images and 10 classes. Ends in logits, where the article has probabilities.
    """
    import keras
    from keras import layers

    inputs = keras.Input(input_shape)
    x = layers.Conv2D(32, 3, padding="same", activation="relu", name="conv_1")(inputs)
    x = layers.Conv2D(64, 3, strides=2, padding="same", activation="relu", name="conv_2")(x)
    return keras.Model(inputs, _head(x, num_classes), name="pythonguides_cnn")


@architecture(any_image_size=True)
def pythonguides_inn(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    kernel_size: KernelSize = 3,
    reduction_ratio: Annotated[PositiveInt, Field(le=32)] = 4,
) -> Any:
    """The involutional network of the Python Guides article, with its layer made to run.

    Involutions of 32 and 64 channels, the second with stride 2. A kernel a channel, with a softmax
    over its taps; biases and no normalization in the generator; batch normalization and ReLU after
    each involution.

    The printed layer cannot run: it multiplies patches of the input's channels with kernels of its
    own number of channels, and the kernels of the strided layer are not strided. Two repairs: where
    the channels differ, a 1x1 convolution to the layer's channels comes first; and the kernels are
    made from the average-pooled input. The printed layers have 22,938 parameters for RGB images
    and 10 classes; the two 1x1 convolutions add 2,240 and the generators, which now see 32 and 64
    channels in place of 3 and 32, add 744, which makes 25,922. Ends in logits, as the CNN.

    Args:
        kernel_size: Height and width of the operator's neighbourhood; odd.
        reduction_ratio: The kernel generator reduces 32 and 64 channels by this; at most 32.
    """
    import keras
    from keras import layers

    from involbench.layers import Involution2D

    inputs = x = keras.Input(input_shape)
    for stage, (channels, strides) in enumerate(((32, 1), (64, 2)), start=1):
        if x.shape[-1] != channels:
            x = layers.Conv2D(channels, 1, name=f"widen_{stage}")(x)
        x = Involution2D(
            kernel_size,
            strides,
            groups=channels,
            reduction_ratio=reduction_ratio,
            normalization=None,
            kernel_activation="softmax",
            use_reduce_bias=True,
            name=f"inv_{stage}",
        )(x)
        x = layers.BatchNormalization(name=f"norm_{stage}")(x)
        x = layers.ReLU(name=f"relu_{stage}")(x)
    return keras.Model(inputs, _head(x, num_classes), name="pythonguides_inn")


def _head(features: Any, num_classes: int) -> Any:
    from keras import layers

    x = layers.GlobalAveragePooling2D(name="head_pool")(features)
    x = layers.Dense(128, activation="relu", name="head_hidden")(x)
    return layers.Dense(num_classes, dtype="float32", name="head_logits")(x)
