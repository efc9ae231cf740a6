"""The user's own images from the spec to the answers: nothing is hidden, and nothing waits.

What trains does so in this process, without compiling anything.
"""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from involbench.results.record import DataFacts
from tests.cli import called
from tests.data.conftest import pixels, save
from tests.in_process import eagerly, in_this_process

SPEC = """\
name: own
data: {dataset: folder, path: my images, image_size: 8, resize: crop, validation: test}
models:
  cnn: {architecture: plain, operator: convolution, widths: [4]}
training: {epochs: 1}
seeds: 1
"""
LEFT_OUT = [f"train/cat/{index:02}.gif" for index in range(12)]


def fill(folder: Path) -> None:
    """Wide images of two classes, two of them in train and test, and files that are not read."""
    (folder / "own.yaml").write_text(SPEC)
    root = folder / "my images"
    for start, split, count in ((0, "train", 6), (100, "test", 4)):
        for label, name in enumerate(("cat", "日本")):
            for index in range(count):
                save(root / split / name / f"{index}.png", pixels(start + 10 * label + index))
    for index in (1, 2):
        save(root / "test/cat" / f"copy{index}.png", pixels(index))
    for name in LEFT_OUT:
        (root / name).write_bytes(b"GIF89a")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The folder where the spec was run, and what the run said; commands ask this process."""
    folder = tmp_path_factory.mktemp("own images")
    fill(folder)
    with pytest.MonkeyPatch.context() as patch, in_this_process(), eagerly():
        patch.setenv("INVOLBENCH_CACHE", str(folder / "cache"))
        done = called("run", "own.yaml", cwd=folder)
        assert done.returncode == 0, done.stderr
        yield folder, done.stderr


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the spec and its images, where nothing has been run."""
    monkeypatch.setenv("INVOLBENCH_CACHE", str(tmp_path / "cache"))
    fill(tmp_path)
    return tmp_path


@pytest.fixture
def soon() -> Iterator[None]:
    """End a test that waits for a FIFO."""

    def end(*_: object) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def the_run(folder: Path) -> Path:
    (found,) = folder.glob("results/own/runs/*")
    return found


def test_a_run_names_what_it_leaves_out_and_what_is_in_train_and_test(trained) -> None:
    _, said = trained
    gifs = ", ".join(LEFT_OUT[:10])
    assert f"not used (only .bmp, .jpeg, .jpg, .png, .webp are read): {gifs} and 2 more; " in said
    assert "warning: my images: 2 of 10 test images are in the training images too" in said
    assert "test/cat/copy1.png (train/cat/1.png), test/cat/copy2.png (train/cat/2.png)" in said
    assert said.count(" not used (") == 1
    assert "stretched" not in said


def test_the_record_and_the_comparison_have_the_images_in_train_and_test(trained) -> None:
    folder, said = trained
    record = json.loads((the_run(folder) / "run.json").read_text())
    assert record["data"]["test_in_train"] == 2
    (note,) = [note for note in record["notes"] if "in the training images too" in note]
    assert "test/cat/copy1.png (train/cat/1.png)" in note
    fingerprint = record["data"]["fingerprint"]
    warning = (
        "2 of 10 test images are training images too (dataset "
        f"{fingerprint[:12]}); the test accuracy is too high"
    )
    assert f"warning: {warning}\n" in said
    compared = called("compare", "own", "--json", cwd=folder)
    assert warning in json.loads(compared.stdout)["experiments"][0]["warnings"]


def test_a_record_of_before_they_were_counted_can_be_read(trained) -> None:
    record = json.loads((the_run(trained[0]) / "run.json").read_text())
    del record["data"]["test_in_train"]
    assert DataFacts.model_validate_json(json.dumps(record["data"])).test_in_train is None


