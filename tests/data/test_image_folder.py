"""Image folders: what is read, in which order, and what is refused and how."""

import os
import shutil
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from involbench.data import describe_dataset, load_dataset
from involbench.data.cifar import CIFAR10_CLASSES
from involbench.errors import DataError
from tests.data.conftest import pixels, save

REAL = Path("~/.cache/cifar10-jpeg").expanduser()


def refused(path: object, **options: object) -> str:
    """The one line with which the folder is refused."""
    with pytest.raises(DataError) as caught:
        load_dataset("folder", path=path, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_train_and_test_folders(photos: Path) -> None:
    data = load_dataset("folder", path=photos)
    assert data.class_names == ("cat", "dog")
    assert data.input_shape == (6, 8, 3) and data.num_classes == 2
    assert data.y_train.tolist() == [0, 0, 0, 1, 1, 1] and data.y_test.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(data.x_train[4], pixels(11))
    np.testing.assert_array_equal(data.x_test[3], pixels(111))
    assert data.x_train.dtype == np.uint8 and data.y_train.dtype == np.int64
    assert data.name == "my photos"


def test_arrays_cannot_be_changed(photos: Path) -> None:
    data = load_dataset("folder", path=photos)
    for array in (data.x_train, data.y_train, data.x_test, data.y_test):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_one_tree_is_split_by_class(photos: Path) -> None:
    data = load_dataset("folder", path=photos / "train", test_fraction=0.34)
    assert data.y_train.tolist() == [0, 0, 1, 1] and data.y_test.tolist() == [0, 1]
    again = load_dataset("folder", path=photos / "train", test_fraction=0.34)
    assert again.fingerprint == data.fingerprint
    every = np.concatenate([data.x_train, data.x_test])
    assert {image.tobytes() for image in every} == {
        pixels(10 * label + index).tobytes() for label in range(2) for index in range(3)
    }


def test_home_is_expanded(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(photos.parent))
    assert len(load_dataset("folder", path="~/my photos").x_train) == 6


def test_describe_matches_what_is_loaded(photos: Path) -> None:
    assert describe_dataset("folder", path=photos) == ((6, 8, 3), 2)
    assert describe_dataset("folder", path=photos, image_size=(4, 5)) == ((4, 5, 3), 2)


@pytest.mark.parametrize("name", ["a.JPG", "a.jpeg", "a.webp", "a.bmp", "a.Png"])
def test_every_format_in_any_case(photos: Path, name: str) -> None:
    flat = np.full((6, 8, 3), 90, np.uint8)
    save(photos / "train" / "cat" / name, flat)
    data = load_dataset("folder", path=photos)
    assert len(data.x_train) == 7
    place = sorted([name, "0.png", "1.png", "2.png"]).index(name)
    np.testing.assert_allclose(data.x_train[place].astype(int), 90, atol=3)


def test_modes_become_rgb(photos: Path) -> None:
    folder = photos / "train" / "cat"
    grey = pixels(7)[:, :, 0]
    Image.fromarray(grey).save(folder / "a.png")
    Image.fromarray(grey.astype(np.uint16) << 8).save(folder / "b.png")
    Image.fromarray(np.dstack([pixels(8), grey])).save(folder / "c.png")
    palette = Image.fromarray(pixels(9)).quantize(16)
    palette.save(folder / "d.png")
    images = load_dataset("folder", path=photos).x_train
    np.testing.assert_array_equal(images[3], np.dstack([grey] * 3))
    np.testing.assert_array_equal(images[4], np.dstack([grey] * 3))  # 16 bits are scaled
    np.testing.assert_array_equal(images[5], pixels(8))
    np.testing.assert_array_equal(images[6], np.asarray(palette.convert("RGB")))


def test_exif_orientation_is_applied(photos: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    sideways = np.rot90(pixels(5)).copy()
    save(photos / "train" / "cat" / "a.png", sideways, exif=exif)
    np.testing.assert_array_equal(load_dataset("folder", path=photos).x_train[3], pixels(5))


def test_links_are_followed(photos: Path) -> None:
    (photos / "train" / "cat" / "z.png").symlink_to(photos / "test" / "dog" / "0.png")
    np.testing.assert_array_equal(load_dataset("folder", path=photos).x_train[3], pixels(110))


def test_image_size_resizes_everything(photos: Path) -> None:
    save(photos / "train" / "cat" / "a.png", np.full((40, 20, 3), 200, np.uint8))
    data = load_dataset("folder", path=photos, image_size=5)
    assert data.input_shape == (5, 5, 3)
    assert (data.x_train[3] == 200).all()
    assert load_dataset("folder", path=photos, image_size=(3, 9)).input_shape == (3, 9, 3)


def test_different_sizes_name_two_files_and_the_remedy(photos: Path) -> None:
    save(photos / "test" / "dog" / "big.png", pixels(1, (9, 7)))
    message = refused(photos)
    assert "train/cat/0.png is 6x8" in message and "test/dog/big.png is 9x7" in message
    assert "-S data.image_size=32" in message


def test_broken_images_are_named_up_to_ten(photos: Path) -> None:
    for index in range(12):
        (photos / "train" / "dog" / f"bad{index:02}.jpg").write_bytes(b"no image")
    message = refused(photos)
    assert "12 images cannot be read" in message and "and 2 more" in message
    assert all(f"train/dog/bad{index:02}.jpg (not a PNG" in message for index in range(10))
    assert "bad10" not in message


def test_all_that_cannot_be_read_is_named_at_once(photos: Path) -> None:
    folder = photos / "train" / "cat"
    (folder / "empty.png").touch()
    (folder / "garbage.jpg").write_bytes(b"no image")
    (folder / "link.png").symlink_to("nowhere.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.bmp").symlink_to("/dev/zero")
    message = refused(photos)
    assert "5 images cannot be read: " in message and message.endswith("; repair or remove them")
    for named in (
        "train/cat/empty.png (an empty file)",
        "train/cat/garbage.jpg (not a PNG, JPEG, WebP or BMP image)",
        "train/cat/link.png (a broken link)",
        "train/cat/pipe.png (a FIFO, not a regular file)",
        "train/cat/zero.bmp (a device, not a regular file)",
    ):
        assert named in message


def test_a_truncated_image_is_broken(photos: Path) -> None:
    whole = photos / "train" / "cat" / "0.png"
    whole.write_bytes(whole.read_bytes()[:-60])
    assert "1 image cannot be read: train/cat/0.png" in refused(photos)


def test_only_broken_images(photos: Path) -> None:
    for file in photos.rglob("*.png"):
        file.write_bytes(b"")
    assert "10 images cannot be read" in refused(photos)


def test_a_file_of_another_format_is_not_given_to_its_decoder(photos: Path) -> None:
    Image.fromarray(pixels(1)).save(photos / "train" / "cat" / "0.png", format="GIF")
    assert "train/cat/0.png (not a PNG, JPEG, WebP or BMP image)" in refused(photos)


def test_a_decompression_bomb_is_broken(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    assert "decompression bomb" in refused(photos)


@pytest.mark.parametrize("target", ["nowhere.png", "z.png"])
def test_a_link_that_leads_nowhere_is_named(photos: Path, target: str) -> None:
    (photos / "train" / "cat" / "z.png").symlink_to(target)
    assert "1 image cannot be read: train/cat/z.png (" in refused(photos)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_unreadable(photos: Path) -> None:
    (photos / "train" / "cat" / "0.png").chmod(0)
    assert "train/cat/0.png (Permission denied)" in refused(photos)
    (photos / "train" / "cat").chmod(0)
    assert "cannot be read (Permission denied)" in refused(photos)


def test_too_large_for_memory(photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    little = psutil.virtual_memory()._replace(available=100)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: little)
    assert len(load_dataset("folder", path=photos).x_train) == 6  # It stays on disk.
    shutil.rmtree(cache)
    cache.write_text("a file where the folder should be")
    message = refused(photos)
    assert "10 images of 6x8" in message and "-S data.image_size=32" in message


def test_missing_path(tmp_path: Path) -> None:
    assert "data.path: missing; the dataset 'folder' needs the path of the" in refused(None)
    assert "no such file or folder" in refused(tmp_path / "none")
    assert "cannot be read" in refused("a\0b")


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    file.touch()
    assert "-S data.dataset=npz" in refused(file)


def test_empty_folder(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no class folders" in refused(empty)


def test_one_class_only(tmp_path: Path) -> None:
    save(tmp_path / "one" / "cat" / "a.png", pixels(1))
    assert "only one class folder, cat/" in refused(tmp_path / "one")


def test_a_class_folder_without_images(photos: Path) -> None:
    save(photos / "train" / "emu" / "inner" / "a.png", pixels(1))
    (photos / "train" / "fox").mkdir()
    for name in ("emu", "fox"):
        save(photos / "test" / name / "a.png", pixels(1))
    message = refused(photos)
    assert "a class folder holds no image (.bmp, " in message
    assert "train/emu/ (1 other file), train/fox/ (empty)" in message


def test_train_and_test_need_the_same_classes(photos: Path) -> None:
    save(photos / "train" / "emu" / "a.png", pixels(1))
    assert "test: has no folder for a class of the other split: emu; " in refused(photos)


def test_train_without_test(photos: Path) -> None:
    (photos / "test").rename(photos / "val")
    assert "there is train/ but no test/" in refused(photos)


def test_one_image_a_class_cannot_be_split(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        save(tmp_path / "few" / name / "a.png", pixels(1))
    assert "no image can be held out" in refused(tmp_path / "few")


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for name in ("bus", "train"):
        for index in range(2):
            save(tmp_path / "traffic" / name / f"{index}.png", pixels(index))
    assert load_dataset("folder", path=tmp_path / "traffic").class_names == ("bus", "train")


def test_nothing_is_written_for_bad_input(photos: Path, cache: Path) -> None:
    (photos / "train" / "cat" / "0.png").write_bytes(b"")
    before = sorted(photos.rglob("*"))
    refused(photos)
    assert sorted(photos.rglob("*")) == before and not list(cache.iterdir())


@pytest.mark.thorough
@pytest.mark.skipif(not REAL.is_dir(), reason=f"the CIFAR-10 JPEG images are not in {REAL}")
def test_real_cifar10_images() -> None:
    seen: list[tuple[str, int, int]] = []
    data = load_dataset("folder", path=REAL, progress=lambda *step: seen.append(step))
    assert data.x_train.shape == (50000, 32, 32, 3) and data.x_test.shape == (10000, 32, 32, 3)
    assert data.class_names == CIFAR10_CLASSES
    assert np.bincount(data.y_train).tolist() == [5000] * 10
    assert np.bincount(data.y_test).tolist() == [1000] * 10
    assert seen[-1] == ("decoding images", 60000, 60000)
    warm = load_dataset("folder", path=REAL)
    assert warm.fingerprint == data.fingerprint
