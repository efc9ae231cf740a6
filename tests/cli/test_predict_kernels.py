"""`predict` and `kernels`: answers and kernels of a trained network, compared with its own files.

TensorFlow is started once, in this process, in place of a worker for each command.
"""

import io
import json
import re
import shutil
import zipfile

import h5py
import numpy as np
import pytest
from PIL import Image

from involbench.data import load_dataset
from involbench.reporting.plots import plot_kernels
from tests.cli import called
from tests.reporting.html.page import Page

INVOLUTIONS = ["inv_1", "inv_2", "inv_3"]


@pytest.fixture
def tree(smoke, tmp_path, here):
    """A folder with a copy of the runs, where commands ask this process."""
    shutil.copytree(smoke[0] / "results", tmp_path / "results")
    return tmp_path


def folder_of(tree, start):
    (found,) = tree.glob(f"results/smoke/runs/{start}-*")
    return found


def refused(tree, *arguments):
    """The one line of an error, which may come once Keras is started."""
    done = called(*arguments, cwd=tree)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    *before, line = done.stderr.splitlines()
    assert before in ([], ["starting Keras"])
    return line


def test_test_images_get_the_probabilities_that_the_run_recorded(tree):
    done = called(
        *("predict", "smoke/cnn-seed0", "--test", 12, "--json", "--output", "grid.svg"), cwd=tree
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)["images"]
    names = [str(digit) for digit in range(10)]
    assert {answer["true_class"] for answer in answers} == set(names)
    with np.load(folder_of(tree, "cnn-seed0") / "predictions.npz") as recorded:
        for answer in answers:
            index = int(answer["image"])
            assert answer["true_class"] == names[recorded["labels"][index]]
            assert answer["class"] == names[recorded["predicted"][index]]
            said = [answer["probabilities"][name] for name in names]
            np.testing.assert_allclose(said, recorded["probabilities"][index], atol=1e-3)
    assert (tree / "grid.svg").read_text().count("<image") == 12


def test_own_images_of_any_size_need_no_dataset(tree, monkeypatch):
    pixels = load_dataset("digits").x_test
    Image.fromarray(pixels[0]).save(tree / "as trained.png")
    large = Image.fromarray(pixels[0]).resize((96, 96), Image.Resampling.BICUBIC)
    large.convert("L").save(tree / "large.bmp")
    monkeypatch.delattr("involbench.data.load_dataset")
    asked = ("predict", "smoke/cnn-seed0", "as trained.png", "large.bmp")
    shown = called(*asked, cwd=tree)
    assert "as trained.png" in shown.stdout
    done = called(*asked, "--json", "-o", "grid.png", cwd=tree)
    assert done.returncode == 0, done.stderr
    small, large = (
        list(answer["probabilities"].values()) for answer in json.loads(done.stdout)["images"]
    )
    with np.load(folder_of(tree, "cnn-seed0") / "predictions.npz") as recorded:
        np.testing.assert_allclose(small, recorded["probabilities"][0], atol=1e-3)
    np.testing.assert_allclose(small, large, atol=0.02)
    assert Image.open(tree / "grid.png").width > 300


