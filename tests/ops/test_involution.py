"""The operator against a slow loop: values and both gradients, over generated cases."""

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from involbench.ops import involution
from tests.effort import examples
from tests.ops import reference
from tests.ops.backends import BACKEND, rounded, values_and_gradients

# JAX compiles every case anew, so `make test-jax` tries them all only where it is told to.
CASES = int(os.environ.get("INVOLBENCH_CASES", "30" if BACKEND == "jax" else "300"))
TOLERANCE = {"float64": 1e-12, "float32": 1e-5, "bfloat16": 1e-2, "float16": 1e-2}


pytestmark = pytest.mark.usefixtures("double_precision")


@st.composite
def cases(draw):
    groups, members = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 3, 6]))
    size = st.tuples(st.sampled_from([1, 3, 5]), st.sampled_from([1, 3, 5]))
    small = st.tuples(st.integers(1, 3), st.integers(1, 3))
    return reference.Case(
        (
            draw(st.integers(1, 3)),
            draw(st.integers(1, 7)),
            draw(st.integers(1, 7)),
            groups * members,
        ),
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
    return [rounded(rng.normal(size=shape), dtype).astype("float64") for shape in shapes]


def first(array):
    """Channels-last to channels-first."""
    return np.transpose(array, (0, 3, 1, 2) if array.ndim == 4 else (0, 3, 4, 1, 2))


def check(case, data_format, dtype, seed, wrap=lambda function: function):
    x, kernels, dy = arrays(case, seed, dtype)
    y, (dx, dkernels) = (
        reference.involution(case, x, kernels),
        reference.gradients(case, x, kernels, dy),
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
    """As part of a compiled function, where the backend has such."""
    if BACKEND == "torch":
        return function
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False)
    import jax

    return jax.jit(function)


def any_size(function, case, data_format, dtype):
    """As part of a TensorFlow function traced with unknown batch, height and width."""
    import tensorflow as tf

    channels, taps = case.shape[3], int(np.prod(case.kernel_size))
    shapes = [(None, None, None, channels), (None, None, None, case.groups, taps)]
    if data_format == "channels_first":
        shapes = [(None, channels, None, None), (None, case.groups, taps, None, None)]
    signature = [tf.TensorSpec(shape, dtype) for shape in shapes]
    return tf.function(function, input_signature=signature, autograph=False)


def generated(max_examples):
    """Over generated cases, layouts, types and numbers."""

    def over_cases(test):
        test = given(
            cases(),
            st.sampled_from(["channels_last", "channels_first"]),
            st.sampled_from(sorted(TOLERANCE)),
            st.integers(0, 2**16),
        )(test)
        checks = list(HealthCheck)
        return settings(max_examples=max_examples, deadline=None, suppress_health_check=checks)(
            test
        )

    return over_cases


@generated(max_examples=CASES)
def test_values_and_gradients_equal_the_definition(case, data_format, dtype, seed):
    check(case, data_format, dtype, seed)


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch's path is the same everywhere")
@generated(max_examples=examples(8, 15 if BACKEND == "jax" else 30))
def test_they_do_inside_a_compiled_function(case, data_format, dtype, seed):
    check(case, data_format, dtype, seed, in_graph)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow has unknown sizes")
@generated(max_examples=examples(20, 50))
def test_they_do_for_images_of_unknown_size(case, data_format, dtype, seed):
    """One trace serves images of several sizes."""
    traced = []

    def once(function):
        traced.append(traced[0] if traced else any_size(function, case, data_format, dtype))
        return traced[0]

    sizes = np.random.default_rng(seed).integers(1, 8, (2, 3))
    for shape in (case.shape[:3], *sizes.tolist()):
        other = replace(case, shape=(*shape, case.shape[3]))
        check(other, data_format, dtype, seed, once)


@pytest.mark.parametrize(
    "batch", [0, 3, 70, *(pytest.param(n, marks=pytest.mark.thorough) for n in (64, 130))]
)
@pytest.mark.parametrize("strides", [1, 2])
def test_batches_of_any_size_equal_their_images(batch, strides):
    case = reference.Case((batch, 4, 5, 4), (3, 3), (strides, strides), groups=2)
    x, kernels, dy = arrays(case, 0)

    def both(x, kernels, dy):
        return values_and_gradients(
            lambda x, h: involution(x, h, 3, strides, groups=2), [x, kernels], dy, "float32"
        )

    y, (dx, dkernels) = both(x, kernels, dy)
    assert y.shape == dy.shape and dx.shape == x.shape and dkernels.shape == kernels.shape
    for i in range(batch):
        one, (dx_one, dkernels_one) = both(x[i : i + 1], kernels[i : i + 1], dy[i : i + 1])
        np.testing.assert_allclose(y[i : i + 1], one, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(dx[i : i + 1], dx_one, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(dkernels[i : i + 1], dkernels_one, rtol=1e-5, atol=1e-5)


def test_gradients_equal_numerical_ones():
    case = reference.Case((2, 4, 3, 4), (3, 1), (2, 1), (1, 1), 2, "interleaved", "keras_io")
    x, kernels, dy = arrays(case, 0)
    function = lambda x, h: involution(x, h, **arguments(case, "channels_last"))  # noqa: E731
    _, gradients = values_and_gradients(function, [x, kernels], dy, "float64")
    step = 1e-6
    for which, gradient in enumerate(gradients):
        for index in np.ndindex(*gradient.shape):
            ends = []
            for sign in (1, -1):
                moved = [x.copy(), kernels.copy()]
                moved[which][index] += sign * step
                ends.append(np.sum(reference.involution(case, *moved) * dy))
            np.testing.assert_allclose(gradient[index], (ends[0] - ends[1]) / 2 / step, atol=1e-6)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"groups": 3}, "groups=3"),
        ({"kernels": (2, 4, 4, 2, 4)}, r"kernels.shape=\(2, 4, 4, 2, 4\)"),
        ({"kernels": (2, 4, 4, 18)}, r"kernels.shape=\(2, 4, 4, 18\)"),
        ({"inputs": (4, 4, 4)}, r"inputs.shape=\(4, 4, 4\)"),
        ({"dtype": "int32"}, "inputs.dtype=int32"),
        ({"strides": 2}, r"kernels.shape=\(2, 4, 4, 2, 9\)"),
    ],
)
def test_tensors_that_do_not_fit_are_named(changed, message):
    inputs = np.ones(changed.pop("inputs", (2, 4, 4, 4)), changed.pop("dtype", "float32"))
    kernels = np.ones(changed.pop("kernels", (2, 4, 4, 2, 9)), "float32")
    with pytest.raises(ValueError, match=f"Received: {message}"):
        involution(inputs, kernels, 3, **({"groups": 2} | changed))
