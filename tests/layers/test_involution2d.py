"""Involution2D: names, shapes, saving, dtypes, graphs, unknown sizes, options, bad arguments."""

from pathlib import Path

import keras
import numpy as np
import pytest

from involbench import ops
from involbench.layers import (
    Involution2D,
    LocalSelfAttention2D,
    OutlookAttention2D,
    involution2d,
)
from involbench.ops import fused
from tests.effort import examples
from tests.ops.backends import BACKEND

OPTIONS = [
    {},
    {"strides": 2, "padding": "keras_io", "group_layout": "interleaved"},
    {"dilation_rate": 2},
    {"kernel_size": (3, 5), "strides": (1, 2)},
    {"data_format": "channels_first", "groups": 1, "strides": 2},
    {"normalization": None, "activation": "tanh"},
    {"kernel_activation": "softmax"},
    {"kernel_regularizer": "l2", "kernel_constraint": "max_norm", "bias_initializer": "ones"},
]
MORE_OPTIONS = [
    {"strides": 2},
    {"groups": None, "group_channels": 2},
    {"reduce_filters": 5},
    {"normalization": "layer"},
    {"normalization": "group"},
    {"use_reduce_bias": True, "use_span_bias": False},
    {"identity_start": True},
    {"generator_input": "constant"},
]


def images(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def make(**options):
    return Involution2D(**({"kernel_size": 3, "groups": 2, "reduction_ratio": 2} | options))


@pytest.mark.parametrize("options", examples(OPTIONS, OPTIONS + MORE_OPTIONS), ids=str)
def test_trains_saves_and_loads_with_every_option(options, tmp_path):
    model = keras.Sequential([keras.Input((7, 5, 4)), make(**options)])
    x = images(examples(8, 9), 7, 5, 4)
    model.compile("sgd", "mse")
    before = [np.array(weight) for weight in model.get_weights()]
    model.fit(x, np.ones(model.compute_output_shape(x.shape)), batch_size=4, verbose=0)
    assert any(not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    y = model.predict(x, verbose=0)
    assert y.shape == model.layers[0].compute_output_shape(x.shape)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), y)


SAVED_BEFORE = Path(__file__).parent / "saved_before_inner_names.keras"
"""A model of all three layers, whose inner layers had automatic names when it was saved."""
INNER_WEIGHTS = {
    "involution": [
        *("reduce/kernel", "reduce/bias"),
        *(f"normalization/{name}" for name in ("gamma", "beta", "moving_mean", "moving_variance")),
        *("span/kernel", "span/bias"),
    ],
    "local": [
        *("row_embedding", "column_embedding"),
        *("query/kernel", "key/kernel", "value/kernel"),
    ],
    "outlook": [
        *("value/kernel", "attention/kernel", "attention/bias"),
        *("projection/kernel", "projection/bias"),
    ],
}


def model_of_all_layers():
    """The architecture of `SAVED_BEFORE`."""
    inputs = keras.Input((4, 3, 4))
    x = Involution2D(3, groups=2, use_reduce_bias=True, name="involution")(inputs)
    x = LocalSelfAttention2D(4, 3, heads=2, name="local")(x)
    return keras.Model(inputs, OutlookAttention2D(4, 3, heads=2, name="outlook")(x))


def test_weights_have_the_same_paths_wherever_layers_are_built():
    expected = [f"{layer}/{name}" for layer, names in INNER_WEIGHTS.items() for name in names]
    first, second = model_of_all_layers(), model_of_all_layers()
    for model in (first, second, keras.models.clone_model(first)):
        assert [weight.path for weight in model.weights] == expected


@pytest.mark.parametrize("normalization", ["layer", "group"])
def test_each_normalization_has_the_same_name(normalization):
    layer = make(normalization=normalization, name="involution")
    layer.build((None, 4, 4, 4))
    paths = {weight.path for weight in layer.weights}
    assert {"involution/normalization/gamma", "involution/normalization/beta"} < paths


def test_a_model_saved_with_other_inner_names_loads():
    loaded, model = keras.models.load_model(SAVED_BEFORE), model_of_all_layers()
    for index, weight in enumerate(loaded.get_weights()):
        np.testing.assert_array_equal(weight, np.full(weight.shape, index + 1))
    model.load_weights(SAVED_BEFORE)
    for old, new in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_config_round_trips():
    layer = make(dilation_rate=3, kernel_regularizer="l1", kernel_activation="softmax", name="inv")
    twin = Involution2D.from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()


