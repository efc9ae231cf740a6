"""CIFAR through keras.datasets: where its archive belongs, and what is said without it."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from involbench.data import describe_dataset, load_dataset
from involbench.errors import DataError

ARCHIVES = {
    "cifar10": ("cifar-10-batches-py-target_archive", "cifar-10-python.tar.gz", 10),
    "cifar100": ("cifar-100-python-target_archive", "cifar-100-python.tar.gz", 100),
}
OFFLINE = """
import sys
from involbench.data import load_dataset
from involbench.errors import DataError
for name in sys.argv[1:]:
    try:
        load_dataset(name, notify=lambda line: print(name, "notify:", line))
    except DataError as error:
        print(name, "error:", error)
"""


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which Keras keeps data sets."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras" / "datasets"


@pytest.fixture
def fake_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `keras` whose data sets have two images a class and labels in a column."""

    def loader(num_classes: int):  # type: ignore[no-untyped-def]
        labels = np.arange(2 * num_classes, dtype=np.uint8).reshape(-1, 1) % num_classes
        images = np.zeros((2 * num_classes, 32, 32, 3), np.uint8)
        return lambda: ((images, labels), (images, labels))

    loaders = {
        name: SimpleNamespace(load_data=loader(count)) for name, (_, _, count) in ARCHIVES.items()
    }
    config = SimpleNamespace(
        image_data_format=lambda: "channels_last", set_image_data_format=lambda _: None
    )
    fake = SimpleNamespace(datasets=SimpleNamespace(**loaders), config=config)
    monkeypatch.setitem(sys.modules, "keras", fake)


@pytest.mark.parametrize("name", ARCHIVES)
def test_loaded_through_keras(name: str, datasets: Path, fake_keras: None) -> None:
    lines: list[str] = []
    data = load_dataset(name, notify=lines.append)
    assert (data.input_shape, data.num_classes) == describe_dataset(name)
    assert data.num_classes == ARCHIVES[name][2] and data.y_train.ndim == 1
    assert "downloading CIFAR-10" in lines[0] and "MB) from its home page" in lines[0]


def test_class_names_in_the_official_order(datasets: Path, fake_keras: None) -> None:
    assert load_dataset("cifar10").class_names[3:7] == ("cat", "deer", "dog", "frog")
    fine = load_dataset("cifar100").class_names
    assert list(fine) == sorted(fine) and fine[0] == "apple" and fine[99] == "worm"


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_damaged_archive_is_named_and_kept(name: str, datasets: Path) -> None:
    archive = datasets / ARCHIVES[name][0]
    datasets.mkdir(parents=True)
    archive.write_bytes(b"half a download")
    with pytest.raises(DataError) as caught:
        load_dataset(name)
    assert str(archive) in str(caught.value) and "damaged or cut short" in str(caught.value)
    assert archive.read_bytes() == b"half a download"


def test_offline_says_which_file_to_put_where(datasets: Path) -> None:
    nowhere = {"https_proxy": "http://127.0.0.1:9", "no_proxy": "", "NO_PROXY": ""}
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, *ARCHIVES],
        env={**os.environ, **nowhere, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    said = done.stdout.splitlines()
    for name, (kept_as, download, _) in ARCHIVES.items():
        notified = next(line for line in said if line.startswith(f"{name} notify:"))
        assert "downloading" in notified
        error = next(line for line in said if line.startswith(f"{name} error:"))
        assert "cannot be downloaded (" in error and download in error
        assert f"save it as {datasets / kept_as}," in error
        assert "-S data.dataset=folder -S data.path=..." in error
