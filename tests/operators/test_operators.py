"""The slot: every operator by its name, with the same shapes."""

import keras
import numpy as np
import pytest

from involbench.operators import make_operator
from involbench.ops import involution
from involbench.registry import operators
from tests.ops.backends import BACKEND


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("operator", operators())
def test_every_operator_fits_the_slot(operator, strides, tmp_path):
    inputs = keras.Input((7, 6, 16))
    outputs = make_operator(operator, 16, 3, strides, "slot")(inputs)
    assert outputs.shape == (None, -(-7 // strides), 6 // strides, 16)
    model = keras.Model(inputs, outputs)
    x = np.random.default_rng(0).normal(size=(2, 7, 6, 16)).astype("float32")
    y = model.predict(x, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), y)


@pytest.mark.parametrize("operator", ["convolution", "depthwise"])
@pytest.mark.parametrize("shape", [(1, 6, 7, 2), (1, 5, 4, 2)])
def test_a_strided_convolution_is_every_second_pixel_of_a_dense_one(operator, shape):
    """So it looks at the pixels that a strided involution looks at; Keras's own does not."""
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    dense, strided = (make_operator(operator, 2, 3, s, f"by_{s}") for s in (1, 2))
    expected = keras.ops.convert_to_numpy(dense(x))[:, ::2, ::2]
    strided.build(x.shape)
    strided.set_weights(dense.get_weights())
    np.testing.assert_allclose(keras.ops.convert_to_numpy(strided(x)), expected, atol=1e-5)


@pytest.mark.parametrize(("strides", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_static_shared_is_an_involution_with_one_kernel_everywhere(strides, dilation):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 7, 6, 6)).astype("float32")
    layer = make_operator(
        "static_shared", 6, 3, strides, "slot", group_channels=2, dilation_rate=dilation
    )
    layer.build(x.shape)
    kernels, bias = rng.normal(size=(3, 3, 3, 1)), rng.normal(size=6)
    layer.set_weights([kernels, bias])
    of_groups = kernels.reshape(9, 3).T.astype("float32")
    everywhere = np.broadcast_to(of_groups, (2, -(-7 // strides), 6 // strides, 3, 9))
    expected = involution(x, everywhere, 3, strides, dilation, groups=3)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(layer(x)),
        keras.ops.convert_to_numpy(expected) + bias,
        atol=1e-5,
    )


def test_static_shared_begins_with_kernels_as_large_as_those_of_depthwise():
    shared, each = (
        make_operator(name, 256, 3, 1, "slot", **own)
        for name, own in (("static_shared", {"group_channels": 1}), ("depthwise", {}))
    )
    for layer in (shared, each):
        layer.build((None, 8, 8, 256))
    limit = (3 / 9) ** 0.5
    for kernels in (shared.get_weights()[0], each.get_weights()[0]):
        assert 0.95 * limit < np.abs(kernels).max() <= limit


def test_channels_that_the_groups_do_not_divide_are_refused():
    layer = make_operator("static_shared", 6, 3, 1, "slot", group_channels=4)
    with pytest.raises(ValueError, match=r"must divide the channels.*group_channels=4"):
        layer.build((None, 8, 8, 6))


def test_none_sees_no_neighbour():
    x = np.random.default_rng(0).normal(size=(1, 5, 6, 2)).astype("float32")
    for strides in (1, 2):
        y = keras.ops.convert_to_numpy(make_operator("none", 2, 3, strides, "slot")(x))
        np.testing.assert_array_equal(y, x[:, ::strides, ::strides])


def test_involution_takes_every_option_and_groups_in_place_of_the_published_ones():
    options = {"groups": 2, "kernel_activation": "softmax", "use_reduce_bias": True}
    layer = make_operator("involution", 8, 5, 2, "slot", dilation_rate=2, **options)
    config = layer.get_config()
    assert config["group_channels"] is None
    assert config.items() >= {"groups": 2, "kernel_activation": "softmax"}.items()
    assert (config["kernel_size"], config["dilation_rate"]) == ((5, 5), (2, 2))


@pytest.mark.parametrize("operator", operators())
def test_a_wrong_name_or_size_is_named(operator):
    with pytest.raises(ValueError, match=r"Received: operator='convolutoin'"):
        make_operator("convolutoin", 16, 3, 1, "slot")
    if operator != "none":
        with pytest.raises(ValueError, match=r"`kernel_size` must be odd.*=4"):
            make_operator(operator, 16, 4, 1, "slot")


@pytest.mark.skipif(BACKEND != "tensorflow", reason="compares with Keras on TensorFlow")
def test_a_strided_convolution_counts_as_one_of_keras():
    layer = make_operator("convolution", 4, 3, 2, "slot")
    assert isinstance(layer, keras.layers.Conv2D)
    assert layer.compute_output_shape((None, None, 7, 3)) == (None, None, 4, 4)
