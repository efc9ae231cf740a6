"""The trained network of a run, built from its record.

`model.keras` may come from a stranger. So the network is built from the record, and only the
weights are read from the file: it can run no code. Keras reads HDF5, which can refer to other files
and declare sizes that fill the memory. So the weights are checked before Keras reads them.
"""

import math
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import keras
import numpy as np

from involbench.errors import UsageError
from involbench.results.files import opened_to_read
from involbench.results.limits import MODEL, scaled
from involbench.results.paths import ResultsPath
from involbench.results.record import DataFacts, RunRecord
from involbench.training.fit import Factors, build
from involbench.training.provenance import make_reproducible

_MEMBER = "model.weights.h5"
_BYTES = 4
_COPIES = 8
"""At most so many numbers in a file for each weight: optimizers have some, too."""
_REST = 2**26
"""At most so many bytes of a file that are not weights."""
_OBJECTS = 200_000


def load_model(record: RunRecord, facts: DataFacts, weights: ResultsPath | None) -> keras.Model:
    """Build the network of a run, and load its weights.

    Args:
        record: The record of the run.
        facts: What the run recorded about its dataset.
        weights: Its model.keras; None for the network before its first step.

    Returns:
        A model from scaled images to logits.

    Raises:
        SpecError: This version cannot build the network.
        UsageError: The weights are damaged, or of another network.
    """
    keras.backend.clear_session()
    make_reproducible(record.trial.seed, record.trial.training.deterministic)
    model = build(record.trial, facts.input_shape, len(facts.class_names))
    if weights is not None:
        try:
            _load_weights(model, weights)
        except Exception as error:  # Keras raises nearly anything on damaged input.
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UsageError(
                f"{weights}: damaged, or of another version ({reason}); "
                "`involbench run --force` trains it again"
            ) from error
    return model


def scaling_factors(facts: DataFacts) -> tuple[Factors, Factors]:
    """Mean and standard deviation of each channel, by which the run scaled its images."""
    return np.array(facts.mean, np.float32), np.array(facts.std, np.float32)


def _load_weights(model: keras.Model, path: ResultsPath) -> None:
    """Set the weights of a built model to those in a `model.keras`.

    Raises:
        ResultsError: The file cannot be read.
        Exception: It is damaged, or of another network: Keras raises nearly anything.
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
            # Without this, missing weights would stay random.
            warnings.filterwarnings("error", message="Skipping nested container")
            model.load_weights(copy)


def _check(file: h5py.File, largest: int) -> None:
    """Check that all data are in this file, and are not larger than `largest` bytes."""
    total = 0
    for count, dataset in enumerate(_datasets(file)):
        if dataset.external or dataset.is_virtual:
            raise ValueError("its weights are in other files")
        total += math.prod(dataset.shape or ()) * dataset.dtype.itemsize
        if total > largest or count > _OBJECTS:
            raise ValueError("its weights are larger than those of the network")


def _datasets(file: h5py.File) -> Iterator[h5py.Dataset]:
    """All datasets; each group is visited once, even if links form a cycle."""
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
