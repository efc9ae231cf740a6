"""Every file below an image folder is used, or counted and named with the reason."""

import unicodedata
from pathlib import Path

import pytest

from involbench.data import load_dataset
from involbench.errors import DataError
from tests.data.conftest import pixels, save


def unused(photos: Path) -> dict[str, tuple[tuple[str, ...], bool]]:
    """Reason -> (names, whether it is a warning) of the files that are not used."""
    found = {}
    for remark in load_dataset("folder", path=photos).remarks:
        if remark.about == "unused files":
            count, _, reason = remark.message.text.removeprefix(f"{photos}: ").partition(" (")
            names = remark.message.names
            assert count == f"{len(names)} file{' is' if len(names) == 1 else 's are'} not used"
            found[reason.removesuffix(")")] = names, remark.warning
    return found


def test_nothing_is_said_where_all_is_used(photos: Path) -> None:
    assert load_dataset("folder", path=photos).remarks == ()


def test_each_reason_has_its_files(photos: Path) -> None:
    save(photos / "train/cat/summer/a.png", pixels(40))
    save(photos / "train/cat/summer/deep/er/b.jpg", pixels(41))
    save(photos / "train/cat/film.gif", pixels(42))
    (photos / "train/dog/notes.txt").write_text("x")
    (photos / "train/labels.csv").write_text("x")
    save(photos / "test/stray.png", pixels(43))
    save(photos / "val/cat/c.png", pixels(44))
    (photos / "README").write_text("x")
    (photos / "train/cat/._0.png").write_text("x")
    (photos / ".git").mkdir()
    (photos / ".git/HEAD").write_text("x")
    (photos / "train/.DS_Store").write_text("x")
    assert unused(photos) == {
        "in a folder inside a class folder": (
            ("train/cat/summer/a.png", "train/cat/summer/deep/er/b.jpg"),
            True,
        ),
        "only .bmp, .jpeg, .jpg, .png, .webp are read": (
            ("train/cat/film.gif", "train/dog/notes.txt"),
            True,
        ),
        "in no class folder": (("test/stray.png", "train/labels.csv"), True),
        "neither in train/ nor in test/": (("README", "val/cat/c.png"), True),
        "its name, or that of a folder above it, begins with a dot": (
            (".git/HEAD", "train/.DS_Store", "train/cat/._0.png"),
            False,
        ),
    }


def test_every_file_is_used_or_named(photos: Path) -> None:
    for name in (
        "a.tif",
        "train/b.webp",
        "train/cat/in/c.png",
        "test/.d/e",
        "x/y/z",
        "test/dog/.f",
    ):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(b"x")
    save(photos / "test/dog/g.PNG", pixels(51))
    data = load_dataset("folder", path=photos)
    named = [name for remark in data.remarks for name in remark.message.names]
    there = {str(path.relative_to(photos)) for path in photos.rglob("*") if path.is_file()}
    assert len(there) == 17 == len(data.x_train) + len(data.x_test) + len(named)
    assert len(set(named)) == 6 and set(named) < there


def test_images_in_one_tree_without_splits(photos: Path) -> None:
    (photos / "train/readme.txt").write_text("x")
    save(photos / "train/cat/inner/a.png", pixels(40))
    assert unused(photos / "train") == {
        "in a folder inside a class folder": (("cat/inner/a.png",), True),
        "in no class folder": (("readme.txt",), False),
    }


def test_a_loop_of_links_is_one_name(photos: Path) -> None:
    (photos / "train/cat/again").symlink_to(photos / "train")
    names, _ = unused(photos)["in a folder inside a class folder"]
    assert names == ("train/cat/again",)


def test_a_line_has_ten_names_and_in_full_it_has_all(photos: Path) -> None:
    for index in range(13):
        (photos / f"train/cat/{index:02}.txt").write_text("x")
    (remark,) = load_dataset("folder", path=photos).remarks
    line, full = str(remark.message), remark.message.in_full()
    assert line.endswith("train/cat/09.txt and 3 more") and "\n" not in line
    assert full.splitlines()[1:] == [f"  train/cat/{index:02}.txt" for index in range(13)]


def names(form: str) -> tuple[str, str]:
    return unicodedata.normalize(form, "Äpfel"), unicodedata.normalize(form, "café")


def make(root: Path, train: str, test: str) -> Path:
    """The same images below class folders and file names in one Unicode form a split."""
    for split, form, seed in (("train", train, 0), ("test", test, 50)):
        for label, name in enumerate(names(form)):
            for index, file in enumerate(("é", "f", "z")):
                file = unicodedata.normalize(form, file)
                save(root / split / name / f"{file}.png", pixels(seed + 10 * label + index))
    return root


def test_the_unicode_form_of_names_does_not_matter(tmp_path: Path) -> None:
    loaded = [
        load_dataset("folder", path=make(tmp_path / f"{train}{test}", train, test))
        for train, test in (("NFC", "NFC"), ("NFD", "NFD"), ("NFC", "NFD"), ("NFD", "NFC"))
    ]
    assert {data.class_names for data in loaded} == {tuple(sorted(names("NFC")))}
    assert len({data.fingerprint for data in loaded}) == 1


def test_two_folders_that_look_the_same_are_refused(tmp_path: Path) -> None:
    root = make(tmp_path / "both", "NFC", "NFC")
    save(root / "train" / names("NFD")[1] / "a.png", pixels(3))
    with pytest.raises(DataError, match="two folders have the name 'caf\u00e9', in two Unicode"):
        load_dataset("folder", path=root)
