"""Some test images, kept beside the runs: a report shows them where the dataset is not at hand."""

from pathlib import Path

import numpy as np

from involbench.errors import ResultsError
from involbench.results.arrays import read_arrays, write_arrays
from involbench.results.looking import Pictures

MOST_PICTURES = 100
MOST_BYTES = 2**21
"""Of all images kept, unpacked."""


def pictures_path(experiment: Path, fingerprint: str) -> Path:
    """Where the images of a dataset are, in an experiment's folder."""
    return experiment / f"images-{fingerprint[:12]}.npz"


def write_pictures(path: Path, pictures: Pictures) -> None:
    """Write test images; their names are their numbers in the test set.

    Raises:
        ResultsError: The folder cannot be written or the disk is full.
    """
    assert pictures.labels is not None
    indices = np.array(list(map(int, pictures.names)), np.int64)
    write_arrays(path, {"indices": indices, "pixels": pictures.pixels, "labels": pictures.labels})


def read_pictures(path: Path) -> Pictures:
    """Read them again.

    Raises:
        ResultsError: The file is missing, damaged, or does not hold what it should.
    """
    arrays = read_arrays(path, indices=np.int64, pixels=np.uint8, labels=np.int64)
    indices, pixels, labels = arrays["indices"], arrays["pixels"], arrays["labels"]
    fits = pixels.ndim == 4 and pixels.size and indices.shape == labels.shape == pixels.shape[:1]
    if not fits or min(indices.min(), labels.min()) < 0:
        raise ResultsError(f"{path}: damaged: its arrays do not fit each other")
    return Pictures(tuple(map(str, indices.tolist())), pixels, labels)
