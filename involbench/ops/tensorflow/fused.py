"""The fused involution on TensorFlow: compiled loops for the CPU, called on NumPy arrays."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import tensorflow as tf

from involbench.ops.cpu import fused
from involbench.ops.fused import stored
from involbench.ops.geometry import Geometry
from involbench.ops.tensorflow import call_loops


def call(tensors: Sequence[tf.Tensor], geometry: Geometry, softmax: bool) -> tf.Tensor:
    """The result for inputs, reduced features, span and bias, with gradients of first and second
    order; those of the second store the kernels.
    """
    shapes = [tensor.shape for tensor in tensors]
    compute = partial(fused.forward, geometry=geometry, softmax=softmax)
    differentiate = partial(fused.gradients, geometry=geometry, softmax=softmax)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def forward(*tensors: tf.Tensor) -> Any:
        result = call_loops(compute, tensors, tensors[0].dtype)
        result.set_shape(geometry.output_shape(shapes[0]))
        return result, lambda upstream: gradients(*tensors, upstream)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def gradients(*tensors: tf.Tensor) -> Any:
        results = call_loops(differentiate, tensors, [tensors[0].dtype] * 4)
        for result, shape in zip(results, shapes, strict=True):
            result.set_shape(shape)
        return results, partial(second, tensors)

    def second(tensors: Sequence[tf.Tensor], *upstream: tf.Tensor) -> list[tf.Tensor]:
        *arguments, dy = tensors
        with tf.GradientTape() as outer:
            outer.watch(tensors)
            with tf.GradientTape() as inner:
                inner.watch(arguments)
                x, reduced, span, bias = arguments
                result = stored(x, reduced, span, bias, geometry, softmax)
            first = inner.gradient(result, arguments, output_gradients=dy)
        return outer.gradient(first, tensors, output_gradients=list(upstream))

    return forward(*tensors)
