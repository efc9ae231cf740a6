"""`check-operator`: what holds for an operator, and the reason for what does not."""

import json
import re

import pytest

from involbench import registry
from tests.cli import called

HEAD = """
import keras
import numpy as np
from involbench.registry import operator


class Layer(keras.layers.Layer):
    def compute_output_shape(self, shape):
        return shape

"""
OPERATOR = """
@operator(keeps_channels=True)
def mine(channels, kernel_size, strides, *, taps: int = 3):
    return {}
"""
AVERAGE = "keras.layers.AveragePooling2D(1, strides, padding='same')"


@pytest.fixture
def check(tmp_path, plugins, here, eager):
    """Checks an operator of a file, and gives what it prints as JSON."""

    def run(text, *options):
        (tmp_path / "my_ops.py").write_text(HEAD + text, encoding="utf-8")
        done = called("check-operator", "my_ops.py:mine", *options, "--json", cwd=tmp_path)
        return done, json.loads(done.stdout) if done.stdout else None

    return run


def _reasons(document):
    return {c["name"]: c["reason"] for c in document["checks"] if not c["holds"]}


def test_an_operator_of_one_file_holds(check) -> None:
    convolution = "keras.layers.Conv2D(channels, taps, strides, padding='same')"
    done, document = check(OPERATOR.format(convolution), "-S", "taps=5")
    assert done.returncode == 0, done
    assert _reasons(document) == {}
    assert [c["name"] for c in document["checks"] if c["needed"]] == [
        "shapes", "one image", "float32", "gradients", "save and load",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("layer", "fails", "reason"),
    [
        ("x[:, :-1]", "shapes", r"expected the shape \(4, 8, 8, 16\), got \(4, 7, 8, 16\)"),
        ("x + keras.ops.mean(x, axis=0, keepdims=True)", "one image", "in a batch"),
        ("keras.ops.cast(x, 'float64')", "float32", "expected a result of float32, got float64"),
        ("keras.ops.sqrt(x)", "float32", "the result is not finite"),
        ("keras.ops.stop_gradient(x) * x", "gradients", "of the images is .* loss changes"),
        ("x * keras.random.uniform((), dtype=x.dtype)", "gradients", "random"),
        ("x * self.factor", "save and load", "other results"),
        ("x[0] + x[:, 99]", "shapes", "8x8, kernel_size 3, strides 1: .*[^.]$"),
    ],
)  # fmt: skip
def test_what_does_not_hold_is_named_with_its_reason(check, layer, fails, reason) -> None:
    text = f"""
@keras.saving.register_keras_serializable(package=str(np.random.random()))
class Mine(Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.factor = np.random.default_rng().normal()

    def call(self, x, training=None):
        return {layer}
"""
    done, document = check(text + OPERATOR.format(f"keras.Sequential([{AVERAGE}, Mine()])"))
    assert done.returncode == 1, done
    reasons = _reasons(document)
    assert re.search(reason, reasons.get(fails, "")), reasons


def test_a_class_that_is_not_registered_can_not_be_saved(check) -> None:
    text = "class Mine(Layer):\n    def call(self, x):\n        return x\n"
    done, document = check(text + OPERATOR.format(f"keras.Sequential([{AVERAGE}, Mine()])"))
    assert done.returncode == 1
    assert "register_keras_serializable" in _reasons(document)["save and load"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 / 0", r"my_ops\.py:11: ZeroDivisionError: division by zero"),
        ("def mine(:", r"my_ops\.py:11: SyntaxError"),
        ("", r"unknown operator 'mine'"),
        ("@operator()\ndef mine(channels):\n    pass", r"my_ops\.py:11: mine must take"),
    ],
)
def test_a_file_that_can_not_be_used_is_one_line_with_its_place(check, text, message) -> None:
    done, _ = check(text)
    assert done.returncode == 2
    assert re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_arguments_are_usage_errors(tmp_path, here, eager) -> None:
    for arguments, message in (
        (["nothing.py:mine"], "nothing.py: no such Python file"),
        (["involutoin"], "unknown operator 'involutoin'; did you mean 'involution'?"),
        (["involution", "-S", "groups=5"], "5 does not divide 16 channels"),
        (["involution", "-S", "groups"], "--set groups: expected KEY=VALUE"),
        (["involution", "-S", "gruops=4"], "gruops"),
    ):
        done = called("check-operator", *arguments, cwd=tmp_path)
        assert done.returncode == 2, done
        assert message in done.stderr, done.stderr


@pytest.mark.parametrize("operator", registry.operators())
def test_every_operator_of_ours_holds(operator, tmp_path, here, eager) -> None:
    done = called("check-operator", operator, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "a run can use it" in done.stdout
    assert " no " not in done.stdout
