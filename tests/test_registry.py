"""The registry: what one file of the user's registers is known everywhere."""

import json
import re

import numpy as np
import pytest

from involbench import registry
from involbench.errors import RegistryError
from involbench.models import build_model
from involbench.models.parameters import count_parameters
from involbench.plugins import load_plugin
from involbench.spec.schema import ExperimentSpec, json_schema
from tests.cli import called
from tests.results.factory import make_run, predict

OPERATOR = '''
from typing import Annotated

from pydantic import Field

from involbench.registry import operator


@operator(check=lambda given, channels: {"taps": "odd"} if given.get("taps") == 7 else {})
def twice(channels, kernel_size, strides, *, taps: Annotated[int, Field(gt=0)] = 3):
    """Two convolutions in a row.

    Args:
        taps: Size of the second
            convolution.
    """
    import keras

    first = keras.layers.Conv2D(channels, kernel_size, strides, padding="same")
    return keras.Sequential([first, keras.layers.Conv2D(channels, taps, padding="same")])
'''


ARCHITECTURE = '''
from involbench.registry import architecture
from involbench.schema_types import PositiveInt


@architecture(any_image_size=True)
def pooled(input_shape, num_classes, *, width: PositiveInt = 6):
    """One convolution and the mean of each channel.

    Args:
        width: Channels of the convolution.
    """
    import keras

    images = keras.Input(input_shape)
    x = keras.layers.Conv2D(width, 3, padding="same", name="operator_1")(images)
    x = keras.layers.GlobalAveragePooling2D(name="head_pool")(x)
    return keras.Model(images, keras.layers.Dense(num_classes, name="head_logits")(x))
'''

DATASET = '''
import numpy as np

from involbench.registry import dataset
from involbench.schema_types import ImageSize, PositiveInt


@dataset()
def bars(*, image_size: ImageSize = 6, copies: PositiveInt = 8):
    """Images with one bright row or column.

    Args:
        copies: Images of each class.
    """
    side, label = image_size, np.arange(2 * copies) % 2
    images = np.zeros((2 * copies, side, side), np.uint8)
    for place, image in enumerate(images):
        line = place // 2 % side
        (image if label[place] else image.T)[line] = 200 + place
    return {
        "x_train": images, "y_train": label, "x_test": images // 2, "y_test": label,
        "class_names": ["column", "row"],
    }
'''

METRIC = """
from involbench.registry import metric


@metric(title="mean confidence", better="higher")
def confidence(labels, probabilities):
    return probabilities.max(axis=1).mean()
"""
BROKEN = """
from involbench.registry import metric


@metric()
def broken(labels, probabilities):
    raise ValueError("no such class")
"""


@pytest.fixture
def plugin(tmp_path, plugins):
    """Imports a file of the user's; what it registers is gone after the test."""

    def load(text):
        path = tmp_path / "my_ops.py"
        path.write_text(text, encoding="utf-8")
        load_plugin(path)

    return load


def _experiment(operator):
    model = {"architecture": "plain", "widths": [4], "operator": operator}
    return ExperimentSpec.model_validate(
        {"name": "mine", "data": {"dataset": "digits"}, "models": {"mine": model}}
    )


def test_an_operator_of_one_file_is_in_spec_schema_and_counts(plugin):
    plugin(OPERATOR)
    schema = json_schema()["$defs"]["Plain"]["properties"]["operator"]
    assert "twice" in schema["anyOf"][0]["enum"]
    one = [choice["properties"] for choice in schema["anyOf"] if "properties" in choice]
    (twice,) = [keys for keys in one if keys["name"]["const"] == "twice"]
    assert twice["taps"] == {
        "description": "Size of the second convolution.", "exclusiveMinimum": 0, "type": "integer",
    }  # fmt: skip
    spec = _experiment({"name": "twice", "taps": 5}).models["mine"]
    model = build_model("plain", (8, 6, 3), 10, **spec.arguments)
    counted = count_parameters(model)
    (row,) = (row for row in counted.layers if row.name == "operator_1")
    assert row.role == "operator"
    assert row.macs == 8 * 6 * (9 * 3 * 4 + 25 * 4 * 4)
    assert row.trainable == 9 * 3 * 4 + 4 + 25 * 4 * 4 + 4
    with pytest.raises(ValueError, match=r"taps\n.*greater than 0"):
        _experiment({"name": "twice", "taps": 0})
    with pytest.raises(ValueError, match=r"unknown operator 'twise'; .*twice"):
        _experiment("twise")


