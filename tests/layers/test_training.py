"""The layer in training: under every dtype policy, and with batches of several sizes."""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from involbench.layers import Involution2D
from involbench.ops import involution
from tests.ops import reference
from tests.ops.backends import BACKEND, values_and_gradients
from tests.ops.test_involution import arguments, arrays, cases

pytestmark = pytest.mark.usefixtures("double_precision")

POLICIES = ["float32", "mixed_float16", "mixed_bfloat16", "bfloat16", "float16", "float64"]


@pytest.mark.parametrize("policy", POLICIES)
def test_learns_under_every_dtype_policy(policy):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(32, 6, 6, 4))
    y = (x[:, 0, 0, 0] > 0).astype("int64")
    layers = [
        Involution2D(3, groups=2, reduction_ratio=2, dtype=policy),
        keras.layers.Flatten(dtype=policy),
        keras.layers.Dense(2, dtype="float32"),
    ]
    model = keras.Sequential([keras.Input((6, 6, 4)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)
    before = layers[0].get_weights()[0]
    losses = model.fit(x, y, batch_size=32, epochs=15, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    assert not np.array_equal(before, layers[0].get_weights()[0])


@given(cases(), st.integers(0, 2**16))
@settings(
    max_examples=20 if BACKEND == "jax" else 60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_gradients_equal_numerical_ones_along_any_direction(case, seed):
    """The operator is linear in each argument, so that a wide step costs no accuracy."""
    tensors, rng = arrays(case, seed), np.random.default_rng(seed + 1)
    *points, dy = tensors
    function = lambda x, h: involution(x, h, **arguments(case, "channels_last"))  # noqa: E731
    _, gradients = values_and_gradients(function, points, dy, "float64")
    for which, gradient in enumerate(gradients):
        direction = rng.normal(size=gradient.shape)
        ends = []
        for sign in (0.5, -0.5):
            moved = list(points)
            moved[which] = moved[which] + sign * direction
            ends.append(np.sum(reference.involution(case, *moved) * dy))
        along = np.sum(gradient * direction)
        np.testing.assert_allclose(along, ends[0] - ends[1], rtol=1e-9, atol=1e-9)


@pytest.mark.skipif(BACKEND != "jax", reason="counts what JAX traces")
def test_jax_traces_each_size_of_batch_once():
    traced = []

    class Counting(Involution2D):
        def call(self, inputs, training=None):
            traced.append(inputs.shape)
            return super().call(inputs, training=training)

    model = keras.Sequential([keras.Input((4, 4, 2)), Counting(3, groups=1, reduction_ratio=1)])
    model.compile("sgd", "mse")
    x = np.ones((10, 4, 4, 2), "float32")
    model.fit(x, x, batch_size=4, epochs=1, verbose=0)
    once = len(traced)
    model.fit(x, x, batch_size=4, epochs=4, verbose=0)
    assert len(traced) == once


def test_integer_kernels_are_named():
    inputs, kernels = np.ones((2, 4, 4, 4), "float32"), np.ones((2, 4, 4, 2, 9), "int32")
    with pytest.raises(ValueError, match=r"Received: kernels\.dtype=int32"):
        involution(inputs, kernels, 3, groups=2)


@pytest.mark.parametrize("kernel_size", [-3, (3, -1)])
def test_negative_kernel_sizes_are_named(kernel_size):
    with pytest.raises(ValueError, match="Received: kernel_size="):
        Involution2D(kernel_size)
