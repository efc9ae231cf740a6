"""The fused involution against a slow loop, the stored kernels, and itself on other threads."""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from involbench.ops import cpu, fused_involution, plain_operations
from involbench.ops.geometry import make_geometry
from tests.effort import examples
from tests.ops import reference
from tests.ops.backends import BACKEND, rounded, values_and_gradients
from tests.ops.test_involution import TOLERANCE, arguments, cases, first, in_graph

pytestmark = pytest.mark.usefixtures("double_precision")

WIDE = [
    reference.Case((2, 5, 9, 32), (3, 3), groups=2),
    reference.Case((1, 4, 13, 34), (3, 5), (1, 1), (1, 2), 2, "interleaved"),
    reference.Case((2, 7, 6, 20), (5, 3), (2, 1), (1, 1), 20, padding="keras_io"),
    reference.Case((3, 1, 7, 18), (7, 7), groups=9, layout="interleaved"),
    reference.Case((1, 9, 1, 16), (3, 3), (1, 1), (2, 2), 1),
    reference.Case((1, 2, 150, 8), (3, 3)),
]
"""Several vectors a pixel, one row, one column, a row of several strips."""


def arrays(case, features, seed, dtype="float64"):
    """x, reduced features, span, bias and dy, rounded to what `dtype` can hold."""
    rng = np.random.default_rng(seed)
    batch, filters = case.shape[0], case.groups * int(np.prod(case.kernel_size))
    shapes = [
        case.shape,
        (batch, *case.out, features),
        (1, 1, features, filters),
        (filters,),
        (batch, *case.out, case.shape[3]),
    ]
    return [rounded(rng.normal(size=shape), dtype).astype("float64") for shape in shapes]


def expected(case, softmax, x, reduced, span, bias, dy):
    """The result and the four gradients in float64, from the definition."""
    taps = int(np.prod(case.kernel_size))
    contiguous = case.layout == "contiguous"
    pair = (case.groups, taps) if contiguous else (taps, case.groups)
    logits = (reduced @ span[0, 0] + bias).reshape(*reduced.shape[:3], *pair)
    logits = logits if contiguous else logits.swapaxes(3, 4)
    kernels = logits
    if softmax:
        powers = np.exp(logits - logits.max(-1, keepdims=True))
        kernels = powers / powers.sum(-1, keepdims=True)
    y = reference.involution(case, x, kernels)
    dx, by_kernels = reference.gradients(case, x, kernels, dy)
    if softmax:
        by_kernels = kernels * (by_kernels - (kernels * by_kernels).sum(-1, keepdims=True))
    by_kernels = by_kernels if contiguous else by_kernels.swapaxes(3, 4)
    flat = by_kernels.reshape(*reduced.shape[:3], -1)
    dspan = np.einsum("bhwr,bhwf->rf", reduced, flat)[None, None]
    return y, [dx, flat @ span[0, 0].T, dspan, flat.sum((0, 1, 2))]


def check(case, features, softmax, data_format, dtype, seed, bias=True, wrap=lambda f: f):
    *tensors, dy = arrays(case, features, seed, dtype)
    if not bias:
        tensors[3] = np.zeros_like(tensors[3])
    y, gradients = expected(case, softmax, *tensors, dy)
    to = first if data_format == "channels_first" else np.asarray
    options = arguments(case, data_format) | {"kernel_activation": "softmax" if softmax else None}
    function = lambda x, r, w, b=None: fused_involution(x, r, w, b, **options)  # noqa: E731
    given_tensors = [to(tensors[0]), to(tensors[1]), tensors[2], *tensors[3:][:bias]]
    got = values_and_gradients(wrap(function), given_tensors, to(dy), dtype)
    wanted = [to(y), to(gradients[0]), to(gradients[1]), gradients[2], *gradients[3:][:bias]]
    for actual, right in zip([got[0], *got[1]], wanted, strict=True):
        tolerance = TOLERANCE[dtype] * (5 if "16" in dtype else 1)
        scale = max(float(np.abs(right).max()), 1.0)
        np.testing.assert_allclose(actual, right, rtol=tolerance, atol=tolerance * scale)


CHOICES = st.tuples(
    st.integers(1, 5),
    st.booleans(),
    st.sampled_from(["channels_last", "channels_first"]),
    st.sampled_from(["float32", "float64", "float64", "float16"]),
    st.integers(0, 2**16),
    st.booleans(),
)


