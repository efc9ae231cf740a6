"""Local self-attention and outlook attention as Keras layers."""

from collections.abc import Sequence
from typing import Any

import keras

from involbench.layers.kernel_generator import fresh
from involbench.ops import shifted_views as taps
from involbench.ops.geometry import Geometry, check_positive, make_geometry
from involbench.ops.involution import apply

Shape = tuple[int | None, ...]


class Attention2D(keras.layers.Layer):
    """Checked arguments, 1x1 convolutions, and average pooling of the result where it is strided.

    Args:
        See the layers.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int],
        heads: int,
        kernel_initializer: Any,
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
        self._geometry = make_geometry(kernel_size, groups=heads, data_format="channels_last")
        self.filters, self.heads = filters, heads
        self.kernel_size = steps.rows.kernel_size, steps.columns.kernel_size
        self.strides = steps.rows.strides, steps.columns.strides
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    @property
    def geometry(self) -> Geometry:
        """The windows, one at every pixel, with a group of channels a head."""
        return self._geometry

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
        """The mean of each window of `strides` pixels, of those inside the image.

        Keras's own pooling places windows of 3 and more differently on each backend.
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
