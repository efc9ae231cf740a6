"""The published JSON Schema says what `validate` says."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from involbench.errors import SpecError
from involbench.spec.load import load_spec
from involbench.spec.schema import json_schema, json_schema_text
from involbench.spec.yaml import parse
from tests.spec.helpers import GOOD, written

EXPERIMENTS = sorted((Path(__file__).parents[2] / "experiments").glob("*.yaml"))
VALIDATOR = Draft202012Validator(json_schema())


def test_the_published_schema_is_not_stale() -> None:
    published = (files("involbench.spec") / "schema.json").read_text(encoding="utf-8")
    assert published == json_schema_text(), "run `involbench schema -o involbench/spec/schema.json`"
    Draft202012Validator.check_schema(json.loads(published))


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_the_experiments_agree_with_the_schema(path: Path) -> None:
    VALIDATOR.validate(parse(path.read_text(encoding="utf-8")).value)


def keys_of(schema: Any, where: str) -> list[tuple[str, dict[str, Any]]]:
    """Every property that the schema describes, with its path."""
    if isinstance(schema, list):
        return [pair for part in schema for pair in keys_of(part, where)]
    if not isinstance(schema, dict):
        return []
    own = [(f"{where}.{name}", part) for name, part in schema.get("properties", {}).items()]
    return own + [pair for key, part in schema.items() for pair in keys_of(part, f"{where}.{key}")]


def test_every_key_has_a_description() -> None:
    schema = json_schema()
    keys = keys_of(schema, "")
    assert len(keys) > 30
    for name, key in keys:
        target = schema["$defs"][key["$ref"].rpartition("/")[2]] if "$ref" in key else {}
        assert key.get("description") or target.get("description"), name


CLAIM = "{says: a, source: b, metric: test_loss, greater: inn, lesser: cnn"

# Each pair of values replaces the text of a good spec, and both judges must agree about it.
CHANGES = [
    ("epochs: 2", "optimizer: sgd"),
    ("epochs: 2", "optimizer: {name: sgd, momentum: 0.9, nesterov: true}"),
    ("epochs: 2", "optimizer: {learning_rate: 1e-3}"),
    ("epochs: 2", "optimizer: {name: sgd, momentun: 0.9}"),
    ("epochs: 2", "optimizer: sdg"),
    ("epochs: 2", "optimizer:"),
    ("training:\n  epochs: 2", "training:"),
    *(("epochs: 2", f"epochs: 2\n{key}:") for key in ("sweep", "evaluate", "resources", "claims")),
    ("data:\n  dataset: digits", "data:"),
    ("epochs: 2", "epochs: 2\nseeds:"),
    ("epochs: 2", "optimizer: {name: sgd, nesterov: 1}"),
    ("epochs: 2", "epochs: 0"),
    ("epochs: 2", "epochs: '2'"),
    ("epochs: 2", "epochs: true"),
    ("epochs: 2", "epoch: 2"),
    ("name: quick", "name: quick\nseeds: 4"),
    ("name: quick", "name: quick\nseeds: [4, 7]"),
    ("name: quick", "name: quick\nseeds: 0"),
    ("name: quick", "name: quick\nseeds: []"),
    ("name: quick", "name: quick\nseeds: [1, 1]"),
    ("name: quick", "name: quick\nbaseline:"),
    ("name: quick", "name: quick\nsweep: {training.epochs: [1, 2]}"),
    ("name: quick", "name: quick\nsweep: {training.epochs: []}"),
    ("name: quick", "name: a/b"),
    ("name: quick", "name: quick\nevaluate: {noise: [0.1, 0.2], shift: [1]}"),
    ("name: quick", "name: quick\nevaluate: {noise: [0.1, 0.1]}"),
    ("name: quick", "name: quick\nevaluate: {noise: [2]}"),
    ("name: quick", "name: quick\nevaluate: {noise: [0]}"),
    ("name: quick", "name: quick\nevaluate: {shift: [0.5]}"),
    ("name: quick", "name: quick\nevaluate: {rain: [0.5]}"),
    ("  cnn:", "  a/b:"),
    ("kernel_size: 3", "kernel_size: 4"),
    ("kernel_size: 3", "kernel_size: 255"),
    ("kernel_size: 3", "kernel_size: 257"),
    ("kernel_size: 3", "reduction_ratio: 3"),
    ("kernel_size: 3", "reduction_ratio: 4"),
    ("keras_io_cnn", "keras_io_cmm"),
    ("architecture: keras_io_cnn", ""),
    ("epochs: 2", f"epochs: 2\nclaims: [{CLAIM}}}]"),
    ("epochs: 2", f"epochs: 2\nclaims: [{CLAIM.replace('_loss', '_loss@noise')}}}]"),
    (
        "epochs: 2",
        "epochs: 2\nevaluate: {noise: [0.1]}\n"
        f"claims: [{CLAIM.replace('_loss', '_loss@noise=0.1')}}}]",
    ),
    ("epochs: 2", f"epochs: 2\nclaims: [{CLAIM}, by: {{ratio: 10}}}}]"),
    ("epochs: 2", f"epochs: 2\nclaims: [{CLAIM}, by: {{ratio: 10, difference: 1}}}}]"),
    ("epochs: 2", f"epochs: 2\nclaims: [{CLAIM}, by: {{}}}}]"),
    ("epochs: 2", f"epochs: 2\nclaims: [{CLAIM}, by: {{ratio: 0}}}}]"),
    ("epochs: 2", f"epochs: 2\nclaims: [{CLAIM}, bye: 3}}]"),
    ("epochs: 2", "epochs: 2\nclaims: [{says: a}]"),
    *(
        ("architecture: keras_io_cnn", f"architecture: resnet, {arguments}")
        for arguments in (
            "operator: involution",
            "operator: involutoin",
            "operator: [involution]",
            "operator: {name: involution, reduction_ratio: 2, normalization: null}",
            "operator: {name: involution, heads: 2}",
            "operator: {name: local_self_attention, heads: 2}",
            "operator: {name: none, heads: 2}",
            "operator: {name: involution, groups: 0}",
            "operator: {name: involution, momentum: 1, use_span_bias: 1}",
            "operator: {heads: 2}",
            "depth: 26, stem: cifar, width: 16",
            "depth: 34",
            "stem: tiny",
        )
    ),
    ("architecture: keras_io_cnn", "architecture: rednet, width: 48"),
    ("architecture: keras_io_cnn", "architecture: plain, widths: [8, 16]"),
    ("architecture: keras_io_cnn", "architecture: plain, widths: []"),
    ("architecture: keras_io_cnn", "architecture: plain, widths: [8, 1.5]"),
    ("dataset: digits", "dataset: digit"),
    ("dataset: digits", "dataset: folder\n  path: a\n  image_size: 32"),
    ("dataset: digits", "dataset: folder\n  path: a\n  image_size: [32, 48]"),
    ("dataset: digits", "dataset: folder\n  path: a\n  image_size: [32]"),
    ("dataset: digits", "dataset: digits\n  path:\n  train_size:"),
    ("dataset: digits", "dataset: digits\n  validation: 0.1"),
    ("dataset: digits", "dataset: digits\n  validation: train"),
    ("dataset: digits", "dataset: digits\n  augmentation: [crop, flip]"),
]


@pytest.mark.parametrize(("before", "after"), CHANGES, ids=[after for _, after in CHANGES])
def test_the_schema_and_validate_agree(tmp_path: Path, before: str, after: str) -> None:
    text = GOOD.replace(before, after, 1)
    assert text != GOOD
    try:
        load_spec(written(tmp_path, text))
        valid = True
    except SpecError:
        valid = False
    assert VALIDATOR.is_valid(parse(text).value) == valid
