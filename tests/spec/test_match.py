"""`match`: what a spec may say of a budget."""

from pathlib import Path

import pytest

from involbench.spec.load import load_spec
from tests.spec.helpers import GOOD, complaint, heads, written

MATCHED = GOOD.replace("keras_io_inn, kernel_size: 3", "plain, match: {parameters: cnn}")


def test_a_match_names_a_model(tmp_path: Path) -> None:
    spec = load_spec(written(tmp_path, MATCHED)).spec
    assert spec.models["inn"].arguments["widths"] == (32, 64, 64)
    assert "match" not in spec.models["inn"].arguments


@pytest.mark.parametrize(
    ("match", "message"),
    [
        ("{parameters: cmn}", "models.inn.match: 'cmn' is not one of the models"),
        ("{macs: inn}", "models.inn.match: a model cannot match itself"),
        ("{parameters: cnn, macs: cnn}", "models.inn.match: expected one key, parameters or macs"),
        ("{}", "models.inn.match: expected one key, parameters or macs"),
        (
            "{parameter: cnn}",
            "models.inn.match.parameter: unknown key; did you mean 'parameters'?",
        ),
        ("cnn", "models.inn.match: expected a mapping, got the text 'cnn'"),
        ("{parameters: }", "models.inn.match.parameters: expected text, got nothing"),
    ],
)
def test_a_wrong_match_is_named(tmp_path: Path, match: str, message: str) -> None:
    [line] = heads(complaint(tmp_path, MATCHED.replace("{parameters: cnn}", match)))
    assert message in line


def test_a_chain_of_matches_is_refused(tmp_path: Path) -> None:
    chain = MATCHED.replace("keras_io_cnn", "plain, match: {macs: inn}")
    assert len(heads(complaint(tmp_path, chain))) == 2
