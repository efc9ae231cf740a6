"""Involution as a Keras layer."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import keras

from involbench.layers.kernel_generator import normalization_layer, split_taps
from involbench.ops.geometry import (
    Geometry,
    check_choice,
    check_groups,
    check_positive,
    make_geometry,
)
from involbench.ops.involution import apply

Tensor = Any
Choice = str | Callable[..., Any] | None


@keras.saving.register_keras_serializable(package="involbench")
class Involution2D(keras.layers.Layer):
    """2D involution: a kernel generated at each pixel, shared by groups of channels.

    The kernels H are made from the image itself (average-pooled when `strides > 1`): a 1x1
    convolution to `channels // reduction_ratio` filters, normalization, an activation, and a 1x1
    convolution to `groups * Kh * Kw` filters. They are applied by `involbench.ops.involution`:

    `y[b,h,w,c] = sum_k H[b,h,w,g(c),k] * x[b, s*h + d*(ki - Kh//2), s*w + d*(kj - Kw//2), c]`

    Args:
        kernel_size: Odd integer, or two: height and width of the kernels.
        strides: Integer, or two: distance between output pixels.
        dilation_rate: Integer, or two: distance between the taps of a kernel.
        groups: Integer, number of channel groups that each have a kernel; divides the channels.
            Default 1.
        group_channels: Integer, number of channels of a group, in place of `groups`.
        group_layout: `"contiguous"` (official code: neighbouring channels are a group, and the
            second convolution's filters are ordered group by group) or `"interleaved"` (keras.io:
            channel c is in group c mod groups, and the filters are ordered tap by tap).
        reduction_ratio: Integer, how many times fewer filters the first convolution has than the
            input has channels.
        reduce_filters: Integer, the first convolution's filters, in place of `reduction_ratio`.
        padding: `"same"`, symmetric zeros, or `"keras_io"`, TensorFlow's SAME.
        data_format: `"channels_last"` or `"channels_first"`; default: Keras's own setting.
        normalization: `"batch"`, `"layer"`, `"group"` or `None`.
        momentum: Float, of the moving averages of batch normalization.
        epsilon: Float, added to the variances in normalization.
        activation: Activation between the two convolutions.
        kernel_activation: `None`, or `"softmax"` over the taps of each kernel.
        use_reduce_bias: Boolean, whether the first convolution has a bias. It has one in the
            keras.io example and none in the official code.
        use_span_bias: Boolean, whether the second convolution has a bias.
        kernel_initializer: Initializer of both convolutions' kernels.
        bias_initializer: Initializer of both convolutions' biases.
        kernel_regularizer: Regularizer of both convolutions' kernels.
        bias_regularizer: Regularizer of both convolutions' biases.
        activity_regularizer: Regularizer of the layer's output.
        kernel_constraint: Constraint of both convolutions' kernels.
        bias_constraint: Constraint of both convolutions' biases.
        return_kernels: Boolean, whether to return the kernels as well.

    Input shape:
        `(batch_size, height, width, channels)`, or `(batch_size, channels, height, width)` if
        `data_format="channels_first"`. Height and width may be unknown.

    Output shape:
        `(batch_size, ceil(height / strides), ceil(width / strides), channels)`, or channels first.
        With `return_kernels=True` also the kernels,
        `(batch_size, ceil(height / strides), ceil(width / strides), groups, Kh * Kw)`, or
        `(batch_size, groups, Kh * Kw, ceil(height / strides), ceil(width / strides))`.

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
        kernel_size: int | Sequence[int] = 7,
        strides: int | Sequence[int] = 1,
        dilation_rate: int | Sequence[int] = 1,
        groups: int | None = None,
        group_channels: int | None = None,
        group_layout: str = "contiguous",
        reduction_ratio: int = 4,
        reduce_filters: int | None = None,
        padding: str = "same",
        data_format: str | None = None,
        normalization: str | None = "batch",
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        activation: Choice = "relu",
        kernel_activation: Choice = None,
        use_reduce_bias: bool = False,
        use_span_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        return_kernels: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        if groups is not None and group_channels is not None:
            raise ValueError(
                "Give `groups` or `group_channels`, not both. "
                f"Received: groups={groups}, group_channels={group_channels}"
            )
        for name, value in {
            "groups": groups,
            "group_channels": group_channels,
            "reduction_ratio": reduction_ratio,
            "reduce_filters": reduce_filters,
        }.items():
            if value is not None:
                check_positive(name, value)
        geometry = make_geometry(
            kernel_size, strides, dilation_rate, groups or 1, group_layout, padding, data_format
        )
        check_choice("normalization", normalization, ("batch", "layer", "group", None))
        rows, columns = geometry.rows, geometry.columns
        self.kernel_size = rows.kernel_size, columns.kernel_size
        self.strides = rows.strides, columns.strides
        self.dilation_rate = rows.dilation, columns.dilation
        self.groups, self.group_channels = groups, group_channels
        self.group_layout, self.padding = group_layout, padding
        self.data_format = geometry.data_format
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
        self.return_kernels = return_kernels
        self.input_spec = keras.layers.InputSpec(ndim=4)

    @classmethod
    def official(cls, kernel_size: int = 7, strides: int = 1, **kwargs: Any) -> Self:
        """The layer of the authors' PyTorch code: 16 channels a group, ratio 4."""
        published: dict[str, Any] = {
            "group_channels": 16,
            "reduction_ratio": 4,
            "group_layout": "contiguous",
            "padding": "same",
            "momentum": 0.9,
            "epsilon": 1e-5,
            "use_reduce_bias": False,
        }
        return cls(kernel_size, strides, **(published | kwargs))

    @classmethod
    def keras_io(
        cls,
        channel: int,
        group_number: int = 1,
        kernel_size: int = 3,
        stride: int = 1,
        reduction_ratio: int = 2,
        **kwargs: Any,
    ) -> Self:
        """The layer of the keras.io example, by that layer's own argument names.

        `channel` only sets the width of the first convolution, `channel // reduction_ratio`,
        whatever the channels of the input.
        """
        published: dict[str, Any] = {
            "groups": group_number,
            "group_layout": "interleaved",
            "reduce_filters": channel // reduction_ratio,
            "reduction_ratio": reduction_ratio,
            "padding": "keras_io",
            "use_reduce_bias": True,
        }
        return cls(kernel_size, stride, **(published | kwargs))

    @property
    def channel_axis(self) -> int:
        return 3 if self.data_format == "channels_last" else 1

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = input_shape[self.channel_axis]
        self._geometry = self._geometry_for(channels)
        filters = self._reduce_filters(channels)
        self._make_generator(filters)
        shape = input_shape
        for layer in self._generator:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={self.channel_axis: channels})

    def _geometry_for(self, channels: int | None) -> Geometry:
        groups = self.groups or 1
        if channels is not None and self.group_channels is not None:
            if channels % self.group_channels:
                raise ValueError(
                    f"`group_channels` must divide the {channels} channels of the input. "
                    f"Received: group_channels={self.group_channels}"
                )
            groups = channels // self.group_channels
        check_groups(channels, groups)
        return make_geometry(
            self.kernel_size,
            self.strides,
            self.dilation_rate,
            groups,
            self.group_layout,
            self.padding,
            self.data_format,
        )

    def _reduce_filters(self, channels: Any) -> int:
        if self.reduce_filters is not None:
            return self.reduce_filters
        if channels < self.reduction_ratio:
            raise ValueError(
                f"`reduction_ratio` must be at most the {channels} channels of the input. "
                f"Received: reduction_ratio={self.reduction_ratio}"
            )
        return channels // self.reduction_ratio

    def _make_generator(self, filters: int) -> None:
        shared = {"data_format": self.data_format, "dtype": self.dtype_policy}
        taps = self.kernel_size[0] * self.kernel_size[1]
        self.pool = keras.layers.AveragePooling2D(self.strides, padding="same", **shared)
        self.reduce = self._convolution(filters, self.use_reduce_bias)
        self.normalization = normalization_layer(
            self.normalization_type,
            filters,
            self.channel_axis,
            self.momentum,
            self.epsilon,
            self.dtype_policy,
        )
        self.span = self._convolution(self._geometry.groups * taps, self.use_span_bias)
        before = [self.pool] if max(self.strides) > 1 else []
        middle = [self.normalization] if self.normalization is not None else []
        self._generator: list[Any] = [*before, self.reduce, *middle, self.span]

    def _convolution(self, filters: int, use_bias: bool) -> keras.layers.Layer:
        return keras.layers.Conv2D(
            filters,
            1,
            use_bias=use_bias,
            data_format=self.data_format,
            dtype=self.dtype_policy,
            kernel_initializer=_fresh(self.kernel_initializer),
            bias_initializer=_fresh(self.bias_initializer),
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            kernel_constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint,
        )

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        kernels = self._kernels(inputs, training)
        outputs = apply(inputs, kernels, self._geometry)
        return (outputs, kernels) if self.return_kernels else outputs

    def _kernels(self, inputs: Tensor, training: bool | None) -> Tensor:
        flat = inputs
        for layer in self._generator:
            if layer is self.span:
                flat = self.activation(flat)
            if isinstance(layer, keras.layers.BatchNormalization):
                flat = layer(flat, training=training)
            else:
                flat = layer(flat)
        geometry = self._geometry
        taps = self.kernel_size[0] * self.kernel_size[1]
        last = geometry.channels_last
        kernels = split_taps(flat, geometry.groups, taps, self.group_layout, last)
        if self.kernel_activation is keras.activations.linear:
            return kernels
        if self.kernel_activation is keras.activations.softmax:
            return keras.activations.softmax(kernels, axis=-1 if last else 2)
        activated: Tensor = self.kernel_activation(kernels)
        return activated

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> Any:
        geometry = self._geometry_for(input_shape[self.channel_axis])
        outputs = geometry.output_shape(input_shape)
        return (outputs, geometry.kernels_shape(input_shape)) if self.return_kernels else outputs

    def compute_output_spec(self, inputs: Tensor, training: bool | None = None) -> Any:
        shapes = self.compute_output_shape(inputs.shape)
        if self.return_kernels:
            return tuple(keras.KerasTensor(shape, dtype=self.compute_dtype) for shape in shapes)
        return keras.KerasTensor(shapes, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        plain = (
            "kernel_size strides dilation_rate groups group_channels group_layout "
            "reduction_ratio reduce_filters padding data_format momentum epsilon "
            "use_reduce_bias use_span_bias return_kernels"
        )
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


def _fresh(initializer: Any) -> Any:
    """An equal initializer of its own, so that two weights do not share one's seed."""
    return initializer.clone() if hasattr(initializer, "clone") else initializer
