"""Convolutions of Keras with equal zero padding on both sides at every stride, as in PyTorch.

`padding="same"` of Keras puts an odd number of zeros mostly after the image. A strided convolution
would then see other pixels than a strided involution or a strided 1x1 convolution.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras

Shape = tuple[int | None, ...]

_UNPADDED = {"padding": "valid", "data_format": "channels_last"}


class SymmetricPadding:
    """For a channels-last convolution: `kernel_size // 2` zeros, times dilation, on every side."""

    if TYPE_CHECKING:
        kernel_size: Sequence[int]
        dilation_rate: Sequence[int]

    @property
    def margins(self) -> tuple[int, int]:
        """Zeros above and below, and left and right."""
        rows, columns = (
            dilation * (size // 2)
            for size, dilation in zip(self.kernel_size, self.dilation_rate, strict=True)
        )
        return rows, columns

    def call(self, inputs: Any) -> Any:
        rows, columns = self.margins
        padded = keras.ops.pad(inputs, ((0, 0), (rows, rows), (columns, columns), (0, 0)))
        return super().call(padded)  # type: ignore[misc]

    def compute_output_shape(self, input_shape: Shape) -> Any:
        rows, columns = self.margins
        batch, height, width, channels = input_shape
        padded = (
            batch,
            None if height is None else height + 2 * rows,
            None if width is None else width + 2 * columns,
            channels,
        )
        return super().compute_output_shape(padded)  # type: ignore[misc]


@keras.saving.register_keras_serializable(package="involbench")
class SymmetricConv2D(SymmetricPadding, keras.layers.Conv2D):
    """`keras.layers.Conv2D`, padded equally on both sides.

    `y[b,h,w,c] = sum_k W[k,:,c] . x[b, s*h + d*(ki - Kh//2), s*w + d*(kj - Kw//2), :]`

    Args:
        filters: Integer, channels of the output.
        kernel_size: Odd integer, or two.
        **kwargs: As for `keras.layers.Conv2D`; `padding` and `data_format` have no effect.

    Input shape:
        `(batch_size, height, width, channels)`.

    Output shape:
        `(batch_size, ceil(height / strides), ceil(width / strides), filters)`.

    Raises:
        ValueError: As for `keras.layers.Conv2D`.

    Example:

    >>> SymmetricConv2D(8, 3, strides=2)(np.ones((1, 5, 6, 4))).shape
    (1, 3, 3, 8)

    Reference:
        - [LeCun et al., Backpropagation Applied to Handwritten Zip Code Recognition, Neural
          Computation 1989](https://doi.org/10.1162/neco.1989.1.4.541)
    """

    def __init__(self, filters: int, kernel_size: int | Sequence[int], **kwargs: Any) -> None:
        super().__init__(filters, kernel_size, **(kwargs | _UNPADDED))


@keras.saving.register_keras_serializable(package="involbench")
class SymmetricDepthwiseConv2D(SymmetricPadding, keras.layers.DepthwiseConv2D):
    """`keras.layers.DepthwiseConv2D`, padded equally on both sides.

    `y[b,h,w,c] = sum_k W[k,c] * x[b, s*h + d*(ki - Kh//2), s*w + d*(kj - Kw//2), c]`

    Args:
        kernel_size: Odd integer, or two.
        **kwargs: As for `keras.layers.DepthwiseConv2D`; `padding` and `data_format` have no
            effect.

    Input shape:
        `(batch_size, height, width, channels)`.

    Output shape:
        `(batch_size, ceil(height / strides), ceil(width / strides), channels)`.

    Raises:
        ValueError: As for `keras.layers.DepthwiseConv2D`.

    Example:

    >>> SymmetricDepthwiseConv2D(3, strides=2)(np.ones((1, 5, 6, 4))).shape
    (1, 3, 3, 4)

    Reference:
        - [Chollet, Xception: Deep Learning with Depthwise Separable Convolutions, CVPR 2017](
          https://arxiv.org/abs/1610.02357)
    """

    def __init__(self, kernel_size: int | Sequence[int], **kwargs: Any) -> None:
        super().__init__(kernel_size, **(kwargs | _UNPADDED))


@keras.saving.register_keras_serializable(package="involbench")
class SharedDepthwiseConv2D(SymmetricDepthwiseConv2D):
    """A depthwise convolution in which the channels of a group share one kernel.

    `y[b,h,w,c] = b[c] + sum_k W[k, c // g] * x[b, s*h + d*(ki - Kh//2), s*w + d*(kj - Kw//2), c]`
    with `g` channels a group: an involution (Li et al., 2021, equation 4) with the same kernel at
    all pixels.

    Args:
        kernel_size: Odd integer, or two.
        group_channels: Integer, the channels that share a kernel.
        depthwise_initializer: Draws a kernel a group; by default uniform, with the taps of a kernel
            as its fan.
        **kwargs: As for `keras.layers.DepthwiseConv2D`; `padding`, `data_format` and
            `depth_multiplier` have no effect.

    Input shape:
        `(batch_size, height, width, channels)`.

    Output shape:
        `(batch_size, ceil(height / strides), ceil(width / strides), channels)`.

    Raises:
        ValueError: `group_channels` does not divide the channels; and as for
            `keras.layers.DepthwiseConv2D`.

    Example:

    >>> SharedDepthwiseConv2D(3, 2, strides=2)(np.ones((1, 5, 6, 4))).shape
    (1, 3, 3, 4)

    Reference:
        - [Li et al., Involution: Inverting the Inherence of Convolution for Visual Recognition,
          CVPR 2021](https://arxiv.org/abs/2103.06255)
    """

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        group_channels: int,
        depthwise_initializer: Any = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(group_channels, int) or group_channels < 1:
            raise ValueError(
                "`group_channels` must be an integer above 0. "
                f"Received: group_channels={group_channels!r}"
            )
        if depthwise_initializer is None:
            depthwise_initializer = keras.initializers.VarianceScaling(1.0, "fan_out", "uniform")
        kwargs |= {"depthwise_initializer": depthwise_initializer, "depth_multiplier": 1}
        super().__init__(kernel_size, **kwargs)
        self.group_channels = group_channels

    def build(self, input_shape: Shape) -> None:
        channels = input_shape[-1]
        if channels is None or channels % self.group_channels:
            raise ValueError(
                "`group_channels` must divide the channels. "
                f"Received: group_channels={self.group_channels}, input_shape={input_shape}"
            )
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: channels})
        self.group_kernels = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, channels // self.group_channels, 1),
            initializer=self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(channels,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    @property
    def kernel(self) -> Any:
        """The kernel of each channel, (Kh, Kw, channels, 1)."""
        return keras.ops.repeat(self.group_kernels, self.group_channels, axis=2)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"group_channels": self.group_channels}
