"""A table of images: what is read, in which order, and what is refused and how."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from involbench.data import describe_dataset, load_dataset
from involbench.errors import DataError
from tests.cli import called
from tests.data.conftest import pixels, save

ROWS = [("b/2.png", "owl"), ("b/1.png", "owl"), ("a/3.png", "cat"), ("a/4.png", "cat")]


@pytest.fixture
def listed(tmp_path: Path):
    """Writes a table with these lines beside six images, and gives its path."""
    for number in range(1, 7):
        save(tmp_path / "ab"[number > 2] / f"{number}.png", pixels(number))
    for path, _ in ROWS:
        save(tmp_path / path, pixels(int(path[2])))

    def write(*lines: str, name: str = "birds of town.csv", encoding: str = "utf-8") -> Path:
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding=encoding)
        return tmp_path / name

    return write


def lines(split: bool = True) -> list[str]:
    heads = "path,label,split" if split else "path,label"
    return [heads, *(f"{path},{label}" + f",{['train', 'test'][i % 2]}" * split
                     for i, (path, label) in enumerate(ROWS))]  # fmt: skip


def test_images_are_sorted_by_class_and_path_in_their_split(listed) -> None:
    path = listed(*lines())
    data = load_dataset("table", path=path)
    assert data.class_names == ("cat", "owl")
    assert data.name == "birds of town"
    assert data.y_train.tolist() == data.y_test.tolist() == [0, 1]
    np.testing.assert_array_equal(data.x_train, [pixels(3), pixels(2)])
    np.testing.assert_array_equal(data.x_test, [pixels(4), pixels(1)])
    assert describe_dataset("table", path=path) == (data.input_shape, 2)


def test_the_order_of_rows_and_columns_changes_nothing(listed) -> None:
    data = load_dataset("table", path=listed(*lines()))
    rows = [line.split(",") for line in lines()]
    turned = [f"{split},{label},photographer,{path}" for path, label, split in rows[:1]]
    turned += [f' {split} ,"{label}","Doe, J.",{path}' for path, label, split in rows[:0:-1]]
    again = load_dataset("table", path=listed(*turned, encoding="utf-8-sig"))
    assert again.fingerprint == data.fingerprint


def test_without_a_split_a_share_of_each_class_is_held_out(listed) -> None:
    data = load_dataset("table", path=listed(*lines(split=False)), test_fraction=0.5)
    assert data.y_train.tolist() == data.y_test.tolist() == [0, 1]


def test_images_may_be_anywhere(listed, tmp_path: Path) -> None:
    for path, _ in ROWS:
        save(tmp_path / "elsewhere" / path, pixels(int(path[2])))
    (tmp_path / "lists").mkdir()
    absolute = [line.replace("b/", f"{tmp_path}/elsewhere/b/") for line in lines()]
    path = listed(
        *(line.replace("a/", "../a/") for line in absolute), name="lists/birds of town.csv"
    )
    data = load_dataset("table", path=path)
    np.testing.assert_array_equal(data.x_train, [pixels(3), pixels(2)])


def test_images_are_resized(listed) -> None:
    data = load_dataset("table", path=listed(*lines()), image_size=4)
    assert data.x_train.shape == (2, 4, 4, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["file,label", "a/3.png,cat"], r":1: no column 'path'; the columns are file, label"),
        ([""], r":1: no column 'path'; the columns are none"),
        (["path,label"], "no row below the names of the columns"),
        (["path,label", "a/3.png"], ":2: 1 cells for 2 columns"),
        (["path,label", "a/3.png,"], ":2: no label"),
        (["path,label", ",cat"], ":2: no path"),
        (["path,label", "a/3.txt,cat"], r":2: a/3\.txt: only \.bmp, .* are read"),
        (["path,label", "a/3.png,cat", "a/4.png,cat"], "only one class; two or more are needed"),
        ([*lines(), "a/3.png,owl,test"], r":6: a/3\.png is in line 4 already"),
        ([*lines(), "a/5.png,cat,val"], ":6: expected train or test as split, got the text 'val'"),
        ([*lines(), "a/5.png,emu,test"], "no image of a class has the split train.*emu"),
        ([*lines(), "a/9.png,cat,test"], r"a/9\.png"),
        (['path,label', '"a/3.png,cat'], "not a CSV file"),
        (["path,label", "\x1b]0;x\x07/3.txt,cat"], r":2: .*u?x?1b"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_named_with_its_line(listed, given, message) -> None:
    path = listed(*given)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset("table", path=path)
    assert str(path.parent) in str(caught.value)
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)


def test_what_is_no_text_or_no_file_is_refused(listed, tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "image.csv", format="png")
    with pytest.raises(DataError, match=r"image\.csv: not a CSV file"):
        load_dataset("table", path=tmp_path / "image.csv")
    with pytest.raises(DataError, match="not a CSV file"):
        load_dataset("table", path=tmp_path)


@pytest.mark.usefixtures("here", "eager")
def test_a_table_is_trained_on_and_compared(listed, tmp_path: Path) -> None:
    listed(*lines(), name="labels.csv")
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ndata: {dataset: table, path: labels.csv, image_size: 8, validation: test}\n"
        "seeds: 1\ntraining: {epochs: 1}\nmodels: {cnn: {architecture: plain, widths: [4]}}\n",
        encoding="utf-8",
    )
    done = called("run", "mine.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    again = called("run", "mine.yaml", "--dry-run", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
