"""npz files: what is read, and what is refused and how."""

import pickle
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import psutil
import pytest

from involbench.data import describe_dataset, load_dataset
from involbench.errors import DataError
from tests.data.conftest import pixels
from tests.results.hostile import header

Arrays = dict[str, np.ndarray]


def write(folder: Path, arrays: Arrays, **changes: object) -> Path:
    """An npz file of the arrays with some of them changed, or left out where None."""
    path = folder / "data.npz"
    merged = {name: array for name, array in {**arrays, **changes}.items() if array is not None}
    np.savez_compressed(path, **merged)
    return path


def refused(path: Path) -> str:
    """The one line with which the file is refused, the same for loading and for describing."""
    with pytest.raises(DataError) as caught:
        load_dataset("npz", path=path)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


def test_same_fingerprint_as_the_folder(tmp_path: Path, arrays: Arrays, photos: Path) -> None:
    npz = load_dataset("npz", path=write(tmp_path, arrays))
    assert npz.fingerprint == load_dataset("folder", path=photos).fingerprint
    assert npz.class_names == ("cat", "dog") and npz.name == "data"


@pytest.mark.parametrize("name", ["x_train", "y_train", "x_test", "y_test", "class_names"])
def test_every_array_counts_in_the_fingerprint(tmp_path: Path, arrays: Arrays, name: str) -> None:
    before = load_dataset("npz", path=write(tmp_path, arrays)).fingerprint
    changed = {**arrays, name: arrays[name][::-1].copy()}
    assert load_dataset("npz", path=write(tmp_path, changed)).fingerprint != before


def test_class_names_default_to_the_labels(tmp_path: Path, arrays: Arrays) -> None:
    path = write(tmp_path, arrays, class_names=None)
    assert load_dataset("npz", path=path).class_names == ("0", "1")
    assert describe_dataset("npz", path=path) == ((6, 8, 3), 2)


def test_grey_images_keep_one_channel(tmp_path: Path, arrays: Arrays) -> None:
    grey = {name: arrays[name][..., 0] for name in ("x_train", "x_test")}
    path = write(tmp_path, arrays, **grey)
    data = load_dataset("npz", path=path)
    assert data.input_shape == (6, 8, 1) and describe_dataset("npz", path=path) == ((6, 8, 1), 2)
    np.testing.assert_array_equal(data.x_train[..., 0], grey["x_train"])


@pytest.mark.parametrize("shape", [(3, 9, 3), (1, 7, 4), (3, 5, 1), (5, 6, 2)])
def test_images_of_few_rows_are_no_channels(
    tmp_path: Path, arrays: Arrays, shape: tuple[int, int, int]
) -> None:
    images = {
        f"x_{split}": pixels(5, (count, shape[0] * shape[1])).reshape(count, -1)
        for split, count in (("train", 6), ("test", 4))
    }
    size = shape[0] * shape[1] * shape[2]
    shaped = {name: np.resize(x, (len(x), size)).reshape(-1, *shape) for name, x in images.items()}
    data = load_dataset("npz", path=write(tmp_path, arrays, **shaped))
    assert data.input_shape == shape


def test_the_transpose_that_is_named_mends_channels_first(tmp_path: Path, arrays: Arrays) -> None:
    expected = load_dataset("npz", path=write(tmp_path, arrays)).fingerprint
    first = {name: arrays[name].transpose(0, 3, 1, 2) for name in ("x_train", "x_test")}
    assert "np.transpose(x, (0, 2, 3, 1))" in refused(write(tmp_path, arrays, **first))
    mended = {name: np.transpose(x, (0, 2, 3, 1)) for name, x in first.items()}
    assert load_dataset("npz", path=write(tmp_path, arrays, **mended)).fingerprint == expected


def test_class_names_are_compared_in_one_unicode_form(tmp_path: Path, arrays: Arrays) -> None:
    forms = [unicodedata.normalize(form, "Kühe") for form in ("NFC", "NFD")]
    loaded = [
        load_dataset("npz", path=write(tmp_path, arrays, class_names=np.array([name, "dog"])))
        for name in forms
    ]
    assert loaded[0].fingerprint == loaded[1].fingerprint
    assert loaded[1].class_names == (forms[0], "dog")
    assert "two classes are named" in refused(write(tmp_path, arrays, class_names=np.array(forms)))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint64"])
def test_labels_of_any_integer_type_and_as_a_column(
    tmp_path: Path, arrays: Arrays, dtype: str
) -> None:
    column = arrays["y_train"].astype(dtype).reshape(-1, 1)
    data = load_dataset("npz", path=write(tmp_path, arrays, y_train=column))
    assert data.y_train.dtype == np.int64 and data.y_train.tolist() == [0, 0, 0, 1, 1, 1]


def test_fortran_order_is_the_same_data(tmp_path: Path, arrays: Arrays) -> None:
    before = load_dataset("npz", path=write(tmp_path, arrays)).fingerprint
    path = write(tmp_path, arrays, x_train=np.asfortranarray(arrays["x_train"]))
    assert load_dataset("npz", path=path).fingerprint == before


