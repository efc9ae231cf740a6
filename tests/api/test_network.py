"""`Run.load_model` and `Run.kernels`: the network that a run trained."""

import shutil

import numpy as np
import pytest
from PIL import Image

import involbench
from involbench.data import load_dataset
from involbench.errors import UsageError
from tests.cli import called

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def smoke(smoke, tmp_path):
    """A copy of trained runs."""
    shutil.copytree(smoke[0] / "results", tmp_path / "results")
    return involbench.load("smoke", tmp_path / "results")


def test_the_network_gives_the_probabilities_that_were_recorded(smoke):
    import keras

    run = smoke.run("cnn-seed0")
    facts, pixels = run.record.data, load_dataset("digits").x_test[:40]
    scaled = (pixels / np.float32(255) - np.float32(facts.mean)) / np.float32(facts.std)
    logits = run.load_model()(scaled)
    probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    np.testing.assert_allclose(probabilities, run.predictions.probabilities[:40], atol=1e-3)


def test_pixels_and_files_are_classified_by_name(smoke, tmp_path):
    run, images = smoke.run("cnn-seed0"), load_dataset("digits").x_test[:40]
    found = run.predict(images)
    np.testing.assert_allclose(found.probabilities, run.predictions.probabilities[:40], atol=1e-3)
    assert found.class_names == tuple("0123456789")
    assert found.labels == tuple(str(each) for each in found.probabilities.argmax(axis=1))
    Image.fromarray(images[0]).resize((50, 40)).save(tmp_path / "a b.png")
    (label,) = run.predict([tmp_path / "a b.png"]).labels
    assert label in found.class_names
    with pytest.raises(UsageError, match=r"expected uint8 pixels \(N, 32, 32, 3\), got float64"):
        run.predict(images / 255)


def test_kernels_of_pixels_and_of_files_are_those_of_the_command_line(smoke, tmp_path):
    done = called("kernels", "smoke/inn-seed0", "--at", "3,4", "-o", "k.npz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "k.npz") as arrays:
        expected = {name: arrays[name] for name in arrays.files}
    Image.fromarray(expected["images"][0]).save(tmp_path / "first.png")
    run = smoke.run("inn-seed0")
    of_pixels = run.kernels(expected["images"], at=(3, 4))
    of_files = run.kernels([tmp_path / "first.png"])
    assert [layer.name for layer in of_pixels.layers] == ["inv_1", "inv_2", "inv_3"]
    for layer, one in zip(of_pixels.layers, of_files.layers, strict=True):
        np.testing.assert_array_equal(layer.sums, expected[f"{layer.name}/sums"])
        np.testing.assert_array_equal(layer.kernels, expected[f"{layer.name}/kernels"])
        np.testing.assert_allclose(one.sums[0], layer.sums[0], atol=1e-6)
        assert one.kernels is None


@pytest.mark.parametrize(
    ("images", "at", "message"),
    [
        (np.zeros((2, 8, 8, 3), np.uint8), None, r"expected uint8 pixels \(N, 32, 32, 3\), got ui"),
        (np.zeros((2, 32, 32, 3)), None, r"got float64 \(2, 32, 32, 3\)"),
        (np.zeros((2, 32, 32, 3), np.uint8), (-1, 0), r"at=\(-1, 0\): outside the images"),
        (np.zeros((2, 32, 32, 3), np.uint8), (0, 32), "which have 32 rows and 32 columns"),
        (["nowhere.png"], None, "nowhere.png"),
    ],
)
def test_wrong_images_are_refused(smoke, images, at, message):
    with pytest.raises(UsageError, match=message):
        smoke.run("inn-seed0").kernels(images, at)


def test_weights_that_are_damaged_or_gone_are_refused(smoke):
    run = smoke.run("inn-seed0")
    with pytest.raises(UsageError, match="keras_io_cnn has no involution layer"):
        smoke.run("cnn-seed0").kernels(np.zeros((1, 32, 32, 3), np.uint8))
    weights = run.folder / "model.keras"
    content = bytearray(weights.read_bytes())
    weights.write_bytes(content[:-1])
    with pytest.raises(UsageError, match=r"model.keras: damaged: it has \d+ bytes and had \d+"):
        run.load_model()
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    weights.write_bytes(content)
    with pytest.raises(UsageError, match=r"model.keras: damaged, or of another version"):
        run.load_model()
    weights.unlink()
    with pytest.raises(UsageError, match=r"model.keras: no such file"):
        run.load_model()
