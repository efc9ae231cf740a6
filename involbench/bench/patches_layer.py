"""The involution layer as the keras.io example writes it, for the benchmark to be held against."""

from typing import Any

import keras
from keras import layers, ops

from involbench.bench.call import backend_tools


class PatchesInvolution2D(layers.Layer):
    """The keras.io example's layer at stride 1 with one group: a generator, then patches.

    Its weights have the shapes and the order of `Involution2D`'s.

    Args:
        kernel_size: Odd integer, height and width of the kernels.
        reduction_ratio: Integer, how many times fewer filters the generator's first convolution
            has than the input has channels.

    Reference: https://keras.io/examples/vision/involution/ (A. R. Gosthipaty and R. Raha, 2021).
    """

    def __init__(self, kernel_size: int, reduction_ratio: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernel_size, self.reduction_ratio = kernel_size, reduction_ratio

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = input_shape[-1] or 0
        self.generator = keras.Sequential(
            [
                layers.Conv2D(channels // self.reduction_ratio, 1),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.Conv2D(self.kernel_size**2, 1),
            ]
        )
        self.generator.build(input_shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        kernels = ops.expand_dims(self.generator(inputs, training=training), 3)
        tools = backend_tools()
        if tools.DATA_FORMAT == "channels_last":
            return tools.patches(inputs, kernels, self.kernel_size, 1)
        images, kernels = ops.moveaxis(inputs, 3, 1), ops.moveaxis(kernels, (3, 4), (1, 2))
        return ops.moveaxis(tools.patches(images, kernels, self.kernel_size, 1), 1, 3)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> Any:
        return input_shape
