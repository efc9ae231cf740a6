"""The front door: names, options, digits, and what is not imported."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from involbench.data import describe_dataset, digits, load_dataset
from involbench.errors import DataError

POISONED = """
import sys
for name in ("keras", "tensorflow"):
    sys.modules[name] = None  # importing it raises ImportError
from involbench.data import load_dataset
for dataset, path in zip(("digits", "folder", "npz"), (None, *sys.argv[1:])):
    print(len(load_dataset(dataset, path=path).x_train))
"""


def test_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    data = load_dataset("digits")
    assert data.x_train.shape[1:] == data.input_shape == (32, 32, 3)
    assert len(data.x_train) + len(data.x_test) == 1797
    assert data.class_names == tuple("0123456789")
    assert data.x_train.max() == 255 and data.x_train.min() == 0
    np.testing.assert_array_equal(data.x_train[..., 0], data.x_train[..., 2])
    shares = np.bincount(data.y_test) / np.bincount(np.append(data.y_train, data.y_test))
    np.testing.assert_allclose(shares, 0.2, atol=0.01)
    assert load_dataset("digits").fingerprint == data.fingerprint
    assert describe_dataset("digits") == (data.input_shape, data.num_classes)
    monkeypatch.setattr(digits, "find_spec", lambda name: None)  # Through scikit-learn itself.
    assert load_dataset("digits").fingerprint == data.fingerprint
    small = load_dataset("digits", image_size=(16, 24))
    assert small.input_shape == (16, 24, 3) == describe_dataset("digits", image_size=(16, 24))[0]
    assert np.array_equal(small.y_test, data.y_test)


def test_loading_needs_no_deep_learning_framework(
    tmp_path: Path, photos: Path, arrays: dict[str, np.ndarray]
) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    command = [sys.executable, "-c", POISONED, str(photos), str(tmp_path / "a.npz")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1438", "6", "6"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"dataset": "cifar11"}, "did you mean 'cifar10'?"),
        ({"dataset": "zzz"}, "expected one of cifar10, cifar100, digits, folder, npz"),
        (
            {"dataset": "digits", "path": "a"},
            "data.path: only for the datasets folder, npz and table",
        ),
        (
            {"dataset": "cifar10", "image_size": 16},
            "only for the datasets digits, folder and table",
        ),
        ({"dataset": "npz"}, "missing; the dataset 'npz' needs the path of the .npz"),
    ],
)
def test_options_that_do_not_fit(arguments: dict[str, object], expected: str) -> None:
    for function in (load_dataset, describe_dataset):
        with pytest.raises(DataError) as caught:
            function(**arguments)
        assert expected in str(caught.value)