@pytest.mark.filterwarnings("ignore:You are using a softmax")
@given(cases(), CHOICES)
@settings(
    max_examples=20 if BACKEND == "jax" else 300,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_values_and_gradients_equal_the_definition(case, choices):
    check(case, *choices)


@given(cases(), CHOICES)
@settings(max_examples=examples(6, 30), deadline=None, suppress_health_check=list(HealthCheck))
@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch's path is the same everywhere")
def test_they_do_inside_a_compiled_function(case, choices):
    check(case, *choices, in_graph)


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("case", WIDE, ids=str)
def test_wide_images_equal_the_definition(case, softmax):
    check(case, 7, softmax, "channels_last", "float64", 0)


@pytest.mark.parametrize("groups", [2, 32])
def test_no_number_of_threads_changes_a_bit(monkeypatch, groups):
    fused = pytest.importorskip("involbench.ops.cpu.fused")
    geometry = make_geometry(3, groups=groups, data_format="channels_last")
    rng = np.random.default_rng(0)
    shapes = [(37, 9, 11, 32), (37, 9, 11, 5), (5, 9 * groups), (9 * groups,), (37, 9, 11, 32)]
    *arguments, dy = (rng.normal(size=shape).astype("float32") for shape in shapes)

    def results(threads):
        monkeypatch.setattr(cpu, "_threads", lambda: threads)
        y = fused.forward(*arguments, geometry, groups == 32)
        return [y, *fused.gradients(*arguments, dy, geometry, groups == 32)]

    alone = [array.tobytes() for array in results(1)]
    for threads in (2, 3, 64):
        assert [array.tobytes() for array in results(threads)] == alone


def test_large_logits_have_the_right_softmax():
    case = reference.Case((1, 3, 3, 2), (3, 3), groups=2)
    *tensors, dy = arrays(case, 2, 0)
    tensors[1] *= 1e3
    y, _ = expected(case, True, *tensors, dy)
    got, gradients = values_and_gradients(
        lambda *given: fused_involution(*given, 3, groups=2, kernel_activation="softmax"),
        tensors,
        dy,
        "float64",
    )
    np.testing.assert_allclose(got, y, atol=1e-12)
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_nan_reaches_what_it_touches_and_nothing_else():
    case = reference.Case((1, 6, 7, 20), (3, 3), groups=2)
    *tensors, dy = arrays(case, 3, 0)
    tensors[1][0, 2, 3, 1] = np.nan
    y, (dx, dreduced, *_) = values_and_gradients(
        lambda *given: fused_involution(*given, 3, groups=2), tensors, dy, "float32"
    )
    touched = np.zeros((6, 7), bool)
    touched[2, 3] = True
    np.testing.assert_array_equal(np.isnan(y).all((0, 3)), touched)
    assert np.isfinite(dreduced).all()
    touched[1:4, 2:5] = True
    np.testing.assert_array_equal(np.isnan(dx).all((0, 3)), touched)


def test_an_empty_batch_gives_gradients_of_zero():
    case = reference.Case((0, 4, 5, 16), (3, 3), groups=2)
    *tensors, dy = arrays(case, 3, 0)
    y, gradients = values_and_gradients(
        lambda *given: fused_involution(*given, 3, groups=2), tensors, dy, "float32"
    )
    assert y.shape == dy.shape
    assert not gradients[2].any() and not gradients[3].any()


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's tapes")
@pytest.mark.parametrize("softmax", [None, "softmax"])
def test_second_derivatives_equal_those_of_stored_kernels(softmax):
    import tensorflow as tf

    *tensors, _ = arrays(reference.Case((2, 4, 3, 16), (3, 3), groups=2), 3, 0)
    tensors = [tf.constant(tensor) for tensor in tensors]

    def second():
        with tf.GradientTape() as outer:
            outer.watch(tensors)
            with tf.GradientTape() as inner:
                inner.watch(tensors)
                y = fused_involution(*tensors, 3, groups=2, kernel_activation=softmax)
                y = tf.reduce_sum(y**3)
            total = sum(tf.reduce_sum(each**2) for each in inner.gradient(y, tensors))
        return outer.gradient(total, tensors)

    got = [*second(), *tf.function(second)()]
    with plain_operations():
        wanted = second()
    for a, b in zip(got, [*wanted, *wanted], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * float(np.abs(b).max()))


def test_symbolic_tensors_become_a_node_of_a_model():
    images, reduced = keras.Input((6, 5, 4)), keras.Input((6, 5, 3))
    span, bias = keras.Input((1, 3, 18), batch_size=1), keras.Input((), batch_size=18)
    outputs = fused_involution(images, reduced, span, bias, 3, groups=2)
    assert outputs.shape == (None, 6, 5, 4)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"groups": 3}, "groups=3"),
        ({"kernel_activation": "relu"}, "kernel_activation='relu'"),
        ({"reduced": (2, 4, 5, 3)}, r"reduced.shape=\(2, 4, 5, 3\)"),
        ({"span_kernel": (3, 18)}, r"span_kernel.shape=\(3, 18\)"),
        ({"span_kernel": (1, 1, 3, 9)}, r"span_kernel.shape=\(1, 1, 3, 9\)"),
        ({"span_bias": (9,)}, r"span_bias.shape=\(9,\)"),
        ({"dtype": "int32"}, "inputs.dtype=int32"),
    ],
)
def test_tensors_that_do_not_fit_are_named(changed, message):
    shapes = {
        "inputs": (2, 4, 4, 4),
        "reduced": (2, 4, 4, 3),
        "span_kernel": (1, 1, 3, 18),
        "span_bias": (18,),
    }
    tensors = {name: np.ones(changed.pop(name, shape)) for name, shape in shapes.items()}
    tensors["inputs"] = tensors["inputs"].astype(changed.pop("dtype", "float32"))
    with pytest.raises(ValueError, match=f"Received: {message}"):
        fused_involution(**tensors, kernel_size=3, **({"groups": 2} | changed))


@pytest.mark.skipif(BACKEND != "torch", reason="PyTorch's compiler")
def test_torch_compile_keeps_the_operator():
    import torch

    graphs = []

    def keep(graph, _):
        graphs.append(graph)
        return graph.forward

    case = reference.Case((2, 5, 4, 16), (3, 3), (2, 1), groups=2)
    *tensors, dy = arrays(case, 3, 0)
    function = lambda *given: fused_involution(  # noqa: E731
        *given, **arguments(case, "channels_last"), kernel_activation="softmax"
    )
    compiled = torch.compile(function, backend=keep)
    got = values_and_gradients(compiled, tensors, dy, "float64")
    wanted = values_and_gradients(function, tensors, dy, "float64")
    np.testing.assert_array_equal(got[0], wanted[0])
    for a, b in zip(got[1], wanted[1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert any("involbench.fused_involution" in str(graph.graph) for graph in graphs)
