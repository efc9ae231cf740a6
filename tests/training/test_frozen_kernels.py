"""Kernels of involutions moved to their mean, and back."""

import keras
import numpy as np
import pytest

from involbench.layers import Involution2D
from involbench.training.frozen_kernels import freezing_obstacle, frozen_kernels
from involbench.training.split import Split, TrialData

SIDE = 6


def data(count=30):
    draw = np.random.default_rng(1)
    images = draw.integers(0, 256, (count, SIDE, SIDE, 4)).astype(np.uint8)
    split = Split(images, draw.integers(0, 3, count))
    return TrialData(split, split, split, np.zeros(4, np.float32), np.ones(4, np.float32))


def network(**arguments):
    """Two involutions and a head; its weights are far from those of the start."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((SIDE, SIDE, 4))
    x = Involution2D(3, groups=2, name="first", **arguments)(inputs)
    x = Involution2D(3, groups=2, name="second", **arguments)(x)
    model = keras.Model(inputs, keras.layers.Flatten()(x))
    draw = np.random.default_rng(2)
    model.set_weights([draw.uniform(0.1, 1, each.shape) for each in model.get_weights()])
    return model


def kernels(model, name, images):
    """What a layer generates for images, (B, H, W, groups, taps)."""
    layer = model.get_layer(name)
    twin = Involution2D.from_config({**layer.get_config(), "return_kernels": True})
    x = keras.Model(model.inputs, layer.input)(images)
    twin.build(x.shape)
    twin.set_weights(layer.get_weights())
    return keras.ops.convert_to_numpy(twin(x)[1])


@pytest.mark.parametrize("arguments", [{}, {"group_layout": "interleaved"}])
@pytest.mark.parametrize("share", [1, 0.25])
def test_each_kernel_moves_to_the_mean_of_its_group(arguments, share):
    model, split = network(**arguments), data()
    images = (split.train.images / 255).astype(np.float32)
    before = {name: kernels(model, name, images) for name in ("first", "second")}
    weights = model.get_weights()
    with frozen_kernels(model, share, split, batch_size=8):
        first = kernels(model, "first", images)
    own = before["first"]
    np.testing.assert_allclose(
        first, (1 - share) * own + share * own.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-5
    )
    assert own.std(axis=(0, 1, 2)).min() > 0.01  # Before, no two pixels had the same.
    for now, then in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, then)


def test_the_mean_of_a_later_layer_is_that_of_the_unchanged_network():
    model, split = network(), data()
    images = (split.train.images / 255).astype(np.float32)
    mean = kernels(model, "second", images).mean(axis=(0, 1, 2))
    with frozen_kernels(model, 1, split, batch_size=64):
        second = kernels(model, "second", images)
    np.testing.assert_allclose(second, np.broadcast_to(mean, second.shape), rtol=1e-4)


def test_softmax_kernels_still_sum_to_one():
    model, split = network(kernel_activation="softmax"), data()
    images = (split.train.images / 255).astype(np.float32)
    with frozen_kernels(model, 1, split, batch_size=8):
        frozen = kernels(model, "first", images)
    np.testing.assert_allclose(frozen.sum(axis=-1), 1, rtol=1e-5)
    assert np.ptp(frozen, axis=(0, 1, 2)).max() < 1e-6


def test_kernels_from_a_constant_are_what_they_were():
    model, split = network(generator_input="constant"), data()
    images = (split.train.images / 255).astype(np.float32)
    before = model.predict(images, verbose=0)
    with frozen_kernels(model, 1, split, batch_size=8):
        frozen = model.predict(images, verbose=0)
    np.testing.assert_allclose(frozen, before, rtol=1e-4)


def test_the_weights_come_back_after_an_error():
    model = network()
    weights = model.get_weights()
    with pytest.raises(RuntimeError), frozen_kernels(model, 1, data(), batch_size=8):
        raise RuntimeError
    for now, then in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, then)


def test_what_cannot_be_frozen():
    plain = keras.Sequential([keras.Input((SIDE, SIDE, 4)), keras.layers.Conv2D(2, 1)])
    assert freezing_obstacle(plain) == "the network has no involution"
    assert "no bias" in freezing_obstacle(network(use_span_bias=False))
    assert freezing_obstacle(network()) is None
