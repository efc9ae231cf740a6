"""The attention layers against slow loops: values and gradients, and what every layer must do."""

import keras
import numpy as np
import pytest

from involbench.layers import LocalSelfAttention2D, OutlookAttention2D
from tests.effort import examples
from tests.layers import attention_reference as attention
from tests.ops.backends import values_and_gradients

LAYERS = {
    LocalSelfAttention2D: attention.local_self_attention,
    OutlookAttention2D: attention.outlook_attention,
}
pytestmark = pytest.mark.usefixtures("double_precision")

OPTIONS = [
    {"filters": 4, "kernel_size": 3, "heads": 2},
    {"filters": 3, "kernel_size": (5, 3), "heads": 1, "strides": 3},
]
MORE_OPTIONS = [{"filters": 6, "kernel_size": (1, 3), "heads": 2, "strides": 2}]


def slow(kind, options, x, *weights):
    """The loop, over each image of a batch."""
    settings = {"strides": options.get("strides", 1), "heads": options["heads"]}
    size = options["kernel_size"]
    size = (size, size) if isinstance(size, int) else size
    return np.stack([LAYERS[kind](i, *weights, kernel_size=size, **settings) for i in x])


@pytest.mark.parametrize("options", examples(OPTIONS, OPTIONS + MORE_OPTIONS), ids=str)
@pytest.mark.parametrize("kind", LAYERS)
def test_values_and_gradients_equal_the_definition(kind, options):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 4, 5, 4))
    layer = kind(**options, dtype="float64")
    layer.build(x.shape)
    arrays = [x, *(rng.normal(size=weight.shape) for weight in layer.trainable_variables)]
    expected = slow(kind, options, *arrays)
    dy = rng.normal(size=expected.shape)

    def call(x, *weights):
        return layer.stateless_call(list(weights), [], x)[0]

    got, gradients = values_and_gradients(call, arrays, dy, "float64")
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)
    # A loop has no gradient of its own, but a slope along any direction.
    for position, gradient in enumerate(gradients):
        for _ in range(3):
            direction, step = rng.normal(size=arrays[position].shape), 1e-5
            ends = []
            for sign in (1, -1):
                moved = list(arrays)
                moved[position] = arrays[position] + sign * step * direction
                ends.append((slow(kind, options, *moved) * dy).sum())
            slope = (ends[0] - ends[1]) / (2 * step)
            np.testing.assert_allclose((gradient * direction).sum(), slope, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(("channels", "heads"), [(4, 4), (16, 2)])  # 16: by other loops.
def test_trains_saves_and_loads(kind, channels, heads, tmp_path):
    keras.utils.set_random_seed(0)
    shape = (7, 5, channels)
    model = keras.Sequential([keras.Input(shape), kind(2 * channels, 3, strides=2, heads=heads)])
    x = np.random.default_rng(0).normal(size=(8, *shape)).astype("float32")
    model.compile("sgd", "mse")
    y = model.predict(x, verbose=0)
    assert y.shape == model.layers[0].compute_output_shape(x.shape) == (8, 4, 3, 2 * channels)
    model.fit(x, y + 1, batch_size=4, verbose=0)
    y = model.predict(x, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].get_config() == model.layers[0].get_config()
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), y)


@pytest.mark.parametrize("kind", LAYERS)
def test_half_precision_is_near_single(kind):
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 4)).astype("float32")
    single, half = kind(4, 3, heads=2), kind(4, 3, heads=2, dtype="mixed_bfloat16")
    single.build(x.shape)
    half.build(x.shape)
    half.set_weights(single.get_weights())
    got = keras.ops.convert_to_numpy(keras.ops.cast(half(x), "float32"))
    np.testing.assert_allclose(got, keras.ops.convert_to_numpy(single(x)), atol=0.1)


@pytest.mark.parametrize("kind", LAYERS)
def test_scores_beyond_half_precision_are_no_harm(kind):
    """Products of such inputs are beyond 65,504, and 16 bits cannot tell large ones apart."""
    x = 60 * np.random.default_rng(0).normal(size=(1, 4, 4, 64)).astype("float32")
    single, half = kind(64, 3, heads=1), kind(64, 3, heads=1, dtype="mixed_float16")
    single.build(x.shape)
    half.build(x.shape)
    half.set_weights(single.get_weights())
    expected = keras.ops.convert_to_numpy(single(x))
    got = keras.ops.convert_to_numpy(keras.ops.cast(half(x), "float32"))
    near = np.abs(got - expected) < 0.02 * np.abs(expected).max()
    assert near.mean() > 0.95  # Where two scores are close, their order may still be another.


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": 6, "heads": 4}, "`heads` must divide the 6 `filters`"),
        ({"filters": 6, "heads": 0}, "`heads` must be a positive integer"),
        ({"filters": 8, "kernel_size": 4}, "`kernel_size` must be odd"),
    ],
)
def test_a_wrong_argument_is_named(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**options)
