"""Involution2D: against the keras.io layer, through saving, and with bad arguments."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from involbench.layers import Involution2D


def keras_io_involution(x, layer, groups):
    """The published layer's arithmetic (patches, multiply, sum), on the weights of `layer`."""
    size, strides = layer.kernel_size, layer.strides
    pooled = tf.nn.avg_pool2d(x, strides, strides, "SAME") if strides > 1 else x
    kernel = layer.span(layer.activation(layer.normalization(layer.reduce(pooled))))
    batch, height, width = kernel.shape[:3]
    kernel = tf.reshape(kernel, (batch, height, width, size * size, 1, groups))
    window, step = [1, size, size, 1], [1, strides, strides, 1]
    patches = tf.image.extract_patches(x, window, step, [1, 1, 1, 1], "SAME")
    channels = x.shape[-1]
    shape = (batch, height, width, size * size, channels // groups, groups)
    summed = tf.reduce_sum(kernel * tf.reshape(patches, shape), axis=3)
    return tf.reshape(summed, (batch, height, width, channels))


@pytest.mark.parametrize(("groups", "channels"), [(1, 3), (2, 6), (3, 6)])
def test_equals_the_keras_io_layer(groups, channels):
    layer = Involution2D(
        3, groups=groups, group_layout="interleaved", reduction_ratio=2, use_reduce_bias=True
    )
    x = np.random.default_rng(1).normal(size=(2, 8, 6, channels)).astype("float32")
    layer(x)
    for weight in layer.weights:
        weight.assign(np.random.default_rng(2).uniform(0.5, 1.5, weight.shape))
    ours = layer(x)
    theirs = keras_io_involution(tf.constant(x), layer, groups)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    assert float(np.std(ours)) > 0.1


@pytest.mark.parametrize("strides", [1, 2, 3])
def test_output_shape_is_what_it_computes(strides):
    layer = Involution2D(3, strides=strides, groups=2, reduction_ratio=2)
    output = layer(np.zeros((1, 7, 5, 4), "float32"))
    assert tuple(output.shape) == layer.compute_output_shape((1, 7, 5, 4))
    assert output.shape[1] == -(-7 // strides)


def test_config_round_trips():
    layer = Involution2D(5, 2, 4, "interleaved", 2, True, name="inv")
    twin = Involution2D.from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()


def test_saved_and_loaded_gives_the_same_output(tmp_path):
    inputs = keras.Input((8, 8, 4))
    model = keras.Model(inputs, Involution2D(3, groups=2, reduction_ratio=2)(inputs))
    x = np.random.default_rng(0).normal(size=(3, 8, 8, 4)).astype("float32")
    expected = model.predict(x, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel_size": 4}, "kernel_size=4"),
        ({"kernel_size": 0}, "kernel_size=0"),
        ({"strides": 0}, "strides=0"),
        ({"groups": -1}, "groups=-1"),
        ({"reduction_ratio": 0}, "reduction_ratio=0"),
        ({"group_layout": "shuffled"}, "group_layout='shuffled'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        Involution2D(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"groups": 3}, "groups=3"), ({"reduction_ratio": 8}, "reduction_ratio=8")],
)
def test_arguments_that_do_not_fit_the_channels_are_named(arguments, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        Involution2D(3, **arguments).build((None, 8, 8, 4))
