"""What the demo page shows, compared with other commands; and what bad input gets."""

import json
import re
import shutil
import socket

import numpy as np
import pytest
from PIL import Image

from involbench.api.find import trained_run
from involbench.data import load_dataset
from involbench.demo.networks import DemoNetworks
from involbench.demo.page import HOST
from involbench.errors import DataError
from involbench.reporting.plots import plot_pixel_kernels
from involbench.results.arrays import ImageBatch
from involbench.workers.local import InProcessWorker
from tests.cli import called, without_packages
from tests.results.factory import make_run

PIXEL = 16, 21


@pytest.fixture(scope="module")
def networks(smoke):
    results = smoke[0] / "results"
    names = "smoke/inn-seed0", "smoke/cnn-seed0"
    return DemoNetworks([trained_run(results, name) for name in names], InProcessWorker())


def test_a_test_image_gets_what_the_other_commands_give(networks, smoke, tmp_path, here, eager):
    stored = networks.test_images(print)
    index = int(stored.names[3])
    view = networks.view(ImageBatch(stored.names[3:4], stored.pixels[3:4], None), PIXEL)
    for (name, run), network in zip(networks.runs, view.networks, strict=True):
        assert network.name == name
        with np.load(run.weights.parent.path / "predictions.npz") as kept:
            expected = kept["probabilities"][index]
        np.testing.assert_allclose([*network.probabilities.values()], expected, atol=1e-3)
    involution, convolution = view.networks
    assert convolution.kernels is convolution.untrained is None
    options = ("--image", index, "--at", "16,21", "--results", smoke[0] / "results", "-o", "k.npz")
    for maps, more in ((involution.kernels, ()), (involution.untrained, ("--untrained",))):
        done = called("kernels", involution.name, *options, *more, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        with np.load(tmp_path / "k.npz") as arrays:
            assert [layer.name for layer in maps.layers] == ["inv_1", "inv_2", "inv_3"]
            for layer in maps.layers:
                for what, values in (("sums", layer.sums), ("kernels", layer.kernels)):
                    expected = arrays[f"{layer.name}/{what}"]
                    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-6)


def test_a_grey_file_of_another_size_is_resized_as_predict_does(
    networks, smoke, tmp_path, here, eager
):
    grey = Image.fromarray(load_dataset("digits").x_test[0]).convert("L")
    grey.resize((70, 50)).save(tmp_path / "grey.bmp")
    view = networks.view(str(tmp_path / "grey.bmp"), PIXEL)
    assert (view.image.pixels.shape, view.image.labels) == ((1, 32, 32, 3), None)
    where = "--results", smoke[0] / "results", "--json"
    done = called("predict", networks.runs[1][0], "grey.bmp", *where, cwd=tmp_path)
    (answer,) = json.loads(done.stdout)["images"]
    assert view.networks[1].probabilities == pytest.approx(answer["probabilities"], abs=1e-5)


def test_what_is_no_image_is_refused(networks, tmp_path):
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(DataError, match=r"text\.png \(not a PNG, JPEG, WebP or BMP image\)"):
        networks.view(str(tmp_path / "text.png"), PIXEL)


def test_without_stored_images_the_dataset_is_loaded(smoke, tmp_path, networks):
    shutil.copytree(smoke[0] / "results", tmp_path / "results")
    (stored,) = tmp_path.glob("results/smoke/images-*.npz")
    stored.unlink()
    run = trained_run(tmp_path / "results", "smoke/cnn-seed0")
    found = DemoNetworks([run], InProcessWorker()).test_images(print)
    expected = networks.test_images(print)
    assert found.names == expected.names
    np.testing.assert_array_equal(found.pixels, expected.pixels)


def test_the_figure_has_the_kernels_of_both_networks():
    rng = np.random.default_rng(0)
    sums, kernels = rng.normal(size=(4, 4, 2)), rng.normal(size=(2, 3, 3))
    dead = np.zeros((2, 3, 3))
    figure = plot_pixel_kernels({"a": sums}, {"a": kernels}, {"a": dead}, (5, 2), (8, 8))
    drawn = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    for values, expected in zip(drawn, (sums.mean(-1), kernels.mean(0), dead[0]), strict=True):
        np.testing.assert_array_equal(values, expected)
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == ["all 0"]
    mark = figure.axes[0].lines[0].get_xydata()
    np.testing.assert_array_equal(mark, [[1, 2]])


@pytest.fixture
def tree(tmp_path):
    """Two runs with something in place of their weights."""
    for model in ("cnn", "inn"):
        folder = make_run(tmp_path / "results", model, 0)
        (folder / "model.keras").write_bytes(b"weights")
    return tmp_path


def refused(tree, *arguments):
    """The one line of an error."""
    done = called("demo", *arguments, cwd=tree)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    (line,) = done.stderr.splitlines()
    return line


@pytest.fixture
def installed(monkeypatch):
    """As if the extra were installed."""
    monkeypatch.setattr("involbench.optional_dependencies.require", lambda *_: None)


def test_an_extra_that_is_missing_is_named(tree, monkeypatch):
    without_packages(monkeypatch, "gradio")
    assert "demo needs gradio (not installed); pip install gradio" in refused(tree, "cnn-seed0")


def test_runs_that_cannot_be_shown_are_refused(tree, installed):
    assert "expected one or two runs, got 3" in refused(tree, "cnn-seed0", "inn-seed0", "x")
    assert "no run 'cnn-seed7'" in refused(tree, "cnn-seed7")
    (weights,) = tree.glob("results/digits/runs/cnn-*/model.keras")
    weights.unlink()
    assert "model.keras: no such file" in refused(tree, "inn-seed0", "cnn-seed0")


@pytest.mark.parametrize(
    ("part", "changes", "line"),
    [
        ("facts", {"input_shape": [8, 8, 1]}, "images of 32x32x3, .* images of 8x8x1"),
        ("facts", {"class_names": ["cat", "dog"]}, "have different classes"),
        ("spec", {"image_size": 32, "resize": "crop"}, "resize: stretch, .*resize: crop"),
    ],
)
def test_networks_that_take_other_images_are_refused(tree, installed, part, changes, line):
    (path,) = tree.glob("results/digits/runs/inn-*/run.json")
    record = json.loads(path.read_text())
    (record["data"] if part == "facts" else record["trial"]["data"]).update(changes)
    path.write_text(json.dumps(record))
    assert re.search(line, refused(tree, "cnn-seed0", "inn-seed0"))


def test_a_port_in_use_is_named(tree, installed):
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        line = refused(tree, "cnn-seed0", "--port", port)
    assert line.startswith(f"error: --port {port}: Address already in use; name another")
