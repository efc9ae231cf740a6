"""Decoded images are kept by content, and a damaged or unwritable cache never does harm."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from involbench.data import decoding as decode_files
from involbench.data import load_dataset
from tests.data.conftest import pixels, save

LOAD = """
import sys
from involbench.data import load_dataset
print(load_dataset("folder", path=sys.argv[1]).fingerprint)
"""


def load(path: Path, **options: object) -> tuple[str, bool]:
    """The fingerprint, and whether images were decoded."""
    lines: list[str] = []
    data = load_dataset("folder", path=path, notify=lines.append, **options)
    return data.fingerprint, any("decoding" in line for line in lines)


def test_the_second_load_does_not_decode(photos: Path, cache: Path) -> None:
    fingerprint, decoded = load(photos)
    assert decoded
    assert load(photos) == (fingerprint, False)
    assert sorted(path.suffix for path in cache.iterdir()) == [".npy", ".sha256"]


def test_moved_folders_are_known_by_their_content(photos: Path) -> None:
    fingerprint, _ = load(photos)
    assert load(photos.rename(photos.with_name("elsewhere"))) == (fingerprint, False)


def test_changed_content_is_decoded_again(photos: Path) -> None:
    fingerprint, _ = load(photos)
    save(photos / "train" / "cat" / "0.png", pixels(99))
    changed, decoded = load(photos)
    assert decoded and changed != fingerprint


def test_another_size_or_split_is_another_entry(photos: Path) -> None:
    seen = {load(photos, image_size=4)[0], load(photos, image_size=5)[0]}
    for fraction in (0.3, 0.6):
        fingerprint, decoded = load(photos / "train", test_fraction=fraction)
        assert decoded
        seen.add(fingerprint)
    assert len(seen) == 4


def test_test_fraction_does_not_matter_where_there_is_a_test_folder(photos: Path) -> None:
    load(photos, test_fraction=0.2)
    assert load(photos, test_fraction=0.5)[1] is False


def flip_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def other_array(file: Path) -> None:
    np.save(file, np.zeros((2, 3)))


def pickled(file: Path) -> None:
    np.save(file, np.array([{}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize("damage", [flip_a_byte, cut_short, empty, other_array, pickled])
def test_a_damaged_cache_is_rebuilt(photos: Path, cache: Path, damage) -> None:  # type: ignore[no-untyped-def]
    fingerprint, _ = load(photos)
    damage(next(cache.glob("*.npy")))
    assert load(photos) == (fingerprint, True)
    assert load(photos) == (fingerprint, False)


def test_a_lost_fingerprint_is_rebuilt(photos: Path, cache: Path) -> None:
    fingerprint, _ = load(photos)
    next(cache.glob("*.sha256")).write_bytes(b"\xff\xfe")
    assert load(photos) == (fingerprint, True)


def test_an_unwritable_cache_is_only_a_line(photos: Path, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    lines: list[str] = []
    assert len(load_dataset("folder", path=photos, notify=lines.append).x_train) == 6
    assert "cannot be kept" in lines[-1] and "INVOLBENCH_CACHE" in lines[-1]
    assert cache.read_text() == "a file where the folder should be"


def test_a_failed_write_leaves_nothing_behind(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    lines: list[str] = []
    load_dataset("folder", path=photos, notify=lines.append)
    assert "No space left on device" in lines[-1] and list(cache.iterdir()) == []


def test_a_disk_without_room_is_seen_before_anything_is_decoded(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(photos)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10 * 6 * 8 * 3 - 1))
    steps: list[tuple[str, int, int]] = []
    lines: list[str] = []
    data = load_dataset(
        "folder", path=photos, notify=lines.append, progress=lambda *step: steps.append(step)
    )
    assert "No space left on device" in lines[-1] and list(cache.iterdir()) == []
    assert steps.count(("decoding images", 10, 10)) == 1
    np.testing.assert_array_equal(data.x_train[4], pixels(11))


def mapped(images: np.ndarray) -> bool:
    """Whether an array is a view of a file."""
    while not isinstance(images, np.memmap):
        if not isinstance(images, np.ndarray):
            return False
        images = images.base
    return True


def test_images_stay_on_disk(photos: Path, cache: Path) -> None:
    for _ in range(2):  # Decoded, and from the cache.
        data = load_dataset("folder", path=photos)
        assert mapped(data.x_train) and mapped(data.x_test)
    kept = data.x_train.copy()
    for file in cache.iterdir():  # Who has them keeps them, whatever becomes of the entry.
        file.unlink()
    load(photos)
    np.testing.assert_array_equal(data.x_train, kept)
    assert len(list(cache.iterdir())) == 2


def test_decoding_takes_any_number_of_pieces(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fingerprint, _ = load(photos)
    shutil.rmtree(cache)
    monkeypatch.setattr(decode_files, "_CHUNK_BYTES", 3 * 6 * 8 * 3)
    assert load(photos) == (fingerprint, True)


def test_processes_at_once(photos: Path, cache: Path) -> None:
    command = [sys.executable, "-c", LOAD, str(photos)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    printed = {process.communicate()[0] for process in started}
    assert [process.returncode for process in started] == [0, 0, 0]
    assert printed == {load(photos)[0] + "\n"}
    assert len(list(cache.iterdir())) == 2


def test_progress_rises_to_the_total(photos: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    load_dataset("folder", path=photos, progress=lambda *step: steps.append(step))
    assert steps == [("reading images", 10, 10), ("decoding images", 10, 10)]
