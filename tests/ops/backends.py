"""Values and gradients with whatever Keras backend the tests run on."""

import keras
import ml_dtypes
import numpy as np

BACKEND = keras.backend.backend()
DTYPES = {"bfloat16": ml_dtypes.bfloat16}
"""Those that NumPy does not know by name."""


def values_and_gradients(function, arrays, upstream, dtype):
    """function(*arrays) and its gradients by each array, for an upstream gradient; in float64."""
    *tensors, upstream = (
        keras.ops.convert_to_tensor(rounded(array, dtype)) for array in (*arrays, upstream)
    )
    result, gradients = _DIFFERENTIATE[BACKEND](function, tensors, upstream)
    return as_float64(result), [as_float64(gradient) for gradient in gradients]


def rounded(array, dtype):
    """By NumPy, since JAX compiles a conversion anew for each shape."""
    return np.asarray(array).astype(DTYPES.get(dtype, dtype))


def as_float64(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor)).astype("float64")


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
