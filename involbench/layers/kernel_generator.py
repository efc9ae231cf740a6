"""The part of an involution layer that generates a kernel for each pixel."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from involbench.ops.geometry import Geometry

_TO_LAST, _TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


class KernelGenerator(layers.Layer):
    """Average pooling, 1x1 convolution, normalization, activation and 1x1 convolution.

    It is a base class, not a layer inside a layer, so that `Involution2D` owns the layers `pool`,
    `reduce`, `normalization` and `span`: weights are saved by these names. `Involution2D` sets the
    arguments as attributes, before it builds.
    """

    def _build_generator(self, input_shape: Sequence[int | None], geometry: Geometry) -> None:
        self._transposes = not geometry.channels_last and not _convolves_channels_first()
        channels_last = geometry.channels_last or self._transposes
        shape = tuple(input_shape[axis] for axis in _TO_LAST) if self._transposes else input_shape
        axis = 3 if channels_last else 1
        filters = self._reduce_filters(shape[axis])
        strides = geometry.rows.strides, geometry.columns.strides
        data_format = "channels_last" if channels_last else "channels_first"
        shared = {"data_format": data_format, "dtype": self.dtype_policy}
        self.pool = layers.AveragePooling2D(strides, padding="same", name="pool", **shared)
        self.reduce = self._convolution("reduce", filters, self.use_reduce_bias, shared)
        self.normalization = self._normalization_layer(filters, axis)
        spanned = geometry.groups * len(geometry.taps)
        self.span = self._convolution("span", spanned, self.use_span_bias, shared)
        before = [self.pool] if max(strides) > 1 else []
        middle = [self.normalization] if self.normalization is not None else []
        self._generator: list[Any] = [*before, self.reduce, *middle, self.span]
        for layer in self._generator:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def _reduce_filters(self, channels: Any) -> int:
        if self.reduce_filters is not None:
            return self.reduce_filters
        if channels < self.reduction_ratio:
            raise ValueError(
                f"`reduction_ratio` must be at most the {channels} channels of the input. "
                f"Received: reduction_ratio={self.reduction_ratio}"
            )
        return channels // self.reduction_ratio

    def _normalization_layer(self, filters: int, axis: int) -> layers.Layer | None:
        """The layer between the two convolutions; `axis` is that of the channels."""
        shared = {"epsilon": self.epsilon, "dtype": self.dtype_policy, "name": "normalization"}
        match self.normalization_type:
            case "batch":
                return layers.BatchNormalization(axis, momentum=self.momentum, **shared)
            case "layer":
                return layers.LayerNormalization(axis, **shared)
            case "group":
                return layers.GroupNormalization(math.gcd(32, filters), axis, **shared)
        return None

    def _convolution(
        self, name: str, filters: int, use_bias: bool, shared: dict[str, Any]
    ) -> layers.Layer:
        return layers.Conv2D(
            filters,
            1,
            use_bias=use_bias,
            kernel_initializer=fresh(self.kernel_initializer),
            bias_initializer=fresh(self.bias_initializer),
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            kernel_constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint,
            name=name,
            **shared,
        )

    def _generate(self, inputs: Any, geometry: Geometry, training: bool | None) -> Any:
        """The kernels for images, of the shape `geometry.kernels_shape`."""
        flat = keras.ops.transpose(inputs, _TO_LAST) if self._transposes else inputs
        for layer in self._generator:
            if layer is self.span:
                flat = self.activation(flat)
            if isinstance(layer, layers.BatchNormalization):
                flat = layer(flat, training=training)
            else:
                flat = layer(flat)
        flat = keras.ops.transpose(flat, _TO_FIRST) if self._transposes else flat
        kernels = _split_taps(flat, geometry)
        if self.kernel_activation is keras.activations.linear:
            return kernels
        if self.kernel_activation is keras.activations.softmax:
            return keras.activations.softmax(kernels, axis=-1 if geometry.channels_last else 2)
        return self.kernel_activation(kernels)


def _convolves_channels_first() -> bool:
    """Whether the backend can; TensorFlow only can on GPUs, and on CPUs that oneDNN supports."""
    on_tensorflow = keras.backend.backend() == "tensorflow"
    return not on_tensorflow or bool(keras.distribution.list_devices("gpu"))


def _split_taps(flat: Any, geometry: Geometry) -> Any:
    """The filters of the second convolution as kernels.

    The filters are ordered group by group where groups are contiguous, tap by tap where they are
    interleaved.

    Args:
        flat: (B, H', W', groups * Kh * Kw), or channels first.
        geometry: The geometry of the layer.

    Returns:
        Kernels, (B, H', W', groups, Kh * Kw), or (B, groups, Kh * Kw, H', W').
    """
    batch, *rest = keras.ops.shape(flat)
    contiguous = geometry.group_layout == "contiguous"
    pair = (geometry.groups, len(geometry.taps))
    pair = pair if contiguous else pair[::-1]
    if geometry.channels_last:
        kernels, axes = keras.ops.reshape(flat, (batch, rest[0], rest[1], *pair)), (3, 4)
    else:
        kernels, axes = keras.ops.reshape(flat, (batch, *pair, rest[1], rest[2])), (1, 2)
    return kernels if contiguous else keras.ops.swapaxes(kernels, *axes)


def fresh(initializer: Any) -> Any:
    """A copy of an initializer, so that two weights do not share its seed."""
    return initializer.clone() if hasattr(initializer, "clone") else initializer
