"""The part of an involution layer that generates a kernel for each pixel."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from involbench.ops.fused import TO_FIRST, TO_LAST, split_taps
from involbench.ops.geometry import Geometry


class KernelGenerator(layers.Layer):
    """Average pooling, 1x1 convolution, normalization, activation and 1x1 convolution.

    It is a base class, not a layer inside a layer, so that `Involution2D` owns the layers `pool`,
    `reduce`, `normalization` and `span`: weights are saved by these names. `Involution2D` sets the
    arguments as attributes, before it builds.
    """

    def _build_generator(self, input_shape: Sequence[int | None], geometry: Geometry) -> None:
        self._transposes = not geometry.channels_last and not _convolves_channels_first()
        channels_last = geometry.channels_last or self._transposes
        shape = tuple(input_shape[axis] for axis in TO_LAST) if self._transposes else input_shape
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
        if self.identity_start:
            self.span.kernel_initializer = keras.initializers.Zeros()
            self.span.bias_initializer = _CenterTap(geometry)
        before = [self.pool] if max(strides) > 1 else []
        middle = [self.normalization] if self.normalization is not None else []
        self._before_span: list[Any] = [*before, self.reduce, *middle]
        for layer in (*self._before_span, self.span):
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
        flat = self.span(self._reduced_features(inputs, training))
        flat = keras.ops.transpose(flat, TO_FIRST) if self._transposes else flat
        kernels = split_taps(flat, geometry)
        if self.kernel_activation is keras.activations.linear:
            return kernels
        if self.kernel_activation is keras.activations.softmax:
            return keras.activations.softmax(kernels, axis=-1 if geometry.channels_last else 2)
        return self.kernel_activation(kernels)

    def kernel_logits(self, inputs: Any) -> Any:
        """What the second convolution makes of images, before `kernel_activation`.

        Returns:
            (B, H', W', taps * groups), its filters in the order of the layer's weights.
        """
        return self.span(self._reduced_features(inputs, training=False))

    def _reduced_features(self, inputs: Any, training: bool | None) -> Any:
        """What the second convolution is applied to."""
        flat = keras.ops.transpose(inputs, TO_LAST) if self._transposes else inputs
        if self.generator_input == "constant":
            flat = keras.ops.ones_like(flat)
        for layer in self._before_span:
            if isinstance(layer, layers.BatchNormalization):
                flat = layer(flat, training=training)
            else:
                flat = layer(flat)
        return self.activation(flat)


def _convolves_channels_first() -> bool:
    """Whether the backend can; TensorFlow only can on GPUs, and on CPUs that oneDNN supports."""
    on_tensorflow = keras.backend.backend() == "tensorflow"
    return not on_tensorflow or bool(keras.distribution.list_devices("gpu"))


class _CenterTap(keras.initializers.Initializer):
    """The bias of the second convolution whose kernels are the identity."""

    def __init__(self, geometry: Geometry) -> None:
        self._groups, self._taps = geometry.groups, len(geometry.taps)
        self._contiguous = geometry.group_layout == "contiguous"

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        kernel = [int(tap == self._taps // 2) for tap in range(self._taps)]
        filters = [tap for _ in range(self._groups) for tap in kernel]
        if not self._contiguous:
            filters = [tap for tap in kernel for _ in range(self._groups)]
        return keras.ops.cast(filters, dtype)


def fresh(initializer: Any) -> Any:
    """A copy of an initializer, so that two weights do not share its seed."""
    return initializer.clone() if hasattr(initializer, "clone") else initializer
