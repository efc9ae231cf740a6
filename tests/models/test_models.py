"""The architectures: published parameter counts, one registry, and saving."""

import inspect

import keras
import numpy as np
import pytest

from involbench.models import build_model
from involbench.models.registry import ARCHITECTURES
from involbench.profiling import count_parameters
from involbench.spec import architectures

PUBLISHED = {
    # trainable, not trainable, operator, head
    "keras_io_cnn": (319_178, 0, 56_320, 262_858),
    "keras_io_inn": (13_074, 6, 72, 13_002),
    "keras_io_control": (13_002, 0, 0, 13_002),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_those_published(name):
    parameters = count_parameters(build_model(name, (32, 32, 3), 10))
    by_role = parameters.by_role
    counts = (parameters.trainable, parameters.non_trainable, by_role["operator"], by_role["head"])
    assert counts == PUBLISHED[name]
    assert sum(by_role.values()) == parameters.trainable
    assert parameters.total == parameters.trainable + parameters.non_trainable


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("input_shape", [(32, 32, 3), (27, 41, 3)], ids=str)
def test_trains_saves_and_loads(name, input_shape, tmp_path):
    keras.utils.set_random_seed(0)
    model = build_model(name, input_shape, 7)
    rng = np.random.default_rng(0)
    x, y = rng.random((8, *input_shape), np.float32), np.arange(8) % 7
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = model.predict(x, verbose=0)
    model.fit(x, y, verbose=0, epochs=2)
    after = model.predict(x, verbose=0)
    assert after.shape == (8, 7)
    assert not np.array_equal(before, after)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), after)


def test_the_spec_offers_exactly_what_the_registry_builds():
    classes = architectures.Architecture.__subclasses__()
    offered = {cls.model_fields["architecture"].annotation.__args__[0]: cls for cls in classes}
    assert offered.keys() == ARCHITECTURES.keys()
    for name, cls in offered.items():
        parameters = list(inspect.signature(ARCHITECTURES[name]).parameters.values())[2:]
        in_builder = {parameter.name: parameter.default for parameter in parameters}
        fields = {key: field.default for key, field in cls.model_fields.items()}
        fields.pop("architecture")
        assert fields == in_builder, name


def test_unknown_architecture_is_named():
    with pytest.raises(ValueError, match="Received: name='keras_io_rnn'"):
        build_model("keras_io_rnn", (32, 32, 3), 10)