def test_v_names_all(trained) -> None:
    folder, _ = trained
    done = called("run", "own.yaml", "-v", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "\n  " + "\n  ".join(LEFT_OUT) + "\n" in done.stderr


def test_doctor_lists_both(trained) -> None:
    done = called("doctor", "own.yaml", "--json", cwd=trained[0])
    findings = {each["name"]: each for each in json.loads(done.stdout)["findings"]}
    unused, same = findings["unused files"], findings["same images"]
    assert unused["status"] == same["status"] == "warning"
    assert unused["found"].endswith("and 2 more")
    assert unused["remedy"] == "convert images to PNG"
    assert "2 of 10 test images" in same["found"]
    assert same["remedy"].startswith("remove them from one of the two")


def test_doctor_gives_every_broken_file_and_the_one_remedy(images, here) -> None:
    for name in ("a; b.png", "c.png"):
        (images / "my images/train/cat" / name).write_bytes(b"no image")
    done = called("doctor", "own.yaml", "--json", cwd=images)
    (data,) = [
        each
        for each in json.loads(done.stdout)["findings"]
        if (each["topic"], each["name"]) == ("experiment", "data")
    ]
    assert (data["status"], data["remedy"]) == ("problem", "repair or remove them")
    why = "not a PNG, JPEG, WebP or BMP image"
    assert data["found"] == (
        f"my images: 2 images cannot be read: train/cat/a; b.png ({why}), train/cat/c.png ({why})"
    )


def test_v_names_all_broken_files(images, here) -> None:
    broken = [f"train/cat/bad{index:02}.png" for index in range(11)]
    for name in broken:
        (images / "my images" / name).touch()
    lines = called("run", "own.yaml", cwd=images).stderr.splitlines()
    (said,) = (line for line in lines if line.startswith("error: "))
    assert "my images: 11 images cannot be read: " in said
    assert said.endswith("(an empty file) and 1 more; repair or remove them")
    lines = called("run", "own.yaml", "-v", cwd=images).stderr.splitlines()
    assert lines[-11:] == [f"  {name} (an empty file)" for name in broken]


def test_predict_crops_as_the_training_did(trained) -> None:
    folder, _ = trained
    square = pixels(7, (8, 8))
    Image.fromarray(square).save(folder / "square.png")
    wide = np.full((8, 24, 3), 255, np.uint8)
    wide[:, 8:16] = square
    Image.fromarray(wide).save(folder / "wide.png")
    done = called("predict", "own/cnn-seed0", "square.png", "wide.png", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    first, second = (each["probabilities"] for each in json.loads(done.stdout)["images"])
    assert first == second


def test_how_images_are_resized_is_part_of_a_trial_where_it_is_not_the_default(images, here):
    def ids(*arguments: str) -> str:
        done = called("run", "own.yaml", "-n", *arguments, cwd=images)
        assert done.returncode == 0, done.stderr
        return done.stdout

    stretched = ids("-S", "data.resize=stretch")
    (images / "own.yaml").write_text(SPEC.replace(", resize: crop", ""))
    assert ids() == stretched
    assert len({stretched, ids("-S", "data.resize=pad"), ids("-S", "data.resize=crop")}) == 3
    said = called("run", "own.yaml", "-n", cwd=images).stderr
    assert said.count("22 of 22 images have another aspect ratio than 8x8") == 1


def test_resize_needs_a_size_and_a_dataset_of_files(images) -> None:
    spec = SPEC.replace("image_size: 8, ", "")
    (images / "own.yaml").write_text(spec)
    done = called("validate", "own.yaml", cwd=images)
    assert (done.returncode, "data.resize: needs data.image_size" in done.stderr) == (2, True)
    (images / "own.yaml").write_text(
        SPEC.replace("folder, path: my images, image_size: 8", "cifar10")
    )
    done = called("validate", "own.yaml", cwd=images)
    assert "data.resize: only for the datasets digits, folder and table" in done.stderr


def test_nothing_waits_for_a_fifo(trained, soon, images) -> None:
    folder, _ = trained
    os.mkfifo(images / "my images/train/cat/zz.png")
    os.mkfifo(images / "pipe.yaml")
    os.mkfifo(images / "pipe.npz")
    ran = called("run", "own.yaml", cwd=images)
    assert (ran.returncode, "1 image cannot be read: train/cat/zz.png (a FIFO" in ran.stderr) == (
        2,
        True,
    )
    checked = called("validate", "pipe.yaml", cwd=images)
    assert (checked.returncode, checked.stderr) == (
        2,
        "error: pipe.yaml: cannot be read: a FIFO, not a regular file\n",
    )
    npz = called(
        *("run", "own.yaml", "-S", "data={dataset: npz, path: pipe.npz, validation: test}"),
        cwd=images,
    )
    assert npz.returncode == 2
    assert "pipe.npz: cannot be read (a FIFO, not a regular file)" in npz.stderr
    asked = called("predict", "own/cnn-seed0", images / "pipe.yaml", cwd=folder)
    assert (asked.returncode, asked.stderr) == (
        2,
        f"error: {images / 'pipe.yaml'}: a FIFO, not a regular file\n",
    )


def test_predict_says_which_files_are_missing(trained) -> None:
    folder, _ = trained
    done = called("predict", "own/cnn-seed0", "nope.png", cwd=folder)
    assert (done.returncode, done.stderr) == (2, "error: nope.png: no such file\n")
    several = ("own.yaml", "nope.png", "my images", "no.jpg")
    done = called("predict", "own/cnn-seed0", *several, cwd=folder)
    assert done.stderr == (
        "error: 3 files cannot be read: nope.png: no such file, my images: a folder, not a regular "
        "file, no.jpg: no such file\n"
    )


def test_a_name_that_no_font_has_is_one_warning(trained, monkeypatch) -> None:
    folder, _ = trained
    monkeypatch.setattr("involbench.reporting.plots.figure._families_with", lambda missing: ())
    done = called("predict", "own/cnn-seed0", "--test", 4, "-o", "grid.png", cwd=folder)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "font" in line]
    assert line.startswith("warning: no installed font has 日 本: the figure shows a box instead; ")
    assert (folder / "grid.png").is_file()