DECLARED = """
from involbench.registry import operator


@operator(role="normalization", macs=lambda layer, inputs, outputs: inputs[0] * outputs[1])
def cheap(channels, kernel_size, strides):
    import keras

    return keras.layers.Conv2D(channels, kernel_size, strides, padding="same")
"""


def test_the_role_and_the_macs_that_an_operator_declares_are_used(plugin):
    plugin(DECLARED)
    spec = _experiment("cheap").models["mine"]
    counted = count_parameters(build_model("plain", (8, 6, 3), 10, **spec.arguments))
    (row,) = (row for row in counted.layers if row.name == "operator_1")
    assert (row.role, row.macs) == ("normalization", 8 * 6)
    assert counted.by_role["normalization"] == 9 * 3 * 4 + 4


SPEC = """
name: mine
data: {dataset: digits, train_size: 40, validation: test}
training: {epochs: 1, batch_size: 20}
models:
  cnn: {architecture: pooled}
  narrow: {architecture: pooled, width: 2}
"""


def test_an_architecture_of_one_file_is_in_schema_params_run_and_compare(
    plugin, tmp_path, here, eager
):
    plugin(ARCHITECTURE)
    schema = json.loads(called("schema", cwd=tmp_path).stdout)["$defs"]["Pooled"]
    assert schema["description"] == "One convolution and the mean of each channel."
    assert schema["properties"]["width"]["description"] == "Channels of the convolution."
    assert "match" in schema["properties"]
    (tmp_path / "mine.yaml").write_text(SPEC, encoding="utf-8")
    counted = called("params", "mine.yaml", cwd=tmp_path)
    assert counted.returncode == 0, counted.stderr
    assert f"{27 * 6 + 6 + 60 + 10}" in counted.stdout
    done = called("run", "mine.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    compared = called("compare", "mine", "--json", cwd=tmp_path)
    assert compared.returncode == 0, compared.stderr
    assert {"cnn", "narrow"} <= set(re.findall(r'"(\w+)"', compared.stdout))
    (tmp_path / "mine.yaml").write_text(SPEC.replace("width: 2", "wdith: 2"), encoding="utf-8")
    refused = called("validate", "mine.yaml", cwd=tmp_path)
    assert "unknown key; did you mean 'width'?" in refused.stderr


OWN_DATA = """
name: mine
data: {dataset: bars, copies: 6, validation: test}
training: {epochs: 1, batch_size: 4}
models: {cnn: {architecture: plain, widths: [2]}, none: {architecture: plain, operator: none}}
"""


def test_a_dataset_of_one_file_is_in_schema_params_run_and_compare(plugin, tmp_path, here, eager):
    plugin(DATASET)
    schema = json.loads(called("schema", cwd=tmp_path).stdout)["$defs"]["DataSpec"]
    assert schema["properties"]["dataset"]["enum"][-1] == "bars"
    assert schema["properties"]["copies"]["description"] == "Images of each class."
    assert schema["additionalProperties"] is False
    (tmp_path / "mine.yaml").write_text(OWN_DATA, encoding="utf-8")
    counted = called("params", "mine.yaml", cwd=tmp_path)
    assert counted.returncode == 0, counted.stderr
    assert f"{9 * 2 + 2 + 6 * 6 * 2 * 64 + 64 + 2 * 64 + 2:,}" in counted.stdout
    done = called("run", "mine.yaml", "-S", "data.image_size=5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "results" / "mine" / "runs").glob("cnn-seed0-*")
    record = json.loads((folder / "run.json").read_bytes())
    assert record["trial"]["data"]["copies"] == 6
    assert record["data"]["input_shape"] == [5, 5, 1]
    assert (record["data"]["train_size"], record["data"]["class_names"]) == (12, ["column", "row"])
    compared = called("compare", "mine", "--json", cwd=tmp_path)
    assert compared.returncode == 0, compared.stderr
    assert {"cnn", "none"} <= set(re.findall(r'"(\w+)"', compared.stdout))
    other = called("run", "mine.yaml", "-S", "data.copies=7", "--dry-run", cwd=tmp_path)
    assert other.returncode == 0, other.stderr
    assert folder.name not in other.stdout


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("copies: 6", "copis: 6", r"data\.copis: unknown key; did you mean 'copies'\?"),
        ("copies: 6", "copies: 0", r"data\.copies: expected a number above 0, got 0"),
        ("copies: 6", "path: a", r"only for the datasets folder, npz and table, .* is 'bars'"),
        ("bars, copies: 6", "digits, copies: 6", r"data\.copies: only for the dataset bars"),
        ("dataset: bars", "dataset: barz", r"unknown dataset 'barz'; did you mean 'bars'\?"),
    ],
)
def test_keys_of_an_own_dataset_are_checked(plugin, tmp_path, before, after, message):
    plugin(DATASET)
    (tmp_path / "mine.yaml").write_text(OWN_DATA.replace(before, after), encoding="utf-8")
    refused = called("validate", "mine.yaml", cwd=tmp_path)
    assert refused.returncode == 2
    assert re.search(message, refused.stderr)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("np.uint8", "np.float32", r"bars: x_train is float32; images must be uint8"),
        ('"y_test": label,', "", r"bars: y_test missing"),
        ("% 2\n", "% 2 + 1\n", r"label 2; labels of 2 classes run from 0 to 1"),
        ("return {", "return [0], {", r"bars: expected a mapping .*, got tuple"),
        (
            "np.arange(2",
            "1 / 0 * np.arange(2",
            r"my_ops\.py:8: the dataset bars failed: ZeroDivision",
        ),
    ],
)
def test_the_arrays_of_an_own_dataset_are_checked(plugin, tmp_path, here, before, after, message):
    assert before in DATASET
    plugin(DATASET.replace(before, after))
    (tmp_path / "mine.yaml").write_text(OWN_DATA, encoding="utf-8")
    refused = called("run", "mine.yaml", cwd=tmp_path)
    assert refused.returncode == 2
    assert re.search(message, refused.stderr), refused.stderr


