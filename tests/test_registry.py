"""The registry: an operator in one file of the user's is known everywhere."""

import importlib.util

import pytest

from involbench import registry
from involbench.models import build_model
from involbench.models.parameters import count_parameters
from involbench.spec.schema import ExperimentSpec, json_schema

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


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Imports a file of the user's; what it registers is gone after the test."""
    monkeypatch.setattr(registry, "_operators", dict(registry.operators()))

    def load(text):
        path = tmp_path / "my_ops.py"
        path.write_text(text, encoding="utf-8")
        spec = importlib.util.spec_from_file_location("my_ops", path)
        spec.loader.exec_module(importlib.util.module_from_spec(spec))

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
    (twice,) = [c for c in schema["anyOf"][1:] if c["properties"]["name"]["const"] == "twice"]
    taps = twice["properties"]["taps"]
    assert taps == {
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
    with pytest.raises(registry.RegistryError, match=rf"my_ops\.py:3: .*{message}"):
        plugin(text)
