"""The look at a network before training: what it names, and that it changes nothing."""

import json

import keras
import numpy as np
import pytest
from keras import layers

from involbench.data import load_dataset
from involbench.layers import Involution2D
from involbench.models import build_model
from involbench.training.probe import probe
from involbench.training.provenance import make_reproducible
from tests.cli import called

SEEDS = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="other backends draw other weights from a seed"
)
IMAGES = np.random.default_rng(0).random((40, 8, 8, 3), dtype=np.float32)


def found(model, images=IMAGES):
    probed = probe(model, images)
    return [(each.name, each.images, each.zero) for each in probed.layers], probed.blind


@pytest.fixture(scope="module")
def digits():
    images = load_dataset("digits").x_train
    chosen = np.random.default_rng(0).permutation(len(images))[:256]
    return images[chosen].astype("float32") / 255


@SEEDS
@pytest.mark.parametrize(
    ("seed", "names"), [(0, []), (1, ["relu_1"]), (2, []), (4, ["relu_1"]), (5, ["relu_1"])]
)
def test_it_names_the_seeds_that_never_learn(digits, seed, names):
    make_reproducible(seed, deterministic=True)
    probed = probe(build_model("keras_io_inn", (32, 32, 3), 10), digits)
    assert [each.name for each in probed.layers] == names
    assert all(each.zero and each.images == 256 for each in probed.layers)
    assert probed.blind == bool(names)


def test_it_changes_neither_weights_nor_averages_nor_random_states():
    inputs = keras.Input((8, 8, 3))
    x = layers.BatchNormalization()(layers.Conv2D(4, 3)(inputs))
    outputs = layers.Dense(2)(layers.Flatten()(layers.Dropout(0.5)(x)))
    model = keras.Model(inputs, outputs)
    before = [each.numpy().copy() for each in model.variables]
    assert len(before) == 9  # The state of dropout's generator is one of them.
    assert found(model) == ([], False)
    for old, new in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def test_a_branch_that_is_dead_does_not_end_the_network():
    inputs = keras.Input((8, 8, 3))
    dead = layers.ReLU(name="dead")(layers.Rescaling(-1.0)(inputs))
    outputs = layers.Dense(2)(layers.Flatten()(layers.Add()([inputs, dead])))
    assert found(keras.Model(inputs, outputs)) == ([("dead", 40, True)], False)


def test_an_activation_inside_a_layer_is_not_its_output():
    inputs = keras.Input((8, 8, 3))
    x = Involution2D(3, groups=1, reduction_ratio=1, kernel_initializer="zeros")(inputs)
    assert found(keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))) == ([], False)


def test_what_follows_from_a_named_layer_is_not_named():
    inputs = keras.Input((8, 8, 3))
    x = layers.Rescaling(0.0, offset=1.0, name="flat")(inputs)
    x = layers.Dense(4, activation="relu")(layers.Flatten()(x))
    assert found(keras.Model(inputs, layers.Dense(2)(x))) == ([("flat", 40, False)], True)


def test_a_layer_that_begins_at_zero_can_still_learn():
    inputs = keras.Input((8, 8, 3))
    x = layers.BatchNormalization(gamma_initializer="zeros")(inputs)
    outputs = layers.Dense(2)(layers.Flatten()(layers.ReLU()(x)))
    assert found(keras.Model(inputs, outputs)) == ([], False)


@pytest.mark.parametrize(("alive", "named"), [(2, True), (3, False)])
def test_a_relu_that_a_few_images_pass_is_named(alive, named):
    inputs = keras.Input((8, 8, 3))
    x = layers.ReLU(name="relu")(inputs)
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))
    images = -IMAGES - 0.1
    images[:alive] += 2
    assert found(model, images) == (([("relu", 40 - alive, True)], True) if named else ([], False))


def test_half_precision_and_a_dense_relu():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        inputs = keras.Input((8, 8, 3))
        hidden = layers.Dense(
            3, activation="relu", bias_initializer=keras.initializers.Constant(-100), name="hidden"
        )(layers.Flatten()(inputs))
        model = keras.Model(inputs, layers.Dense(2, dtype="float32")(hidden))
    finally:
        keras.config.set_dtype_policy("float32")
    assert found(model) == ([("hidden", 40, True)], True)


def test_without_two_images_or_a_graph_it_says_nothing():
    class Subclassed(keras.Model):
        def call(self, inputs):
            return inputs

    model = build_model("keras_io_control", (8, 8, 3), 2)
    assert probe(model, IMAGES[:1]) is None
    assert probe(Subclassed(), IMAGES) is None


SPEC = """\
name: tiny
data: {dataset: digits, train_size: 60, validation: test}
models:
  inn: {architecture: keras_io_inn}
training: {epochs: 4, batch_size: 20, optimizer: {name: adam, learning_rate: 0.01}}
seeds: [1, 2]
"""


@SEEDS
@pytest.mark.usefixtures("here", "eager", "undrawn")
def test_screen_record_and_comparison_name_it(tmp_path):
    (tmp_path / "tiny.yaml").write_text(SPEC)
    done = called("run", "tiny.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    dead, lags = "relu_1 is zero for all of 20 images", "the validation accuracy never clearly did"
    warning = f"warning: inn, seed 1, before training: {dead}: the network can't learn\n"
    assert warning in done.stderr
    (ended,) = [line for line in done.stderr.splitlines() if line.startswith("inn seed 2 ")]
    assert lags in ended
    compared = called("compare", cwd=tmp_path)
    assert (
        "inn, seed 1: relu_1 was zero for all images before training, so the network"
        in compared.stderr
    )
    assert f"inn, seed 2: the training accuracy rose above chance, {lags}" in compared.stderr
    records = sorted(tmp_path.glob("results/tiny/runs/*/run.json"))
    first, second = (json.loads(path.read_text()) for path in records)
    assert first["probe"] == {
        "images": 20, "layers": [{"name": "relu_1", "images": 20, "zero": True}], "blind": True,
    }  # fmt: skip
    assert second["probe"] == {"images": 20, "layers": [], "blind": False}
    assert [(each["collapsed"], each["validation_lags"]) for each in (first, second)] == [
        (True, False), (False, True),
    ]  # fmt: skip