def kernels_by_hand(weights, images):
    """Of the first layer: 1x1 convolution, batch normalization, ReLU, 1x1 convolution."""
    content = zipfile.ZipFile(weights).read("model.weights.h5")
    with h5py.File(io.BytesIO(content)) as file:
        layer = file["layers/involution2d"]
        reduce, bias = (layer[f"reduce/vars/{index}"][()] for index in (0, 1))
        gamma, beta, mean, variance = (
            layer[f"normalization/vars/{index}"][()] for index in range(4)
        )
        span, offset = (layer[f"span/vars/{index}"][()] for index in (0, 1))
    hidden = images / 255 @ reduce[0, 0] + bias
    hidden = (hidden - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    return np.maximum(hidden, 0) @ span[0, 0] + offset


def test_kernels_are_those_that_the_weights_give(tree):
    done = called("kernels", "smoke/inn-seed0", "--at", "16,21", "-o", "k.npz", cwd=tree)
    assert done.returncode == 0, done.stderr
    with np.load(tree / "k.npz") as arrays:
        assert len(arrays["images"]) == len(set(arrays["labels"].tolist())) == 10
        expected = kernels_by_hand(
            folder_of(tree, "inn-seed0") / "model.keras", arrays["images"].astype(float)
        )
        np.testing.assert_allclose(arrays["inv_1/sums"][..., 0], expected.sum(-1), atol=1e-5)
        here = arrays["inv_1/kernels"]
        np.testing.assert_allclose(here[:, 0].reshape(10, 9), expected[:, 16, 21], atol=1e-5)
        for layer, row, column in (("inv_1", 16, 21), ("inv_2", 8, 10), ("inv_3", 4, 5)):
            assert arrays[f"{layer}/kernels"].shape == (10, 1, 3, 3)
            sums = arrays[f"{layer}/kernels"].sum((-1, -2))
            np.testing.assert_allclose(sums, arrays[f"{layer}/sums"][:, row, column], atol=1e-6)


def test_untrained_kernels_need_no_weights_and_the_picture_lies_with_the_run(tree):
    run = folder_of(tree, "inn-seed0")
    (run / "model.keras").unlink()
    done = called("kernels", "smoke/inn-seed0", "--untrained", "--image", 7, cwd=tree)
    assert done.returncode == 0, done.stderr
    assert "The same sum everywhere: inv_1, inv_2, inv_3" in done.stdout
    assert (run / "plots/kernels-untrained.png").exists()
    assert "model.keras: no such file" in refused(tree, "kernels", "smoke/inn-seed0")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("kernels", "smoke/cnn-seed0"), "keras_io_cnn has no involution layer"),
        (("kernels", "smoke/inn-seed0", "--at", "32,0"), "rows run from 0 to 31"),
        (("kernels", "smoke/inn-seed0", "--at", "middle"), "expected a row and a column"),
        (("kernels", "smoke/inn-seed0", "--image", 359), "the run has 359 test images"),
        (("kernels", "smoke/inn-seed0", "-o", "k.jpg"), "ends in .png, .svg, .pdf, .npz"),
        (("predict", "smoke/inn-seed0", "--test", 360), "the run has 359 test images"),
        (("predict", "smoke/inn-seed0", "--test", 201, "-o", "g.png"), "draws at most 200 images"),
        (("predict", "smoke/inn-seed0"), "name image files, or take test images"),
        (("predict", "smoke/inn-seed0", "results"), "results: a folder, not a regular file"),
        (("predict", "smoke/inn-seed0", "x", "-o", "none/x"), "expected a name that ends in .png"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_line(tree, arguments, said):
    assert said in refused(tree, *arguments)


def test_a_run_without_a_whole_network_is_refused(tree):
    run = folder_of(tree, "inn-seed0")
    whole = (run / "model.keras").read_bytes()
    (run / "model.keras").write_bytes(whole[:-9])
    assert f"damaged: it has {len(whole) - 9} bytes" in refused(tree, "kernels", "smoke/inn-seed0")
    place = whole.index(b"model.weights.h5") + 2000
    (run / "model.keras").write_bytes(whole[:place] + bytes(64) + whole[place + 64 :])
    assert "damaged, or of another version" in refused(tree, "kernels", "smoke/inn-seed0")
    (run / "run.json").unlink()
    assert "is unfinished: it has no trained" in refused(tree, "kernels", "smoke/inn-seed0")


def test_images_that_are_others_by_now_are_not_taken_for_the_run_s(tree):
    run = folder_of(tree, "inn-seed0")
    record = json.loads((run / "run.json").read_text())
    record["data"]["fingerprint"] = "0" * 64
    (run / "run.json").write_text(json.dumps(record))
    line = refused(tree, "predict", "smoke/inn-seed0", "--test", 3)
    assert (
        "cannot load the images of the run: digits has changed since the run was tested on it"
        in line
    )


@pytest.mark.parametrize(
    ("groups", "titles"),
    [
        ((1, 2), ["a\none group", "b\ngroup 1 of 2", "b\ngroup 2 of 2"]),
        ((4, 16), ["a\nmean of 4 groups", "b\nmean of 16 groups"]),
    ],
)
def test_each_group_has_a_map_where_there_is_room(groups, titles):
    rng = np.random.default_rng(0)
    sums = {
        name: rng.normal(size=(2, 4, 4, count)) for name, count in zip("ab", groups, strict=True)
    }
    images = np.zeros((2, 8, 8, 3), np.uint8)
    figure = plot_kernels(images, [["one"], ["two"]], sums)
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == ["image", *titles]
    drawn = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    shown = sums["b"][1, ..., 1] if groups[1] == 2 else sums["b"].mean(-1)[1]
    np.testing.assert_array_equal(drawn[-1], shown)


def charts(tree):
    """The report's pictures of images: title -> the rows of its table."""
    done = called("report", "smoke", cwd=tree)
    assert done.returncode == 0, done.stderr
    page = Page((tree / "results/smoke/report.html").read_text())
    (section,) = (node for node in page.all("section") if node.attributes["id"] == "images")
    figures = section.all("figure")
    for figure in figures:
        if captions := [[line.text for line in item.all("span")] for item in figure.all("li")]:
            rows = [[cell.text for cell in row.all("td")] for row in figure.all("tr")[1:]]
            assert [lines[0] for lines in captions] == [row[0] for row in rows]
            assert all(
                f": {row[1]} " in lines[1] for lines, row in zip(captions, rows, strict=True)
            )
            assert len(figure.all("img")) == len(rows)
    assert any(figure.all("img") for figure in figures)
    return {
        figure.all("h3")[0].text: [
            [cell.text for cell in (*row.all("th"), *row.all("td"))] for row in figure.all("tr")
        ]
        for figure in figures
    }


def test_the_report_shows_what_only_one_network_gets_right(tree):
    found = charts(tree)
    assert [row[0] for row in found.pop("Kernels of inn")] == ["layer", *INVOLUTIONS]
    _, *samples = found.pop("Test images")
    assert [row[1] for row in samples] == [str(digit) for digit in range(10)]
    assert found
    for title, (_, *rows) in found.items():
        right, wrong = re.fullmatch("Right by (.+), wrong by (.+)", title).groups()
        one, other = (
            np.load(folder_of(tree, f"{model}-seed0") / "predictions.npz")
            for model in (right, wrong)
        )
        assert 1 <= len(rows) <= 10
        for image, true, *said in rows:
            index = int(image)
            assert int(true) == one["labels"][index] == one["predicted"][index] == int(said[0])
            assert int(true) != other["predicted"][index] == int(said[2])
            assert float(said[1]) == pytest.approx(100 * one["probabilities"][index].max(), abs=0.1)


def test_the_heat_maps_of_the_report_are_those_of_the_command(tree):
    with np.load(folder_of(tree, "inn-seed0") / "kernels.npz") as kept:
        assert kept["layers"].tolist() == INVOLUTIONS
        options = [option for name in kept["images"] for option in ("--image", name)]
        done = called("kernels", "smoke/inn-seed0", *options, "--output", "maps.npz", cwd=tree)
        assert done.returncode == 0, done.stderr
        with np.load(tree / "maps.npz") as maps:
            assert maps["names"].tolist() == kept["images"].tolist()
            for index, layer in enumerate(INVOLUTIONS):
                np.testing.assert_allclose(kept[f"sums_{index}"], maps[f"{layer}/sums"], rtol=1e-5)


@pytest.mark.parametrize("damage", ["gone", "cut off", "of other images"])
def test_a_report_goes_without_images_that_cannot_be_read(tree, damage):
    (path,) = tree.glob("results/smoke/images-*.npz")
    whole = path.read_bytes()
    path.unlink()
    if damage == "cut off":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "of other images":
        with np.load(io.BytesIO(whole)) as arrays:
            np.savez(path, **{**arrays, "labels": (arrays["labels"] + 1) % 10})
    done = called("report", "smoke", cwd=tree)
    assert done.returncode == 0, done.stderr
    assert (path.name in done.stderr) == (damage != "gone")
    page = Page((tree / "results/smoke/report.html").read_text())
    assert "images" not in [node.attributes["id"] for node in page.all("section")]
