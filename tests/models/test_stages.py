"""An operator and a kernel size for each stage of a network."""

import json

import pytest

from involbench.errors import SpecError
from involbench.models import build_model
from involbench.models.parameters import count_parameters
from involbench.spec.load import expand, load_spec
from tests.cli import called
from tests.spec.helpers import heads

PLAIN = """\
name: stages
data: {dataset: digits, image_size: 16, validation: test}
models:
  mixed:
    architecture: plain
    widths: [4, 8, 8]
    operator: [convolution, {name: depthwise, use_bias: false}, none]
    kernel_size: [3, 5, 7]
  same: {architecture: plain, widths: [4, 8, 8], operator: convolution, kernel_size: 3}
"""


def test_each_stage_of_plain_has_its_own_operator(tmp_path, here):
    (tmp_path / "stages.yaml").write_text(PLAIN, encoding="utf-8")
    done = called("params", "stages.yaml", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)["mixed"]["layers"]}
    found = {
        name: tuple(rows[name][key] for key in ("role", "trainable", "macs"))
        for name in ("operator_1", "operator_2_widen", "operator_2", "operator_3")
    }
    channels = rows[next(iter(rows))]["output_shape"][-1]
    assert found == {
        "operator_1": ("operator", 9 * channels * 4 + 4, 16 * 16 * 9 * channels * 4),
        "operator_2_widen": ("other", 4 * 8 + 8, 8 * 8 * 4 * 8),
        "operator_2": ("operator", 25 * 8, 8 * 8 * 25 * 8),
        "operator_3": ("other", 0, 0),
    }


def test_each_stage_of_resnet_has_its_own_operator():
    model = build_model(
        "resnet", (32, 32, 3), 10, depth=26, stem="cifar", width=16,
        operator=["convolution", "involution", "none", "depthwise"], kernel_size=[3, 5, 3, 7],
    )  # fmt: skip
    rows = {row.name: row for row in count_parameters(model).layers}
    assert rows["layer1_0_conv2"].trainable == 9 * 16 * 16
    assert rows["layer2_1_conv2"].layer == "Involution2D"
    assert rows["layer3_0_conv2"].trainable == 0
    assert [rows[f"layer4_{block}_conv2"].trainable for block in range(1)] == [49 * 128]


def test_the_id_of_a_network_of_one_operator_is_as_before(tmp_path):
    path = tmp_path / "stages.yaml"
    path.write_text(PLAIN, encoding="utf-8")
    mixed, same = expand(load_spec(path))
    assert same.run_id("f") == "same-seed0-e114d5b7"
    assert type(mixed).model_validate_json(mixed.model_dump_json()) == mixed


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("operator: [convolution, none]", "operator: expected one value, or a list of 3, one for"),
        ("kernel_size: [3, 5]", "kernel_size: expected one value, or a list of 3, one for each"),
        ("kernel_size: [3, 4, 5]", "kernel_size[1]: expected an odd number, got 4"),
        ("operator: [none, involutoin, none]", "operator[1]: unknown operator 'involutoin'; did"),
        (
            "operator: [none, none, {name: involution, groups: 3}]",
            "operator[2].groups: 3 does not divide 8 channels",
        ),
        (
            "operator: [none, none, {name: depthwise, dilation: 2}]",
            "operator[2].dilation: unknown key; did you mean 'dilation_rate'?",
        ),
    ],
)
def test_a_list_that_does_not_fit_is_named(tmp_path, given, message):
    path = tmp_path / "stages.yaml"
    text = (
        f"{PLAIN.partition('  same')[0]}  same: {{architecture: plain, widths: [8, 8, 8], {given}}}"
    )
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        expand(load_spec(path))
    (line,) = heads(str(caught.value))
    assert f"models.same.{message}" in line