BAD = {
    "missing": ({"y_test": None, "x_test": None}, "x_test, y_test missing"),
    "float": ({"x_train": np.zeros((6, 6, 8, 3))}, "(x * 255).round().astype('uint8')"),
    "int": ({"x_test": np.zeros((4, 6, 8, 3), int)}, "x_test is int64; images must be uint8"),
    "flat": ({"x_train": np.zeros((6, 48), np.uint8)}, "expected images (N, H, W, C)"),
    "channels first": (
        {"x_train": np.zeros((6, 3, 9, 8), np.uint8)},
        "x_train has shape (6, 3, 9, 8), which is channels first, (N, C, H, W); images must be "
        "(N, H, W, C); store np.transpose(x, (0, 2, 3, 1))",
    ),
    "grey channels first": (
        {"x_test": np.zeros((4, 1, 6, 8), np.uint8)},
        "x_test has shape (4, 1, 6, 8), which is channels first",
    ),
    "sizes": ({"x_test": np.zeros((4, 5, 8, 3), np.uint8)}, "6x8x3 but test images 5x8x3"),
    "count": ({"y_train": np.zeros(5, int)}, "y_train has shape (5,) but x_train has 6 images"),
    "onehot": ({"y_train": np.eye(2, dtype=int)[[0, 0, 0, 1, 1, 1]]}, "y.argmax(axis=1)"),
    "text": ({"y_train": np.array(list("aaabbb"))}, "labels must be integers"),
    "real": ({"y_train": np.zeros(6)}, "y_train is float64; labels must be integers"),
    "empty": ({"x_test": np.zeros((0, 6, 8, 3), np.uint8), "y_test": np.zeros(0, int)}, "x_test"),
    "negative": ({"y_test": np.array([0, -1, 0, 1])}, "label -1"),
    "beyond": ({"y_test": np.array([0, 2, 0, 1])}, "has label 2; labels of 2 classes"),
    "untrained": ({"y_train": np.zeros(6, int)}, "these classes have no training image: 1 (dog)"),
    "names": ({"class_names": np.array([1, 2])}, "class_names must be a list of texts"),
    "twice": ({"class_names": np.array(["a", "a"])}, "two classes are named 'a'"),
    "one": ({"class_names": np.array(["a"])}, "only one class, 'a'"),
    "scalar": ({"x_train": np.uint8(3)}, "x_train has shape ()"),
    "pickle": ({"x_train": np.array([{}], dtype=object)}, "x_train holds pickled Python objects"),
    "pickled names": ({"class_names": np.array(["a", "b"], object)}, "class_names holds pickled"),
    "gap": (
        {"class_names": None, "y_train": np.array([0, 0, 1, 1, 3, 3])},
        "no image has label 2; number",
    ),
    "wild": (
        {"class_names": None, "y_test": np.array([0, 1, 2**62, 1])},
        "has label 2, 3, 4, 5, 6 and 4611686018427387897 more; number",
    ),
    "below": ({"class_names": None, "y_test": np.array([0, -2, 0, 1])}, "there is a label -2"),
    "single": (
        {"class_names": None, "y_train": np.zeros(6, int), "y_test": np.zeros(4, int)},
        "only one class, '0'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arrays(tmp_path: Path, arrays: Arrays, case: str) -> None:
    changes, expected = BAD[case]
    path = write(tmp_path, arrays, **changes)
    before = path.read_bytes()
    assert expected in refused(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_truncated(tmp_path: Path, arrays: Arrays, share: float) -> None:
    path = write(tmp_path, arrays)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "not an npz file, or cut short" in refused(path)


def test_damaged_inside(tmp_path: Path, arrays: Arrays) -> None:
    path = write(tmp_path, arrays)
    content = bytearray(path.read_bytes())
    content[300:340] = bytes(40)
    path.write_bytes(content)
    assert "x_train is damaged" in refused(path)


def test_a_header_that_lies_is_not_believed(tmp_path: Path, arrays: Arrays) -> None:
    path = write(tmp_path, {name: array for name, array in arrays.items() if name != "x_test"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x_test.npy", header(f"({10**15}, 6, 8, 3)", "|u1") + b"1")
    assert "x_test does not have the size that its header states" in refused(path)


def test_a_pickle_is_not_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "sprung",)

    path = tmp_path / "data.npz"
    path.write_bytes(pickle.dumps(Trap()))
    assert "not an npz file" in refused(path)
    assert not (tmp_path / "sprung").exists()


def test_too_large_for_memory(
    tmp_path: Path, arrays: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, arrays)
    little = psutil.virtual_memory()._replace(available=100)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: little)
    assert "of memory" in refused(path)


def test_wrong_kind_of_path(tmp_path: Path) -> None:
    assert "-S data.dataset=folder" in refused(tmp_path)
    assert "no such file" in refused(tmp_path / "none.npz")
