"""The part of an involution layer that makes a kernel for each pixel."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers

from involbench.ops.geometry import Geometry, check_choice, check_positive

KINDS = ("batch", "layer", "group", None)


def normalization_layer(
    kind: str | None, filters: int, axis: int, momentum: float, epsilon: float, dtype: Any
) -> layers.Layer | None:
    """The layer between the generator's two convolutions; `axis` is that of the channels."""
    shared = {"epsilon": epsilon, "dtype": dtype, "name": "normalization"}
    if kind == "batch":
        return layers.BatchNormalization(axis, momentum=momentum, **shared)
    if kind == "layer":
        return layers.LayerNormalization(axis, **shared)
    if kind == "group":
        return layers.GroupNormalization(math.gcd(32, filters), axis, **shared)
    return None


Choice = str | Callable[..., Any] | None
_TO_LAST, _TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


class KernelGenerator(keras.layers.Layer):
    """A layer's own pooling, 1x1 convolution, normalization, activation and 1x1 convolution.

    It is a base class, not a layer inside a layer, so that `Involution2D` itself owns the layers
    `pool`, `reduce`, `normalization` and `span`, by whose names weights are saved.

    Args:
        See `Involution2D`.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        *,
        reduction_ratio: int,
        reduce_filters: int | None,
        normalization: str | None,
        momentum: float,
        epsilon: float,
        activation: Choice,
        kernel_activation: Choice,
        use_reduce_bias: bool,
        use_span_bias: bool,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        kernel_constraint: Any,
        bias_constraint: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive("reduction_ratio", reduction_ratio)
        if reduce_filters is not None:
            check_positive("reduce_filters", reduce_filters)
        check_choice("normalization", normalization, KINDS)
        self.reduction_ratio, self.reduce_filters = reduction_ratio, reduce_filters
        self.normalization_type = normalization
        self.momentum, self.epsilon = momentum, epsilon
        self.activation: Any = keras.activations.get(activation)
        self.kernel_activation: Any = keras.activations.get(kernel_activation)
        self.use_reduce_bias, self.use_span_bias = use_reduce_bias, use_span_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)

    def _build_generator(self, input_shape: Sequence[int | None], geometry: Geometry) -> None:
        self._turns = not geometry.channels_last and not _convolves_channels_first()
        channels_last = geometry.channels_last or self._turns
        shape = tuple(input_shape[axis] for axis in _TO_LAST) if self._turns else input_shape
        axis = 3 if channels_last else 1
        filters, strides = self._reduce_filters(shape[axis]), _strides(geometry)
        data_format = "channels_last" if channels_last else "channels_first"
        shared = {"data_format": data_format, "dtype": self.dtype_policy}
        self.pool = keras.layers.AveragePooling2D(strides, padding="same", name="pool", **shared)
        self.reduce = self._convolution("reduce", filters, self.use_reduce_bias, shared)
        self.normalization = normalization_layer(
            self.normalization_type, filters, axis, self.momentum, self.epsilon, self.dtype_policy
        )
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

    def _convolution(
        self, name: str, filters: int, use_bias: bool, shared: dict[str, Any]
    ) -> keras.layers.Layer:
        return keras.layers.Conv2D(
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
        """The kernels for images, of the shape that `geometry` says."""
        flat = keras.ops.transpose(inputs, _TO_LAST) if self._turns else inputs
        for layer in self._generator:
            if layer is self.span:
                flat = self.activation(flat)
            if isinstance(layer, keras.layers.BatchNormalization):
                flat = layer(flat, training=training)
            else:
                flat = layer(flat)
        flat = keras.ops.transpose(flat, _TO_FIRST) if self._turns else flat
        kernels = _split_taps(flat, geometry)
        if self.kernel_activation is keras.activations.linear:
            return kernels
        if self.kernel_activation is keras.activations.softmax:
            return keras.activations.softmax(kernels, axis=-1 if geometry.channels_last else 2)
        return self.kernel_activation(kernels)

    def get_config(self) -> dict[str, Any]:
        plain = "reduction_ratio reduce_filters momentum epsilon use_reduce_bias use_span_bias"
        objects = {
            keras.activations: ("activation", "kernel_activation"),
            keras.initializers: ("kernel_initializer", "bias_initializer"),
            keras.regularizers: ("kernel_regularizer", "bias_regularizer", "activity_regularizer"),
            keras.constraints: ("kernel_constraint", "bias_constraint"),
        }
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in plain.split()},
            "normalization": self.normalization_type,
            **{
                name: module.serialize(getattr(self, name))
                for module, names in objects.items()
                for name in names
            },
        }


def _convolves_channels_first() -> bool:
    """TensorFlow does only on GPUs and on CPUs for which oneDNN has instructions."""
    on_tensorflow = keras.backend.backend() == "tensorflow"
    return not on_tensorflow or bool(keras.distribution.list_devices("gpu"))


def _strides(geometry: Geometry) -> tuple[int, int]:
    return geometry.rows.strides, geometry.columns.strides


def _split_taps(flat: Any, geometry: Geometry) -> Any:
    """The second convolution's filters as kernels.

    They are ordered group by group where the groups are contiguous, tap by tap where interleaved.

    Args:
        flat: (B, H', W', groups * Kh * Kw), or channels first.
        geometry: Of the layer.

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
    """An equal initializer of its own, so that two weights do not share one's seed."""
    return initializer.clone() if hasattr(initializer, "clone") else initializer