@pytest.mark.parametrize("strides", [1, 2, 3])
def test_both_data_formats_agree(strides):
    x = images(2, 7, 6, 4)
    last = make(strides=strides, data_format="channels_last")
    first = make(strides=strides, data_format="channels_first")
    expected = np.asarray(keras.ops.convert_to_numpy(last(x)))
    first.build((None, 4, 7, 6))
    first.set_weights(last.get_weights())
    got = keras.ops.convert_to_numpy(first(np.transpose(x, (0, 3, 1, 2))))
    np.testing.assert_allclose(np.transpose(got, (0, 2, 3, 1)), expected, rtol=1e-4, atol=1e-5)


def test_returns_the_kernels_it_applied():
    layer = make(return_kernels=True, kernel_activation="softmax", strides=2)
    inputs = keras.Input((7, 5, 4))
    outputs, kernels = layer(inputs)
    assert outputs.shape == (None, 4, 3, 4)
    assert kernels.shape == (None, 4, 3, 2, 9)
    _, kernels = layer(images(2, 7, 5, 4))
    sums = keras.ops.convert_to_numpy(keras.ops.sum(kernels, axis=-1))
    np.testing.assert_allclose(sums, 1, rtol=1e-5)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "bfloat16", "float64"])
def test_works_under_dtype_policies(policy):
    layer = make(dtype=policy)
    y = layer(images(2, 6, 6, 4))
    assert keras.backend.standardize_dtype(y.dtype) == layer.compute_dtype
    reference = make()
    reference.build((None, 6, 6, 4))
    reference.set_weights([np.asarray(w, "float32") for w in layer.get_weights()])
    expected = keras.ops.convert_to_numpy(reference(images(2, 6, 6, 4)))
    got = keras.ops.convert_to_numpy(keras.ops.cast(y, "float32"))
    np.testing.assert_allclose(got, expected, rtol=0.1, atol=0.1)


def test_builds_with_unknown_height_and_width():
    if BACKEND == "jax":
        pytest.skip("JAX compiles for known shapes only")
    inputs = keras.Input((None, None, 4))
    layer = make(strides=2)
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, None, None, 4)
    model.compile("sgd", "mse")
    for height, width in [(7, 5), (4, 9)]:
        x = images(2, height, width, 4)
        y = model.predict(x, verbose=0)
        np.testing.assert_allclose(y, keras.ops.convert_to_numpy(layer(x)), rtol=1e-4, atol=1e-5)
        assert np.isfinite(model.train_on_batch(x, y))


def test_works_in_a_subclassed_model():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.involution = make()

        def call(self, x):
            return self.involution(x)

    model = Net()
    model.compile("sgd", "mse")
    x = images(5, 6, 6, 4)
    first = model.train_on_batch(x, x)
    assert np.isfinite(first)
    assert model.predict(x, verbose=0).shape == x.shape


@pytest.mark.parametrize("stride", [1, 2])
def test_runs_the_keras_io_example(stride):
    layer = Involution2D.keras_io(
        channel=16, group_number=1, kernel_size=5, stride=stride, reduction_ratio=2
    )
    x = images(32, 256, 256, 3)
    assert layer(x).shape == (32, 256 // stride, 256 // stride, 3)
    assert layer.reduce.filters == 8


@pytest.mark.parametrize("fused", [None, False])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": (5, 3)},
        {"group_layout": "interleaved", "use_reduce_bias": True, "padding": "keras_io"},
        {"data_format": "channels_first", "dilation_rate": 2, "groups": 1},
    ],
    ids=str,
)
def test_a_layer_can_begin_as_the_identity_and_learns(options, fused):
    layer, x = make(identity_start=True, fused=fused, **options), images(2, 16, 16, 16)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(x)), x)
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    model.compile("sgd", "mse")
    model.fit(x, 0 * x, verbose=0)
    assert np.abs(keras.ops.convert_to_numpy(layer(x)) - x).max() > 1e-4


