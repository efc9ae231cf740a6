"""The architectures: published parameter counts, one registry, and saving."""

import keras
import numpy as np
import pytest

from involbench import registry
from involbench.layers import Involution2D
from involbench.models import build_model, resnet
from involbench.models.parameters import build_without_weights, count_parameters
from tests.effort import THOROUGH

PUBLISHED = {
    # trainable, not trainable, operator, head
    "keras_io_cnn": (319_178, 0, 56_320, 262_858),
    "keras_io_inn": (13_074, 6, 72, 13_002),
    "keras_io_control": (13_002, 0, 0, 13_002),
    "pythonguides_cnn": (29_002, 0, 19_392, 9_610),
    # 22,938 of the printed layers, 2,240 of the 1x1 convolutions, 744 of what the generators see.
    "pythonguides_inn": (25_730, 192, 13_688, 9_610),
    "plain": (319_178, 0, 56_320, 262_858),
    "residual_involution": (1_635_633, 8_000, 84_200, 1_543_241),
    "resnet": (738_586, 7_520, 315_648, 5_130),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_those_published(name):
    arguments = {"depth": 26, "width": 16, "stem": "cifar"} if name == "resnet" else {}
    parameters = count_parameters(build_model(name, (32, 32, 3), 10, **arguments))
    by_role = parameters.by_role
    counts = (parameters.trainable, parameters.non_trainable, by_role["operator"], by_role["head"])
    assert counts == PUBLISHED[name]
    assert sum(by_role.values()) == parameters.trainable
    assert parameters.total == parameters.trainable + parameters.non_trainable


COMPILES_EACH_OPERATION = keras.backend.backend() == "jax"
"""Even of what is run eagerly, which takes longer than a whole step at once."""
OTHER = ((48, 40, 3), 100)
DATA = [((32, 32, 3), 10), OTHER] if COMPILES_EACH_OPERATION or THOROUGH else [OTHER]
"""Elsewhere the experiments train on the first; JAX takes too long to compile all of them."""
_SMALL = {"residual_involution": {"width": 16, "num_layers": 1}, "resnet": {"width": 16}}
TRAINED = [
    *((f"keras_io_{name}", {}) for name in ("cnn", "inn", "control")),
    *((f"pythonguides_{name}", {}) for name in ("cnn", "inn")),
    # The experiments have the rest.
    *(
        pytest.param(
            *(skeleton, {"operator": operator, **_SMALL[skeleton]}),
            marks=pytest.mark.thorough if "attention" in operator else (),
        )
        for skeleton in _SMALL
        for operator in registry.operators()
        if operator not in ("convolution", "involution", "none")
        or (COMPILES_EACH_OPERATION and operator == "involution")
    ),
    ("resnet", {**_SMALL["resnet"], "depth": 18}),
    ("rednet", {"width": 32, "kernel_size": 3}),
    ("plain", {"operator": "none", "widths": (8, 8)}),
]


@pytest.mark.parametrize(("name", "arguments"), TRAINED, ids=str)
@pytest.mark.parametrize(("input_shape", "classes"), DATA, ids=str)
def test_trains_saves_and_loads(name, arguments, input_shape, classes, tmp_path, monkeypatch):
    """As those of the experiments do in tests/project/test_experiments.py, for other data."""
    if not THOROUGH:
        monkeypatch.setitem(resnet.BLOCKS, 50, (1, 1, 0, 0))
    keras.utils.set_random_seed(0)
    model = build_model(name, input_shape, classes, **arguments)
    rng = np.random.default_rng(0)
    x, y = rng.random((8, *input_shape), np.float32), rng.integers(0, classes, 8)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    eagerly = name != "residual_involution" and not THOROUGH and not COMPILES_EACH_OPERATION
    model.compile("adam", loss, run_eagerly=eagerly)
    before = output(model, x)
    model.fit(x, y, batch_size=4, verbose=0)
    after = output(model, x)
    assert after.shape == (8, classes)
    assert np.isfinite(after).all()
    assert not np.array_equal(before, after)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(output(loaded, x), after)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_logits_and_weights_are_float32_under_every_precision(name, policy):
    arguments = {"depth": 26, "width": 16} if name == "resnet" else {}
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        with build_without_weights():
            model = build_model(name, (32, 32, 3), 10, **arguments)
    finally:
        keras.config.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(model.output.dtype) == "float32"
    assert {variable.dtype for variable in model.variables} == {"float32"}
    computed = {layer.compute_dtype for layer in model.layers if layer.weights}
    assert computed == {"float32", policy.removeprefix("mixed_")}


def output(model, x):
    if COMPILES_EACH_OPERATION:
        return model.predict_on_batch(x)
    return keras.ops.convert_to_numpy(model(x, training=False))


@pytest.mark.parametrize("name", [*registry.architectures(), "plain with pooling"])
def test_the_spec_knows_whose_weights_fit_images_of_any_size(name):
    small = {"resnet": {"width": 8, "depth": 18}, "rednet": {"width": 32, "depth": 26}}
    arguments = small.get(name, {"width": 16, "num_layers": 1} if "residual" in name else {})
    name, *pooling = name.split(" with ")
    arguments |= {"head": "pooling"} if pooling else {}
    shapes = [
        [weight.shape for weight in build_model(name, (side, side, 3), 10, **arguments).weights]
        for side in (32, 24)
    ]
    fits = registry.architectures()[name].any_image_size(arguments)
    assert (shapes[0] == shapes[1]) == fits


def test_networks_with_pointwise_convolutions_differ_by_their_operator_alone():
    same = {"pointwise": True, "normalization": "batch", "head": "pooling", "widths": (16, 32)}
    layers = {
        operator: [
            (type(layer).__name__, [weight.shape for weight in layer.weights])
            for layer in build_model("plain", (8, 8, 3), 10, operator=operator, **same).layers
            if layer.name not in ("operator_1", "operator_2")
        ]
        for operator in registry.operators()
    }
    wanted = layers["convolution"]
    assert [kind for kind, _ in wanted] == [
        *("InputLayer", "Conv2D", "BatchNormalization", "ReLU", "MaxPooling2D"),
        *("Conv2D", "BatchNormalization", "ReLU", "GlobalAveragePooling2D", "Dense"),
    ]
    assert wanted[-1][1] == [(32, 10), (10,)]
    assert all(found == wanted for found in layers.values())


def test_unknown_architecture_is_named():
    with pytest.raises(ValueError, match="Received: name='keras_io_rnn'"):
        build_model("keras_io_rnn", (32, 32, 3), 10)


def test_an_operator_takes_objects_of_keras_with_their_arguments():
    operator = {
        "name": "involution",
        "kernel_regularizer": {"name": "l2", "l2": 0.25},
        "kernel_initializer": {"name": "random_normal", "stddev": 2.0, "seed": 3},
        "kernel_constraint": "non_neg",
    }
    model = build_model("plain", (8, 8, 3), 10, operator=operator, widths=(16,))
    (layer,) = (layer for layer in model.layers if isinstance(layer, Involution2D))
    assert layer.reduce.kernel_regularizer.l2 == 0.25
    assert layer.span.kernel_initializer.stddev == 2.0
    assert isinstance(layer.span.kernel_constraint, keras.constraints.NonNeg)
    with pytest.raises(ValueError, match="nonsense"):
        build_model("plain", (8, 8, 3), 10, operator=operator | {"kernel_initializer": "nonsense"})


def test_a_depthwise_kernel_begins_with_the_fans_of_one_channel():
    """Keras's own would be too small by the square root of the channels."""
    for skeleton, scale in (("plain", 1 / 9), ("resnet", 2 / 9)):
        sizes = {"widths": (256,)} if skeleton == "plain" else {"depth": 18, "width": 256}
        model = build_model(skeleton, (8, 8, 3), 10, operator="depthwise", **sizes)
        layer = next(x for x in model.layers if isinstance(x, keras.layers.DepthwiseConv2D))
        kernel = keras.ops.convert_to_numpy(layer.kernel)
        assert kernel.var() == pytest.approx(scale, rel=0.15)
    plain = build_model("plain", (8, 8, 3), 10, operator="depthwise", widths=(8, 8))
    first, second = (plain.get_layer(f"operator_{k}").kernel for k in (1, 2))
    assert not np.array_equal(*map(keras.ops.convert_to_numpy, (first, second)))


def test_a_skeleton_says_what_does_not_fit():
    cases = {
        "`widths` has 4 stages": ("plain", (4, 4, 3), {"widths": (8, 8, 8, 8)}),
        "`widths` must name at least one stage": ("plain", (4, 4, 3), {"widths": ()}),
        "`group_channels` must divide the 8 channels": (
            "residual_involution",
            (8, 8, 3),
            {"width": 8, "num_layers": 1},
        ),
        "`depth` must be one of": ("resnet", (8, 8, 3), {"depth": 34}),
        "`depth` must be one of .*26, 38": ("rednet", (8, 8, 3), {"depth": 18}),
        "`heads` must leave each head 2 of the 8": (
            "plain",
            (8, 8, 3),
            {"operator": {"name": "local_self_attention", "heads": 8}, "widths": (8,)},
        ),
        "`stem` must be one of": ("resnet", (8, 8, 3), {"stem": "tiny"}),
        "`width` must be a multiple of 32": ("rednet", (8, 8, 3), {"width": 48}),
        "`operator` none: .*'heads'": (
            "plain",
            (8, 8, 3),
            {"operator": {"name": "none", "heads": 2}},
        ),
        "`operator` must have a name": ("plain", (8, 8, 3), {"operator": {"heads": 2}}),
    }
    for message, (name, shape, arguments) in cases.items():
        with pytest.raises(ValueError, match=message):
            build_model(name, shape, 10, **arguments)


def test_nothing_between_the_residual_stack_and_its_head_can_die():
    """With ReLUs there the published depth was soon constant."""
    model = build_model("residual_involution", (8, 8, 3), 10, num_layers=2, width=16)
    last = keras.Model(model.inputs, model.get_layer("head_conv").output)
    y = output(last, np.random.default_rng(0).random((4, 8, 8, 3), np.float32))
    assert (y < 0).any()
    assert (y > 0).any()


def test_the_averages_of_the_residual_stack_keep_up_with_few_steps():
    """With Keras's own momentum two epochs of 50 blocks were tested at chance."""
    model = build_model("residual_involution", (8, 8, 3), 10, num_layers=2, width=16)
    assert {model.get_layer(f"norm_{block}").momentum for block in (1, 2)} == {0.9}


def test_none_in_a_skeleton_sees_no_neighbour():
    """What changes in one pixel stays there until the head."""
    model = build_model("resnet", (8, 8, 3), 10, depth=26, width=16, operator="none", stem="cifar")
    features = keras.Model(model.inputs, model.get_layer("layer1_0_relu").output)
    x = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
    x[1] = x[0]
    x[1, 0, 0] += 1
    y = features.predict(x, verbose=0)
    changed = np.abs(y[0] - y[1]).max(axis=-1) > 0
    assert changed.sum() <= 4  # The stem's 3x3 convolution reaches two pixels each way.
