"""Involution as a Keras layer."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Self

import keras

from involbench import ops
from involbench.layers.kernel_generator import KernelGenerator
from involbench.ops.fused import TO_FIRST, TO_LAST, apply_fused, is_faster, leaves_process, obstacle
from involbench.ops.geometry import (
    Geometry,
    check_choice,
    check_groups,
    check_positive,
    make_geometry,
)
from involbench.ops.involution import apply

NORMALIZATIONS = ("batch", "layer", "group", None)
GENERATOR_INPUTS = ("image", "constant")
Choice = str | Callable[..., Any] | None


@keras.saving.register_keras_serializable(package="involbench")
class Involution2D(KernelGenerator):
    """2D involution: a kernel generated at each pixel, shared by groups of channels.

    The kernels H are generated from the image (average-pooled when `strides > 1`): a 1x1
    convolution to `channels // reduction_ratio` filters, normalization, an activation, and a 1x1
    convolution to `groups * Kh * Kw` filters. `involbench.ops.involution` applies them:

    `y[b,h,w,c] = sum_k H[b,h,w,g(c),k] * x[b, s*h + d*(ki - Kh//2), s*w + d*(kj - Kw//2), c]`

    Args:
        kernel_size: Odd integer, or two: height and width of the kernels.
        strides: Integer, or two: distance between output pixels.
        dilation_rate: Integer, or two: distance between the taps of a kernel.
        groups: Integer, number of channel groups that each have a kernel; divides the channels.
            Default 1.
        group_channels: Integer, number of channels in a group, instead of `groups`.
        group_layout: `"contiguous"` (official code: neighbouring channels are a group, and the
            second convolution's filters are ordered group by group) or `"interleaved"` (keras.io:
            channel c is in group c mod groups, and the filters are ordered tap by tap).
        reduction_ratio: Integer, how many times fewer filters the first convolution has than the
            input has channels.
        reduce_filters: Integer, filters of the first convolution, instead of `reduction_ratio`.
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
        kernel_initializer: Initializer of the kernels of both convolutions.
        bias_initializer: Initializer of the biases of both convolutions.
        kernel_regularizer: Regularizer of the kernels of both convolutions.
        bias_regularizer: Regularizer of the biases of both convolutions.
        activity_regularizer: Regularizer of the output of the layer.
        kernel_constraint: Constraint of the kernels of both convolutions.
        bias_constraint: Constraint of the biases of both convolutions.
        identity_start: Boolean, whether every kernel begins as the identity: the weights of the
            second convolution are zero, its bias is one at the center tap and zero elsewhere.
        generator_input: `"image"`, or `"constant"`: the kernels are generated from ones, and so are
            the same at every pixel; a control.
        return_kernels: Boolean, whether to return the kernels as well.
        fused: `None`, `True` or `False`: whether the kernels are generated in strips and never
            stored, by `involbench.ops.fused_involution`. `None`: where that is possible and faster,
            unless `involbench.ops.enable_fused_involution` or `disable_fused_involution` was
            called. It is no part of the layer's configuration.

    Input shape:
        `(batch_size, height, width, channels)`, or `(batch_size, channels, height, width)` if
        `data_format="channels_first"`. Height and width may be unknown.

    Output shape:
        `(batch_size, ceil(height / strides), ceil(width / strides), channels)`, or channels first.
        With `return_kernels=True` also the kernels,
        `(batch_size, ceil(height / strides), ceil(width / strides), groups, Kh * Kw)`, or
        `(batch_size, groups, Kh * Kw, ceil(height / strides), ceil(width / strides))`.

    Raises:
        ValueError: An argument is out of range, does not fit the channels of the input, or is
            `fused=True` where the layer cannot be fused.

    Example:

    >>> images = np.random.rand(4, 32, 32, 16)
    >>> Involution2D(kernel_size=7, groups=1, reduction_ratio=4)(images).shape
    (4, 32, 32, 16)

    Reference:
        - [Li et al., Involution: Inverting the Inherence of Convolution for Visual Recognition,
          CVPR 2021, equations 4 to 6](https://arxiv.org/abs/2103.06255)
    """

    role = "operator"
    """Of its parameters, in tables: with all that makes its kernels."""

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
        identity_start: bool = False,
        generator_input: str = "image",
        return_kernels: bool = False,
        fused: bool | None = None,
        **kwargs: Any,
    ) -> None:
        if groups is not None and group_channels is not None:
            raise ValueError(
                "Give `groups` or `group_channels`, not both. "
                f"Received: groups={groups}, group_channels={group_channels}"
            )
        for name, value in {"groups": groups, "group_channels": group_channels}.items():
            if value is not None:
                check_positive(name, value)
        geometry = make_geometry(
            kernel_size, strides, dilation_rate, groups or 1, group_layout, padding, data_format
        )
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        check_positive("reduction_ratio", reduction_ratio)
        if reduce_filters is not None:
            check_positive("reduce_filters", reduce_filters)
        check_choice("normalization", normalization, NORMALIZATIONS)
        check_choice("generator_input", generator_input, GENERATOR_INPUTS)
        if identity_start and (kernel_activation is not None or not use_span_bias):
            raise ValueError(
                "`identity_start` needs `use_span_bias` and no `kernel_activation`. Received: "
                f"kernel_activation={kernel_activation}, use_span_bias={use_span_bias}"
            )
        self.reduction_ratio, self.reduce_filters = reduction_ratio, reduce_filters
        self.normalization_type = normalization
        self.momentum, self.epsilon = momentum, epsilon
        self.activation = keras.activations.get(activation)
        self.kernel_activation = keras.activations.get(kernel_activation)
        self.use_reduce_bias, self.use_span_bias = use_reduce_bias, use_span_bias
        self.identity_start, self.generator_input = identity_start, generator_input
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        rows, columns = geometry.rows, geometry.columns
        self.kernel_size = rows.kernel_size, columns.kernel_size
        self.strides = rows.strides, columns.strides
        self.dilation_rate = rows.dilation, columns.dilation
        self.groups, self.group_channels = groups, group_channels
        self.group_layout, self.padding = group_layout, padding
        self.data_format = geometry.data_format
        self.return_kernels = return_kernels
        check_choice("fused", fused, (None, True, False))
        self.fused = fused
        self.input_spec = keras.layers.InputSpec(ndim=4)

    @classmethod
    def official(cls, kernel_size: int = 7, strides: int = 1, **kwargs: Any) -> Self:
        """The layer of the authors' PyTorch code: 16 channels a group, reduction ratio 4.

        Args:
            kernel_size: Height and width of the kernels.
            strides: Distance between output pixels.
            **kwargs: Further arguments of the layer; they replace the published ones.

        Reference: https://github.com/d-li14/involution
        """
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
        """The layer of the keras.io example, with the argument names of that layer.

        Args:
            channel: Sets the filters of the first convolution, `channel // reduction_ratio`,
                for any number of channels of the input.
            group_number: Number of channel groups that each have a kernel.
            kernel_size: Height and width of the kernels.
            stride: Distance between output pixels.
            reduction_ratio: See `channel`.
            **kwargs: Further arguments of `Involution2D`; they replace the published ones.

        Reference: https://keras.io/examples/vision/involution/
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
        self._build_generator(input_shape, self._geometry)
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

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if self._fuses(inputs):
            return self._fused(inputs, training)
        kernels = self._generate(inputs, self._geometry, training)
        outputs = apply(inputs, kernels, self._geometry)
        return (outputs, kernels) if self.return_kernels else outputs

    def _fuses(self, inputs: Any) -> bool:
        """Whether this call generates the kernels in strips.

        Raises:
            ValueError: It must, and cannot.
        """
        fused = ops.is_fused_involution_enabled() if self.fused is None else self.fused
        if fused is False or leaves_process():
            return False
        reason = self._fused_obstacle(inputs)
        if fused and reason:
            raise ValueError(
                f"the involution {self.name!r} cannot be fused: {reason}. Received: fused=True"
            )
        faster = is_faster(self.input_spec.axes[self.channel_axis], self._geometry.groups)
        return fused or (faster and reason is None)

    def _fused_obstacle(self, inputs: Any) -> str | None:
        if self.return_kernels:
            return "it returns its kernels, which fused are never stored"
        activations = keras.activations.linear, keras.activations.softmax
        if self.kernel_activation not in activations:
            return "its `kernel_activation` is neither None nor 'softmax'"
        if type(self.span) is not keras.layers.Conv2D or self.span.dtype_policy.quantization_mode:
            return "its layer `span` is no plain convolution"
        return obstacle(inputs)

    def _fused(self, inputs: Any, training: bool | None) -> Any:
        reduced, geometry = self._reduced_features(inputs, training), self._geometry
        if self._transposes:
            geometry = replace(geometry, data_format="channels_last")
            inputs = keras.ops.transpose(inputs, TO_LAST)
        weights = [self.span.kernel, *([self.span.bias] if self.use_span_bias else [])]
        outputs = apply_fused(
            inputs,
            reduced,
            *map(keras.ops.convert_to_tensor, weights),
            geometry=geometry,
            softmax=self.kernel_activation is keras.activations.softmax,
        )
        return keras.ops.transpose(outputs, TO_FIRST) if self._transposes else outputs

    def count_macs(self, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> int:
        """Both 1x1 convolutions, at the strided size, and the sum over the taps.

        Args:
            inputs: Shape of one image.
            outputs: Shape of the result for one image.
        """
        channels, taps = inputs[self.channel_axis - 1], math.prod(self.kernel_size)
        generator = (channels + self.span.filters) * self.reduce.filters
        return math.prod(outputs) // channels * (generator + channels * taps)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> Any:
        geometry = self._geometry_for(input_shape[self.channel_axis])
        outputs = geometry.output_shape(input_shape)
        return (outputs, geometry.kernels_shape(input_shape)) if self.return_kernels else outputs

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        shapes = self.compute_output_shape(inputs.shape)
        if self.return_kernels:
            return tuple(keras.KerasTensor(shape, dtype=self.compute_dtype) for shape in shapes)
        return keras.KerasTensor(shapes, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        plain = (
            "reduction_ratio reduce_filters momentum epsilon use_reduce_bias use_span_bias "
            "kernel_size strides dilation_rate groups group_channels group_layout padding "
            "data_format return_kernels identity_start generator_input"
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


def involutions(model: keras.Model) -> list[Involution2D]:
    """The involutions among the layers of a model, in its order."""
    return [layer for layer in model.layers if isinstance(layer, Involution2D)]
