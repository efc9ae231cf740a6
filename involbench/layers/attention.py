"""What the two attention layers have in common."""

from collections.abc import Sequence
from typing import Any

import keras

from involbench.layers.kernel_generator import fresh
from involbench.ops.geometry import Geometry, check_positive, make_geometry

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