def test_kernels_from_a_constant_are_the_same_at_every_pixel_of_every_image():
    # With a ReLU, some initial weights give kernels of zeros.
    layer = make(generator_input="constant", return_kernels=True, activation="tanh")
    _, kernels = layer(images(2, 5, 7, 4))
    kernels = keras.ops.convert_to_numpy(kernels)
    assert kernels.shape == (2, 5, 7, 2, 9)
    assert np.abs(kernels).max() > 0
    first = np.broadcast_to(kernels[:1, :1, :1], kernels.shape)
    np.testing.assert_allclose(kernels, first, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel_size": 4}, "use 3 or 5. Received: kernel_size=4"),
        ({"kernel_size": 0}, "Received: kernel_size=0"),
        ({"kernel_size": (3, 3, 3)}, r"Received: kernel_size=\(3, 3, 3\)"),
        ({"strides": 0}, "Received: strides=0"),
        ({"dilation_rate": -1}, "Received: dilation_rate=-1"),
        ({"groups": -1}, "Received: groups=-1"),
        ({"group_channels": 0, "groups": None}, "Received: group_channels=0"),
        ({"group_channels": 2, "groups": 2}, "Received: groups=2, group_channels=2"),
        ({"reduction_ratio": 0}, "Received: reduction_ratio=0"),
        ({"group_layout": "shuffled"}, "Received: group_layout='shuffled'"),
        ({"padding": "valid"}, "Received: padding='valid'"),
        ({"data_format": "nhwc"}, "Received: data_format='nhwc'"),
        ({"normalization": "instance"}, "Received: normalization='instance'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": 3}, "groups=3"),
        ({"groups": None, "group_channels": 16}, "group_channels=16"),
        ({"reduction_ratio": 8}, "reduction_ratio=8"),
    ],
)
def test_arguments_that_do_not_fit_the_channels_are_named(arguments, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        make(**arguments).build((None, 8, 8, 4))


FUSED = [
    {"groups": 2, "kernel_activation": "softmax"},
    {"groups": 16, "use_span_bias": False, "strides": 2, "kernel_activation": "softmax"},
    {"data_format": "channels_first", "group_layout": "interleaved"},
]


@pytest.fixture
def switched_back():
    yield
    fused._set_enabled(None)


@pytest.mark.parametrize("options", FUSED, ids=str)
def test_fused_and_stored_layers_train_alike(options):
    losses = []
    for fused_or_not in (True, False):
        keras.utils.set_random_seed(0)
        layer = make(fused=fused_or_not, **options)
        first = options.get("data_format") == "channels_first"
        model = keras.Sequential([keras.Input((16, 7, 5) if first else (7, 5, 16)), layer])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        x = images(6, *model.input_shape[1:])
        y = np.ones(model.compute_output_shape(x.shape))
        losses.append([model.train_on_batch(x, y) for _ in range(3)])
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert losses[0][-1] < losses[0][0]


@pytest.mark.usefixtures("switched_back")
def test_the_switch_decides_for_layers_that_do_not(monkeypatch):
    calls = []
    original = involution2d.apply_fused
    record = lambda *args, **options: calls.append(args) or original(*args, **options)  # noqa: E731
    monkeypatch.setattr(involution2d, "apply_fused", record)
    x = images(1, 4, 4, 16)

    def fuses(**options):
        calls.clear()
        make(**options)(x)
        return bool(calls)

    assert ops.is_fused_involution_enabled() is None
    assert fuses() and not fuses(fused=False)
    assert not fuses(groups=4) and fuses(groups=4, fused=True)
    assert not fuses(return_kernels=True) and not fuses(dtype="mixed_float16")
    ops.disable_fused_involution()
    assert ops.is_fused_involution_enabled() is False
    assert not fuses() and fuses(fused=True)
    ops.enable_fused_involution()
    assert fuses(groups=4) and not fuses(fused=False)
    with ops.plain_operations():
        assert not fuses(fused=True)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"return_kernels": True}, "returns its kernels"),
        ({"kernel_activation": "tanh"}, "neither None nor 'softmax'"),
        ({"dtype": "bfloat16"}, "not bfloat16"),
    ],
)
def test_a_layer_that_cannot_be_fused_says_why(options, reason):
    with pytest.raises(ValueError, match=rf"{reason}.*Received: fused=True"):
        make(fused=True, **options)(images(1, 4, 4, 16))
    with pytest.raises(ValueError, match="Received: fused='yes'"):
        make(fused="yes")


def test_saved_layers_do_not_depend_on_fusing():
    assert "fused" not in make(fused=True).get_config()
    assert make(fused=True, name="a").get_config() == make(fused=False, name="a").get_config()
