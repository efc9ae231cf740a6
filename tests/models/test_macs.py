"""Multiply-accumulates: against TensorFlow's profiler where it counts, else by hand."""

import keras
import pytest

from involbench.layers import Involution2D, LocalSelfAttention2D, OutlookAttention2D
from involbench.models import build_model
from involbench.models.parameters import count_parameters

PROFILED = ("Conv2D", "DepthwiseConv2dNative", "MatMul")


def profiled_macs(model, input_shape):
    """Half of the floating point operations that TensorFlow's profiler finds in convolutions and
    matrix products, for one image."""
    import tensorflow as tf

    profiler = tf.compat.v1.profiler
    signature = tf.TensorSpec((1, *input_shape), "float32")
    graph = tf.function(lambda x: model(x, training=False)).get_concrete_function(signature).graph
    options = (
        profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation())
        .with_empty_output()
        .build()
    )
    top = profiler.profile(graph, cmd="op", options=options)
    found, level = 0, [top]
    while level:
        found += sum(node.float_ops for node in level if node.name in PROFILED)
        level = [child for node in level for child in node.children]
    return found // 2


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("keras_io_cnn", {}),
        ("pythonguides_cnn", {}),
        ("plain", {"operator": "depthwise", "kernel_size": 5, "widths": (8, 12)}),
        ("residual_involution", {"operator": "convolution", "num_layers": 2}),
        ("resnet", {"depth": 26, "width": 8}),
        ("resnet", {"depth": 18, "width": 8, "operator": "depthwise"}),
    ],
)
def test_macs_are_those_that_the_profiler_counts(name, arguments):
    shape = (48, 40, 3)
    model = build_model(name, shape, 10, **arguments)
    counted = count_parameters(model)
    assert counted.macs == sum(counted.macs_by_role.values()) == profiled_macs(model, shape) > 0
    assert not counted.not_counted


@pytest.mark.parametrize("strides", [1, 2])
def test_the_profiler_misses_only_the_sum_over_the_taps_of_an_involution(strides):
    shape = (10, 9, 32)
    inputs = keras.Input(shape)
    model = keras.Model(inputs, Involution2D.official(5, strides, fused=False)(inputs))
    pixels = model.output.shape[1] * model.output.shape[2]
    taps = pixels * 32 * 25
    assert count_parameters(model).macs == profiled_macs(model, shape) + taps


def test_groups_of_a_convolution_see_their_own_channels():
    """The profiler knows no such convolution."""
    inputs = keras.Input((5, 4, 6))
    model = keras.Model(inputs, keras.layers.Conv2D(8, 3, padding="same", groups=2)(inputs))
    assert count_parameters(model).macs == 5 * 4 * 8 * 9 * 3


def test_attention_is_counted_by_hand():
    plain = {"widths": (8,), "kernel_size": 3}
    pixels, taps, image, filters = 6 * 5, 9, 3, 8
    local = build_model(
        "plain", (6, 5, 3), 10, operator={"name": "local_self_attention", "heads": 2}, **plain
    )
    # Three convolutions, scores by pixel, by row and by column, and the sum of the values.
    by_pixel = 3 * image * filters + taps * filters + 3 * 8 // 2 * 2 + taps * filters
    assert count_parameters(local).macs_by_role["operator"] == pixels * by_pixel
    outlook = build_model(
        "plain", (6, 5, 3), 10, operator={"name": "outlook_attention", "heads": 2}, **plain
    )
    by_pixel = image * filters + image * 2 * taps**2 + taps**2 * filters + filters * filters
    assert count_parameters(outlook).macs_by_role["operator"] == pixels * by_pixel


@pytest.mark.parametrize("strides", [1, 2])
def test_the_profiler_misses_only_the_sums_of_an_attention(strides):
    pixels, pooled, taps, heads = 7 * 5, (7 * 5, 4 * 3)[strides - 1], 9, 2
    inputs = keras.Input((7, 5, 6))
    local = keras.Model(inputs, LocalSelfAttention2D(8, 3, strides, heads)(inputs))
    outlook = keras.Model(inputs, OutlookAttention2D(8, 3, strides, heads)(inputs))
    # Scores by pixel and the sum of the values, which the profiler does not know; and by position.
    missed = pixels * (2 * taps * 8 + 3 * 8)
    assert count_parameters(local).macs == profiled_macs(local, (7, 5, 6)) + missed
    missed = pixels * taps**2 * 8
    assert count_parameters(outlook).macs == profiled_macs(outlook, (7, 5, 6)) + missed
    kernels = 6 * (8 + heads * taps**2)
    assert profiled_macs(outlook, (7, 5, 6)) == pixels * kernels + pooled * 8 * 8


def test_a_layer_that_is_not_counted_is_named():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2DTranspose(4, 3, name="up")(inputs)
    counted = count_parameters(keras.Model(inputs, keras.layers.Conv2D(4, 1)(x)))
    assert counted.not_counted == ("up (Conv2DTranspose)",)
    assert counted.macs == 10 * 10 * 16
    unknown = keras.Input((None, None, 3))
    counted = count_parameters(keras.Model(unknown, keras.layers.Conv2D(4, 1, name="c")(unknown)))
    assert counted.not_counted == ("c (Conv2D)",)
