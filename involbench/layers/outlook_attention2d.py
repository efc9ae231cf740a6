"""Outlook attention as a Keras layer."""

from collections.abc import Sequence
from typing import Any

import keras

from involbench.layers.attention import Attention2D, Shape
from involbench.ops import taps
from involbench.ops.involution import apply


@keras.saving.register_keras_serializable(package="involbench")
class OutlookAttention2D(Attention2D):
    """2D outlook attention: each pixel says how the pixels around it mix, and all mixes are added.

    With values v and logits l made of the image by 1x1 convolutions, the values' without bias, and
    m the head of channel c, of d channels each:

    `a[b,h,w,m,i,:] = softmax_j(l[b,h,w,m,i,:] / sqrt(d))`
    `z[b,p,q,c] = sum of a[b,h,w,m,i,j] * v[b, pixel j of (h,w), c] over all j and over all (h,w,i)
    whose pixel i is (p,q)`

    where v is zero outside the image; y is a 1x1 convolution of z. Where the result is strided, z
    is average-pooled first. (In the paper's own strided form fewer windows are added, and the
    result keeps the size of the image.)

    Args:
        filters: Integer, channels of the output.
        kernel_size: Odd integer, or two: height and width of the window.
        strides: Integer, or two: distance between output pixels.
        heads: Integer, how many attentions each have a share of the channels; divides `filters`.
        kernel_initializer: Initializer of the 1x1 convolutions' kernels.

    Input shape:
        `(batch_size, height, width, channels)`. Height and width may be unknown.

    Output shape:
        `(batch_size, ceil(height / strides), ceil(width / strides), filters)`.

    Raises:
        ValueError: An argument is out of range.

    Example:

    >>> images = np.random.rand(4, 32, 32, 16)
    >>> OutlookAttention2D(16, kernel_size=3, heads=4)(images).shape
    (4, 32, 32, 16)

    Reference:
        - [Yuan et al., VOLO: Vision Outlooker for Visual Recognition, 2021](
          https://arxiv.org/abs/2106.13112)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int] = 3,
        strides: int | Sequence[int] = 1,
        heads: int = 8,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, strides, heads, kernel_initializer, **kwargs)

    def build(self, input_shape: Shape) -> None:
        count = len(self.geometry.taps)
        self.value = self._convolution("value", self.filters, use_bias=False)
        self.attention = self._convolution("attention", self.heads * count**2, use_bias=True)
        self.projection = self._convolution("projection", self.filters, use_bias=True)
        for layer in (self.value, self.attention):
            layer.build(input_shape)
        self.projection.build((*input_shape[:3], self.filters))
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={3: input_shape[3]})

    def call(self, inputs: Any) -> Any:
        values, attention = self.value(inputs), self._attention(inputs)
        total: Any = 0
        for tap, position in enumerate(self.geometry.taps):
            mixed = apply(values, attention[:, :, :, :, tap], self.geometry)
            total = total + self._moved(mixed, position)
        return self.projection(self._pooled(total))

    def _attention(self, inputs: Any) -> Any:
        """(B, H, W, heads, taps, taps), the last of sum 1."""
        count = len(self.geometry.taps)
        # 16 bits are too few for differences of large logits.
        logits = taps.wide(self.attention(inputs))
        pixels, scale = keras.ops.shape(logits)[:3], (self.filters // self.heads) ** -0.5
        # TensorFlow on CPU has no softmax of more than five axes.
        flat = keras.ops.reshape(logits * scale, (*pixels, self.heads * count, count))
        shape = (*pixels, self.heads, count, count)
        shares = keras.ops.softmax(flat, axis=-1)
        return keras.ops.cast(keras.ops.reshape(shares, shape), self.compute_dtype)

    def _moved(self, mixed: Any, position: tuple[int, int]) -> Any:
        """What the windows have made of one of their pixels, brought to where that pixel is."""
        shape = keras.ops.shape(mixed)
        moves = [at - size // 2 for at, size in zip(position, self.kernel_size, strict=True)]
        margins = [(max(move, 0), max(-move, 0)) for move in moves]
        padded = keras.ops.pad(mixed, ((0, 0), *margins, (0, 0)))
        below, right = margins[0][1], margins[1][1]
        return padded[:, below : below + shape[1], right : right + shape[2]]
