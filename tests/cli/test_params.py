"""`involbench params`: parameter counts without training or data."""

import json

import pytest

from tests.cli import TINY, called

SPEC = TINY + "sweep: {models.inn.kernel_size: [3, 5]}\n"


@pytest.mark.usefixtures("here")
def test_counts_every_model_and_sweep_point_without_data(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "spec.yaml").write_text(SPEC)
    # cifar10 would have to be downloaded, were it loaded.
    arguments = ["-S", "data.dataset=cifar10", "--json"]
    done = called("params", "spec.yaml", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    trainable = {name: parameters["trainable"] for name, parameters in counts.items()}
    five_by_five = 13_002 + 3 * (4 + 2 + 50)
    assert trainable == {
        "cnn": 319_178,
        "inn kernel_size=3": 13_074,
        "inn kernel_size=5": five_by_five,
    }
    assert {layer["role"] for layer in counts["cnn"]["layers"]} == {"operator", "head", "other"}
    assert not (tmp_path / "datasets").exists()


@pytest.mark.usefixtures("here")
def test_prints_tables_by_layer_and_by_role(tmp_path):
    (tmp_path / "spec.yaml").write_text(TINY)
    done = called("params", "spec.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines() if line.strip()]
    assert ["conv_1", "(Conv2D)", "32x32x32", "operator", "896", "884,736"] in lines
    assert ["inv_2", "(Involution2D)", "16x16x3", "operator", "26", "9,984"] in lines
    rows = {cells[0]: cells[1:] for cells in lines if len(cells) == 7}
    assert rows["model"] == [
        "trainable",
        "operator",
        "normalization",
        "head",
        "other",
        "non-trainable",
    ]
    assert rows["inn"] == ["13,074", "72", "0", "13,002", "0", "6"]
    macs = {cells[0]: cells[1:] for cells in lines if len(cells) == 6}
    assert macs["cnn"] == ["8,225,408", "7,962,624", "0", "262,784", "0"]
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.usefixtures("here")
def test_a_model_that_does_not_fit_is_named(tmp_path):
    import numpy as np

    images, labels = np.zeros((4, 8, 8), np.uint8), np.arange(4) % 2
    np.savez(tmp_path / "grey.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    (tmp_path / "spec.yaml").write_text(TINY)
    arguments = ["-S", "data.dataset=npz", "-S", "data.path=grey.npz", "-S", "data.train_size="]
    for command in ("params", "run"):
        done = called(command, "spec.yaml", *arguments, cwd=tmp_path)
        assert done.returncode == 2
        assert "models.inn: keras_io_inn cannot be built for 8x8x1 images" in done.stderr
        assert "reduction_ratio" in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()
