"""Local self-attention and outlook attention as Keras layers."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from involbench.layers.kernel_generator import fresh
from involbench.ops.geometry import check_positive, make_geometry
from involbench.ops.involution import apply, window_products
from involbench.ops.shifted_views import split_groups, wide

Shape = tuple[int | None, ...]


class Attention2D(keras.layers.Layer):
    """What both layers share: arguments, 1x1 convolutions, and pooling of the result for strides.

    Input shape: `(batch_size, height, width, channels)`. Height and width may be unknown.
    Output shape: `(batch_size, ceil(height / strides), ceil(width / strides), filters)`.

    Args:
        filters: Integer, channels of the output.
        kernel_size: Odd integer, or two: height and width of the neighbourhood.
        strides: Integer, or two: distance between output pixels.
        heads: Integer, number of attentions, each for a share of the output's channels; divides
            `filters`. All of them see all channels of the input.
        kernel_initializer: Initializer of the kernels of the 1x1 convolutions.

    Raises:
        ValueError: An argument is out of range.
    """

    role = "operator"
    """Of its parameters, in tables."""
    least_head_channels = 1

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int] = 7,
        strides: int | Sequence[int] = 1,
        heads: int = 8,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive("filters", filters)
        check_positive("heads", heads)
        if filters % heads:
            raise ValueError(
                f"`heads` must divide the {filters} `filters`. Received: heads={heads}"
            )
        steps = make_geometry(kernel_size, strides)
        if filters < self.least_head_channels * heads:
            raise ValueError(
                f"`heads` must leave each head {self.least_head_channels} of the {filters} "
                "`filters` or more, one for the rows and one for the columns. "
                f"Received: heads={heads}"
            )
        # The windows: one at every pixel, with one group of channels for each head.
        self.geometry = make_geometry(kernel_size, groups=heads, data_format="channels_last")
        self.filters, self.heads = filters, heads
        self.kernel_size = steps.rows.kernel_size, steps.columns.kernel_size
        self.strides = steps.rows.strides, steps.columns.strides
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def _convolution(self, name: str, filters: int, use_bias: bool) -> keras.layers.Layer:
        return keras.layers.Conv2D(
            filters,
            1,
            use_bias=use_bias,
            kernel_initializer=fresh(self.kernel_initializer),
            data_format="channels_last",
            dtype=self.dtype_policy,
            name=name,
        )

    def _pooled(self, outputs: Any) -> Any:
        """The mean over each window of `strides` pixels, without pixels outside the image.

        Pooling by Keras places windows of 3 and more differently on each backend.
        """
        if max(self.strides) == 1:
            return outputs
        sizes = zip(keras.ops.shape(outputs)[1:3], self.strides, strict=True)
        margins = [(0, -size % step) for size, step in sizes]
        inside = keras.ops.ones_like(outputs[:1, :, :, :1])
        sums, counts = (
            keras.ops.average_pool(
                keras.ops.pad(array, ((0, 0), *margins, (0, 0))),
                self.strides,
                self.strides,
                "valid",
                "channels_last",
            )
            for array in (outputs, inside)
        )
        return sums / counts

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes = zip(input_shape[1:3], self.strides, strict=True)
        height, width = (None if size is None else -(-size // step) for size, step in sizes)
        return (input_shape[0], height, width, self.filters)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        own = ("filters", "kernel_size", "strides", "heads")
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in own},
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@keras.saving.register_keras_serializable(package="involbench")
class LocalSelfAttention2D(Attention2D):
    """2D self-attention of each pixel to its neighbourhood.

    1x1 convolutions without bias make queries q, keys k and values v of the image. r is a learned
    embedding of each relative position: one half of the channels of a head for the row, the other
    half for the column. m is the head of channel c. Over the pixels of the neighbourhood that lie
    inside the image:

    `a[b,h,w,m,:] = softmax_k(q[b,h,w,m,:] . (k[b, pixel k of (h,w), m,:] + r[k,m,:]))`
    `y[b,h,w,c] = sum_k a[b,h,w,m,k] * v[b, pixel k of (h,w), c]`

    With strides, the result is average-pooled, as in the paper. Involution generates `a` from the
    pixel alone, without keys and without softmax.

    Input shape: `(batch_size, height, width, channels)`. Height and width may be unknown.
    Output shape: `(batch_size, ceil(height / strides), ceil(width / strides), filters)`.
    Args: as for `Attention2D`. `kernel_size` is 7 by default; `heads` is at most half of `filters`.
    Raises: ValueError, where an argument is out of range.

    Example:

    >>> images = np.random.rand(4, 32, 32, 16)
    >>> LocalSelfAttention2D(16, kernel_size=3, heads=4)(images).shape
    (4, 32, 32, 16)

    Reference:
        - [Ramachandran et al., Stand-Alone Self-Attention in Vision Models, NeurIPS 2019,
          equation 3](https://arxiv.org/abs/1906.05909)
    """

    least_head_channels = 2  # One for the rows and one for the columns.

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
        # Differences of large scores need more than 16 bits.
        queries, keys = wide(self.query(inputs)), wide(self.key(inputs))
        values = self.value(inputs)
        scores = window_products(keys, queries, self.geometry) + self._by_position(queries)
        outside = (1 - self._inside(scores)) * _FAR_BELOW
        weights = keras.ops.softmax(scores + outside, axis=-1)
        return self._pooled(apply(values, weights, self.geometry))

    def count_macs(self, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> int:
        """Queries, keys and values; scores by pixel and by relative position; sums of the values.

        Neighbours outside the image are counted too.
        """
        height, width, channels = inputs
        rows, columns = self.kernel_size
        of_rows, of_columns = (w.shape[2] for w in (self.row_embedding, self.column_embedding))
        positions = self.heads * (rows * of_rows + columns * of_columns)
        products = 3 * channels * self.filters + 2 * rows * columns * self.filters + positions
        return int(height * width * products)

    def _by_position(self, queries: Any) -> Any:
        """(B, H, W, heads, taps): the part of the scores that comes from relative positions."""
        split = split_groups(queries, self.geometry)
        half = self.row_embedding.shape[2]
        of_rows, of_columns = wide(self.row_embedding), wide(self.column_embedding)
        rows = keras.ops.einsum("bhwmd,imd->bhwmi", split[..., :half], of_rows)
        columns = keras.ops.einsum("bhwmd,jmd->bhwmj", split[..., half:], of_columns)
        both = keras.ops.expand_dims(rows, -1) + keras.ops.expand_dims(columns, -2)
        shape = (*keras.ops.shape(rows)[:-1], len(self.geometry.taps))
        return keras.ops.reshape(both, shape)

    def _inside(self, scores: Any) -> Any:
        """(1, H, W, 1, taps): 1 where a pixel's neighbour lies inside the image, else 0."""
        ones = keras.ops.ones_like(scores[:1, :, :, :1, 0])
        one_group = make_geometry(self.kernel_size, data_format="channels_last")
        return window_products(ones, ones, one_group)


# Far enough below any score that the softmax gives 0. The gradient of infinity would be NaN.
_FAR_BELOW = -1e9


@keras.saving.register_keras_serializable(package="involbench")
class OutlookAttention2D(Attention2D):
    """2D outlook attention: each pixel decides how the pixels around it mix; all mixes are added.

    1x1 convolutions make values v (without bias) and logits l (with bias) of the image. m is the
    head of channel c, and d the number of channels of a head:

    `a[b,h,w,m,i,:] = softmax_j(l[b,h,w,m,i,:] / sqrt(d))`
    `z[b,p,q,c] = sum of a[b,h,w,m,i,j] * v[b, pixel j of (h,w), c] over all j and over all (h,w,i)
    whose pixel i is (p,q)`

    where v is zero outside the image. y is a 1x1 convolution of z. With strides, z is
    average-pooled first. (With strides, the paper adds fewer windows and keeps the image's size.)

    Input shape: `(batch_size, height, width, channels)`. Height and width may be unknown.
    Output shape: `(batch_size, ceil(height / strides), ceil(width / strides), filters)`.
    Args: as for `Attention2D`. `kernel_size` is 3 by default.
    Raises: ValueError, where an argument is out of range.

    Example:

    >>> images = np.random.rand(4, 32, 32, 16)
    >>> OutlookAttention2D(16, kernel_size=3, heads=4)(images).shape
    (4, 32, 32, 16)

    Reference:
        - [Yuan et al., VOLO: Vision Outlooker for Visual Recognition, 2021, section 3.1](
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
            total = total + self._shifted(mixed, position)
        return self.projection(self._pooled(total))

    def count_macs(self, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> int:
        """Values and logits, the sums in every window, and the last 1x1 convolution."""
        height, width, channels = inputs
        pairs = len(self.geometry.taps) ** 2
        products = channels * (self.filters + self.heads * pairs) + pairs * self.filters
        return height * width * products + math.prod(outputs) * self.filters

    def _attention(self, inputs: Any) -> Any:
        """(B, H, W, heads, taps, taps); the last axis sums to 1."""
        count = len(self.geometry.taps)
        # Differences of large logits need more than 16 bits.
        logits = wide(self.attention(inputs))
        pixels, scale = keras.ops.shape(logits)[:3], (self.filters // self.heads) ** -0.5
        # TensorFlow on CPU has no softmax of more than five axes.
        flat = keras.ops.reshape(logits * scale, (*pixels, self.heads * count, count))
        shape = (*pixels, self.heads, count, count)
        shares = keras.ops.softmax(flat, axis=-1)
        return keras.ops.cast(keras.ops.reshape(shares, shape), self.compute_dtype)

    def _shifted(self, mixed: Any, position: tuple[int, int]) -> Any:
        """The mixes for one position of the windows, shifted to the pixels at that position."""
        shape = keras.ops.shape(mixed)
        moves = [at - size // 2 for at, size in zip(position, self.kernel_size, strict=True)]
        margins = [(max(move, 0), max(-move, 0)) for move in moves]
        padded = keras.ops.pad(mixed, ((0, 0), *margins, (0, 0)))
        below, right = margins[0][1], margins[1][1]
        return padded[:, below : below + shape[1], right : right + shape[2]]