def test_a_metric_of_one_file_is_computed_from_predictions_and_compared(plugin, tmp_path):
    plugin(METRIC)
    for model, sure in (("cnn", 0.625), ("inn", 0.875)):
        probabilities = np.array([[sure, 1 - sure]] * 4, np.float16)
        arrays = {"labels": np.zeros(4, int), "predicted": np.zeros(4, int)}
        predict(make_run(tmp_path / "results", model, 0), **arrays, probabilities=probabilities)
    done = called("compare", "digits", "--metric", "confidence", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "0.625" in done.stdout
    assert "0.875" in done.stdout
    unknown = called("compare", "digits", "--metric", "confidense", cwd=tmp_path)
    assert unknown.returncode == 2
    assert "did you mean 'confidence'?" in unknown.stderr
    plugin(BROKEN)
    failed = called("compare", "digits", "--metric", "broken", cwd=tmp_path)
    assert failed.returncode == 2
    assert re.search(r"my_ops\.py:5: the metric broken failed for .*: no such class", failed.stderr)


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        (
            "involution(channels, kernel_size, strides)",
            "already registered, at .*py:",
        ),
        ("mine(channels, kernel_size, strides, *, heads=8)", "keyword 'heads' needs a type"),
        ("mine(channels, size, strides)", r"must take \(channels, kernel_size, strides, "),
        ("mine(channels, kernel_size, strides, **rest)", "must take "),
        ("mine(channels, kernel_size, strides, *, heads: 'Headz' = 8)", "'Headz' is not defined"),
        ("mine(channels, kernel_size, strides, *, heads: int = '8')", "heads.*default"),
    ],
)
def test_a_function_that_breaks_the_contract_is_named_with_its_line(plugin, signature, message):
    text = f"from involbench.registry import operator\n\n@operator()\ndef {signature}:\n    pass\n"
    with pytest.raises(RegistryError, match=rf"my_ops\.py:3: .*{message}"):
        plugin(text)


def test_a_dataset_can_not_have_a_key_of_every_dataset(plugin):
    text = (
        "from involbench.registry import dataset\n\n@dataset()\ndef mine(*, validation: int = 1):\n"
    )
    with pytest.raises(RegistryError, match=r"my_ops\.py:3: mine: .* 'validation'"):
        plugin(f"{text}    pass\n")


@pytest.mark.parametrize("name", ["test_accuracy", "macro_f1"])
def test_a_metric_has_a_name_of_its_own(plugin, name):
    text = f"from involbench.registry import metric\n\n@metric()\ndef {name}(labels):\n    pass\n"
    with pytest.raises(RegistryError, match=rf"my_ops\.py:3: .*{name}.*another name"):
        plugin(text)


@pytest.mark.parametrize("kind", ["operators", "architectures", "datasets"])
def test_the_order_is_not_that_of_the_imports(monkeypatch, kind):
    known = getattr(registry, kind)()
    monkeypatch.setattr(registry, f"_{kind}", dict(reversed(known.items())))
    found = getattr(registry, kind)()
    assert [each.build.__module__ for each in found.values()] == [
        each.build.__module__ for each in known.values()
    ]
