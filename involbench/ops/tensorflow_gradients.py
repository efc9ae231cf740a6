"""The gradients of the involution on TensorFlow, of any order.

The result and its two gradients are each linear in both of their tensors, so that each one's
gradients are the other two.
"""

from typing import Any, Protocol

import tensorflow as tf


class Parts(Protocol):
    """A way to compute the three."""

    def forward(self, inputs: tf.Tensor, kernels: tf.Tensor) -> tf.Tensor: ...

    def inputs_gradient(
        self, shape: tf.Tensor, kernels: tf.Tensor, upstream: tf.Tensor
    ) -> tf.Tensor: ...

    def kernels_gradient(self, inputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor: ...


def differentiable(inputs: tf.Tensor, kernels: tf.Tensor, parts: Parts) -> tf.Tensor:
    """The result of `parts`, with its gradients."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def call(inputs: tf.Tensor, kernels: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            dx = _inputs_gradient(tf.shape(inputs), kernels, upstream, parts)
            dx.set_shape(inputs.shape)
            return dx, _kernels_gradient(inputs, upstream, parts)

        return parts.forward(inputs, kernels), gradient

    return call(inputs, kernels)


def _inputs_gradient(
    shape: tf.Tensor, kernels: tf.Tensor, upstream: tf.Tensor, parts: Parts
) -> tf.Tensor:
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def call(kernels: tf.Tensor, upstream: tf.Tensor) -> Any:
        def gradient(inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            dkernels = _kernels_gradient(inputs, upstream, parts)
            return dkernels, differentiable(inputs, kernels, parts)

        return parts.inputs_gradient(shape, kernels, upstream), gradient

    return call(kernels, upstream)


def _kernels_gradient(inputs: tf.Tensor, upstream: tf.Tensor, parts: Parts) -> tf.Tensor:
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def call(inputs: tf.Tensor, upstream: tf.Tensor) -> Any:
        def gradient(kernels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            dx = _inputs_gradient(tf.shape(inputs), kernels, upstream, parts)
            return dx, differentiable(inputs, kernels, parts)

        return parts.kernels_gradient(inputs, upstream), gradient

    return call(inputs, upstream)
