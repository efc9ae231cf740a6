"""Values and gradients with whatever Keras backend the tests run on."""

import keras
import numpy as np

BACKEND = keras.backend.backend()


def values_and_gradients(function, arrays, upstream, dtype):
    """function(*arrays) and its gradients by each array, for an upstream gradient; in float64."""
    tensors = [keras.ops.cast(keras.ops.convert_to_tensor(array), dtype) for array in arrays]
    upstream = keras.ops.cast(keras.ops.convert_to_tensor(upstream), dtype)
    result, gradients = _DIFFERENTIATE[BACKEND](function, tensors, upstream)
    return as_float64(result), [as_float64(gradient) for gradient in gradients]


def as_float64(tensor):
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float64")))


def _tensorflow(function, tensors, upstream):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(tensors)
        result = function(*tensors)
    return result, tape.gradient(result, tensors, output_gradients=upstream)


def _jax(function, tensors, upstream):
    import jax

    result, pull_back = jax.vjp(function, *tensors)
    return result, pull_back(upstream)


def _torch(function, tensors, upstream):
    tensors = [tensor.detach().requires_grad_(True) for tensor in tensors]
    result = function(*tensors)
    result.backward(upstream)
    return result.detach(), [tensor.grad for tensor in tensors]


_DIFFERENTIATE = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
