"""The operator against a slow loop: values and both gradients, over generated cases."""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from involbench.ops import involution
from tests.operator import reference
from tests.operator.backends import BACKEND, as_float64, values_and_gradients

TOLERANCE = {"float64": 1e-12, "float32": 1e-5, "bfloat16": 1e-2, "float16": 1e-2}


@pytest.fixture(scope="module", autouse=True)
def _double_precision():
    """JAX has float64 only where asked for."""
    if BACKEND == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)


@st.composite
def cases(draw):
    groups, members = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 3, 6]))
    size = st.tuples(st.sampled_from([1, 3, 5]), st.sampled_from([1, 3, 5]))
    small = st.tuples(st.integers(1, 3), st.integers(1, 3))
    return reference.Case(
        (draw(st.integers(1, 3)), draw(st.integers(1, 7)), draw(st.integers(1, 7)), groups * members),
        kernel_size=draw(size),
        strides=draw(st.one_of(st.just((1, 1)), small)),
        dilation=draw(st.one_of(st.just((1, 1)), small)),
        groups=groups,
        layout=draw(st.sampled_from(["contiguous", "interleaved"])),
        padding=draw(st.sampled_from(["same", "keras_io"])),
    )


def arguments(case, data_format):
    return {
        "kernel_size": case.kernel_size,
        "strides": case.strides,
        "dilation_rate": case.dilation,
        "groups": case.groups,
        "group_layout": case.layout,
        "padding": case.padding,
        "data_format": data_format,
    }


def arrays(case, seed, dtype="float64"):
    """x, kernels and dy, rounded to what `dtype` can hold."""
    rng = np.random.default_rng(seed)
    shapes = [
        case.shape,
        (case.shape[0], *case.out, case.groups, np.prod(case.kernel_size)),
        (case.shape[0], *case.out, case.shape[3]),
    ]
    return [as_float64(keras.ops.cast(rng.normal(size=shape), dtype)) for shape in shapes]


def first(array):
    """Channels-last to channels-first."""
    return np.transpose(array, (0, 3, 1, 2) if array.ndim == 4 else (0, 3, 4, 1, 2))


def check(case, data_format, dtype, seed, wrap=lambda function: function):
    x, kernels, dy = arrays(case, seed, dtype)
    y, (dx, dkernels) = reference.involution(case, x, kernels), reference.gradients(
        case, x, kernels, dy
    )
    to = first if data_format == "channels_first" else np.asarray
    got = values_and_gradients(
        wrap(lambda x, kernels: involution(x, kernels, **arguments(case, data_format))),
        [to(x), to(kernels)],
        to(dy),
        dtype,
    )
    for actual, expected in zip([got[0], *got[1]], [y, dx, dkernels], strict=True):
        tolerance = TOLERANCE[dtype]
        scale = max(float(np.abs(expected).max()), 1.0)
        np.testing.assert_allclose(actual, to(expected), rtol=tolerance, atol=tolerance * scale)


def in_graph(function):
    """As part of a compiled function, where TensorFlow's path is not that of a small batch."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False)
    if BACKEND == "jax":
        import jax

        return jax.jit(function)
    return function


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    cases(),
    st.sampled_from(["channels_last", "channels_first"]),
    st.sampled_from(sorted(TOLERANCE)),
    st.integers(0, 2**16),
    st.sampled_from(["plain", "compiled"]),
)
def test_values_and_gradients_equal_the_definition(case, data_format, dtype, seed, path):
    check(case, data_format, dtype, seed, in_graph if path == "compiled" else lambda f: f)
