"""The operator against a slow loop, values and gradients."""

import numpy as np
import pytest
import tensorflow as tf

from involbench.ops import involution
from tests.operator import reference

CASES = [
    # height, width, channels, kernel_size, strides, groups, layout
    (5, 5, 3, 3, 1, 1, "contiguous"),
    (4, 7, 4, 3, 1, 2, "contiguous"),
    (4, 7, 4, 3, 1, 2, "interleaved"),
    (6, 6, 6, 5, 2, 3, "contiguous"),
    (7, 5, 6, 3, 2, 3, "interleaved"),
    (7, 7, 4, 3, 3, 4, "contiguous"),
    (3, 2, 2, 7, 1, 1, "interleaved"),
    (1, 1, 1, 1, 1, 1, "contiguous"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients_equal_the_definition(case):
    height, width, channels, size, strides, groups, layout = case
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, height, width, channels))
    out = (-(-height // strides), -(-width // strides))
    kernels = rng.normal(size=(2, *out, groups, size**2))
    dy = rng.normal(size=(2, *out, channels))
    x_tensor, kernel_tensor = tf.constant(x), tf.constant(kernels)
    with tf.GradientTape() as tape:
        tape.watch([x_tensor, kernel_tensor])
        y = involution(x_tensor, kernel_tensor, (size, size), strides, groups, layout)
    dx, dkernels = tape.gradient(y, [x_tensor, kernel_tensor], output_gradients=dy)
    arguments = (size, strides, groups, layout)
    np.testing.assert_allclose(y, reference.involution(x, kernels, *arguments), rtol=1e-10)
    expected = reference.gradients(x, kernels, dy, *arguments)
    np.testing.assert_allclose(dx, expected[0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(dkernels, expected[1], rtol=1e-10, atol=1e-12)
