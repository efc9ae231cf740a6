"""Local self-attention as a Keras layer."""

from collections.abc import Sequence
from typing import Any

import keras

from involbench.layers.attention import Attention2D, Shape
from involbench.ops import taps
from involbench.ops.geometry import make_geometry
from involbench.ops.involution import apply


@keras.saving.register_keras_serializable(package="involbench")
class LocalSelfAttention2D(Attention2D):
    """2D self-attention of each pixel with its neighbourhood.

    With queries q, keys k and values v made of the image by 1x1 convolutions without bias, a
    learned embedding r of each relative position (one half of a head's channels for the row, the
    other for the column), and m the head of channel c:

    `a[b,h,w,m,:] = softmax_k(q[b,h,w,m,:] . (k[b, pixel k of (h,w), m,:] + r[k,m,:]))`
    `y[b,h,w,c] = sum_k a[b,h,w,m,k] * v[b, pixel k of (h,w), c]`

    over the pixels of the kernel that lie inside the image. Where the result is strided, it is
    average-pooled, as in the paper. Involution generates `a` from the pixel alone, without keys,
    and without softmax.

    Args:
        filters: Integer, channels of the output.
        kernel_size: Odd integer, or two: height and width of the neighbourhood.
        strides: Integer, or two: distance between output pixels.
        heads: Integer, how many attentions each have a share of the channels; divides `filters`,
            and is at most half of it. All of them see all channels of the input.
        kernel_initializer: Initializer of the 1x1 convolutions' kernels.

    Input shape:
        `(batch_size, height, width, channels)`. Height and width may be unknown.

    Output shape:
        `(batch_size, ceil(height / strides), ceil(width / strides), filters)`.

    Raises:
        ValueError: An argument is out of range.

    Example:

    >>> images = np.random.rand(4, 32, 32, 16)
    >>> LocalSelfAttention2D(16, kernel_size=3, heads=4)(images).shape
    (4, 32, 32, 16)

    Reference:
        - [Ramachandran et al., Stand-Alone Self-Attention in Vision Models, NeurIPS 2019](
          https://arxiv.org/abs/1906.05909)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int] = 7,
        strides: int | Sequence[int] = 1,
        heads: int = 8,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, strides, heads, kernel_initializer, **kwargs)
        if filters < 2 * heads:
            raise ValueError(
                f"`heads` must leave each head 2 of the {filters} `filters` or more, one for the "
                f"rows and one for the columns. Received: heads={heads}"
            )

    def build(self, input_shape: Shape) -> None:
        self.query, self.key, self.value = (
            self._convolution(name, self.filters, use_bias=False)
            for name in ("query", "key", "value")
        )
        for layer in (self.query, self.key, self.value):
            layer.build(input_shape)
        width = self.filters // self.heads
        sizes = zip(("row", "column"), self.kernel_size, (width // 2, -(-width // 2)), strict=True)
        self.row_embedding, self.column_embedding = (
            self.add_weight(
                shape=(size, self.heads, half),
                initializer=keras.initializers.RandomNormal(stddev=1.0),
                name=f"{name}_embedding",
            )
            for name, size, half in sizes
        )
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={3: input_shape[3]})

    def call(self, inputs: Any) -> Any:
        # 16 bits are too few for differences of large scores.
        queries, keys = taps.wide(self.query(inputs)), taps.wide(self.key(inputs))
        values = self.value(inputs)
        # The score of a pixel is the product that the gradient of involution by its kernel sums.
        scores = taps.kernels_gradient(keys, queries, self.geometry) + self._by_position(queries)
        outside = (1 - self._inside(scores)) * _FAR_BELOW
        weights = keras.ops.softmax(scores + outside, axis=-1)
        return self._pooled(apply(values, weights, self.geometry))

    def _by_position(self, queries: Any) -> Any:
        """(B, H, W, heads, taps): the share of the scores that the relative positions have."""
        split = taps.split_groups(queries, self.geometry)
        half = self.row_embedding.shape[2]
        of_rows, of_columns = taps.wide(self.row_embedding), taps.wide(self.column_embedding)
        rows = keras.ops.einsum("bhwmd,imd->bhwmi", split[..., :half], of_rows)
        columns = keras.ops.einsum("bhwmd,jmd->bhwmj", split[..., half:], of_columns)
        both = keras.ops.expand_dims(rows, -1) + keras.ops.expand_dims(columns, -2)
        shape = (*keras.ops.shape(rows)[:-1], len(self.geometry.taps))
        return keras.ops.reshape(both, shape)

    def _inside(self, scores: Any) -> Any:
        """(1, H, W, 1, taps): 1 where a pixel's neighbour lies inside the image, else 0."""
        ones = keras.ops.ones_like(scores[:1, :, :, :1, 0])
        one_group = make_geometry(self.kernel_size, data_format="channels_last")
        return taps.kernels_gradient(ones, ones, one_group)


# Far enough below any score that the softmax gives 0, and no infinity, whose gradient is NaN.
_FAR_BELOW = -1e9
