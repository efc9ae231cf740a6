"""Reading the weights of a network from a file that may come from a stranger.

Keras reads HDF5, which can point to other files, and claim sizes that fill the memory. So the
weights are taken out of `model.keras`, looked through, and only then given to Keras.
"""

import math
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import keras

from involbench.results.files import opened_to_read
from involbench.results.limits import MODEL, scaled
from involbench.results.paths import ResultsPath

_MEMBER = "model.weights.h5"
_BYTES = 4
_COPIES = 8
"""Numbers in a file for each weight: optimizers keep some too."""
_REST = 2**26
"""Bytes of a file that are no weights."""
_OBJECTS = 200_000


def load_weights(model: keras.Model, path: ResultsPath) -> None:
    """Give a network the weights in a `model.keras`.

    Args:
        model: Built; its weights say how large the file may be.
        path: The file.

    Raises:
        ResultsError: The file cannot be read.
        Exception: It is damaged, or another network's: Keras raises nearly anything.
    """
    numbers = sum(math.prod(weight.shape) for weight in model.weights)
    largest = scaled(_REST) + _COPIES * _BYTES * numbers
    with tempfile.TemporaryDirectory(prefix="involbench-") as folder:
        copy = Path(folder, _MEMBER)
        with opened_to_read(path, MODEL) as file, zipfile.ZipFile(file) as archive:
            if archive.getinfo(_MEMBER).file_size > largest:
                raise ValueError("its weights are larger than those of the network")
            copy.write_bytes(archive.read(_MEMBER))
        with h5py.File(copy, "r") as content:
            _check(content, largest)
        with warnings.catch_warnings():
            # Where some are missing, Keras would leave random ones.
            warnings.filterwarnings("error", message="Skipping nested container")
            model.load_weights(copy)


def _check(file: h5py.File, largest: int) -> None:
    """Check that all is in the file itself, and together not larger than so many bytes."""
    total = 0
    for count, dataset in enumerate(_datasets(file)):
        if dataset.external or dataset.is_virtual:
            raise ValueError("its weights are in other files")
        total += math.prod(dataset.shape or ()) * dataset.dtype.itemsize
        if total > largest or count > _OBJECTS:
            raise ValueError("its weights are larger than those of the network")


def _datasets(file: h5py.File) -> Iterator[h5py.Dataset]:
    """All of them, each group once, whatever the links in it lead to."""
    seen, pending = set[int](), [file]
    while pending:
        group = pending.pop()
        place = h5py.h5o.get_info(group.id).addr
        if place in seen:
            continue
        seen.add(place)
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError("it has links to other places")
            item = group[name]
            if isinstance(item, h5py.Group):
                pending.append(item)
            elif isinstance(item, h5py.Dataset):
                yield item
