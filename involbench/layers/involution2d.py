"""Involution as a Keras layer."""

from typing import Any

import keras
from keras import layers

from involbench.ops.involution import GROUP_LAYOUTS, involution


@keras.saving.register_keras_serializable(package="involbench")
class Involution2D(layers.Layer):
    """2D involution: a kernel generated at each pixel, shared by groups of channels.

    The kernels are made from the image itself (average-pooled when `strides > 1`): a 1x1
    convolution to `channels // reduction_ratio` filters, batch normalization, ReLU, and a 1x1
    convolution to `kernel_size**2 * groups` filters. They are applied by
    `involbench.ops.involution`:

    `y[b,h,w,c] = sum_k H[b,h,w,g(c),k] * x[b, s*h + ki - K//2, s*w + kj - K//2, c]`

    Args:
        kernel_size: Integer, height and width of the kernels; odd.
        strides: Integer, distance between output pixels.
        groups: Integer, number of channel groups that each have a kernel; divides the channels.
        group_layout: `"contiguous"` (official code) or `"interleaved"` (keras.io example).
        reduction_ratio: Integer, how many times fewer filters the first convolution has than the
            input has channels.
        use_reduce_bias: Boolean, whether the first convolution has a bias. It has one in the
            keras.io example and none in the official code.

    Input shape:
        `(batch_size, height, width, channels)`; height and width must be known.

    Output shape:
        `(batch_size, ceil(height / strides), ceil(width / strides), channels)`

    Raises:
        ValueError: An argument is out of range, or does not fit the channels of the input.

    Example:

    >>> images = np.random.rand(4, 32, 32, 16)
    >>> Involution2D(kernel_size=7, groups=1, reduction_ratio=4)(images).shape
    (4, 32, 32, 16)

    Reference:
        - [Li et al., Involution: Inverting the Inherence of Convolution for Visual Recognition,
          CVPR 2021](https://arxiv.org/abs/2103.06255)
    """

    def __init__(
        self,
        kernel_size: int = 7,
        strides: int = 1,
        groups: int = 1,
        group_layout: str = "contiguous",
        reduction_ratio: int = 4,
        use_reduce_bias: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(
                f"`kernel_size` must be odd and positive. Received: kernel_size={kernel_size}"
            )
        for name, value in {
            "strides": strides,
            "groups": groups,
            "reduction_ratio": reduction_ratio,
        }.items():
            if value < 1:
                raise ValueError(f"`{name}` must be positive. Received: {name}={value}")
        if group_layout not in GROUP_LAYOUTS:
            raise ValueError(
                f"`group_layout` must be one of {GROUP_LAYOUTS}. Received: {group_layout=}"
            )
        self.kernel_size = kernel_size
        self.strides = strides
        self.groups = groups
        self.group_layout = group_layout
        self.reduction_ratio = reduction_ratio
        self.use_reduce_bias = use_reduce_bias

    def build(self, input_shape: tuple[int, ...]) -> None:
        channels = input_shape[-1]
        if channels % self.groups:
            raise ValueError(
                f"`groups` must divide the {channels} channels of the input. "
                f"Received: groups={self.groups}"
            )
        if channels < self.reduction_ratio:
            raise ValueError(
                f"`reduction_ratio` must be at most the {channels} channels of the input. "
                f"Received: reduction_ratio={self.reduction_ratio}"
            )
        self._make_generator(channels)
        shape = input_shape
        for layer in self._generator:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self._kernels_shape = (*shape[1:3], self.groups, self.kernel_size**2)

    def _make_generator(self, channels: int) -> None:
        filters = self.kernel_size**2 * self.groups
        policy = self.dtype_policy
        self.pool = layers.AveragePooling2D(self.strides, padding="same", dtype=policy)
        self.reduce = layers.Conv2D(
            channels // self.reduction_ratio, 1, use_bias=self.use_reduce_bias, dtype=policy
        )
        self.normalization = layers.BatchNormalization(dtype=policy)
        self.activation = layers.ReLU(dtype=policy)
        self.span = layers.Conv2D(filters, 1, dtype=policy)
        pooling = [self.pool] if self.strides > 1 else []
        self._generator = [*pooling, self.reduce, self.normalization, self.activation, self.span]

    def call(self, inputs: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        kernels = self._kernels(inputs, training)
        size = (self.kernel_size, self.kernel_size)
        return involution(inputs, kernels, size, self.strides, self.groups, self.group_layout)

    def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        batch_size, height, width, channels = input_shape
        return (batch_size, -(-height // self.strides), -(-width // self.strides), channels)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "groups": self.groups,
            "group_layout": self.group_layout,
            "reduction_ratio": self.reduction_ratio,
            "use_reduce_bias": self.use_reduce_bias,
        }

    def _kernels(self, inputs: keras.KerasTensor, training: bool | None) -> keras.KerasTensor:
        """The kernels of every pixel, (batch_size, height', width', groups, kernel_size**2)."""
        flat = inputs
        for layer in self._generator:
            flat = layer(flat, training=training) if layer is self.normalization else layer(flat)
        batch = keras.ops.shape(inputs)[0]
        if self.group_layout == "contiguous":
            return keras.ops.reshape(flat, (batch, *self._kernels_shape))
        height, width, groups, taps = self._kernels_shape
        tap_major = keras.ops.reshape(flat, (batch, height, width, taps, groups))
        return keras.ops.swapaxes(tap_major, -1, -2)
