"""Some test images, kept beside the runs: a report shows them where the dataset is not at hand."""

import numpy as np

from involbench.results.arrays import arrays_in, write_arrays
from involbench.results.limits import IMAGES
from involbench.results.looking import Pictures
from involbench.results.paths import ResultsPath

MOST_PICTURES = 100
MOST_BYTES = 2**21
"""Of all images kept, unpacked."""


def pictures_path(experiment: ResultsPath, fingerprint: str) -> ResultsPath:
    """Where the images of a dataset are, in an experiment's folder."""
    return experiment / f"images-{fingerprint[:12]}.npz"


def write_pictures(path: ResultsPath, pictures: Pictures) -> None:
    """Write test images; their names are their numbers in the test set.

    Raises:
        ResultsError: The folder cannot be written or the disk is full.
    """
    assert pictures.labels is not None
    indices = np.array(list(map(int, pictures.names)), np.int64)
    write_arrays(path, {"indices": indices, "pixels": pictures.pixels, "labels": pictures.labels})


def read_pictures(path: ResultsPath) -> Pictures:
    """Read them again.

    Raises:
        ResultsError: The file is missing, damaged, or does not hold what it should.
    """
    with arrays_in(path, IMAGES) as arrays:
        indices = arrays.read("indices", np.int64, None)
        count = len(indices)
        pixels = arrays.read("pixels", np.uint8, count, None, None, None)
        labels = arrays.read("labels", np.int64, count)
        if not pixels.size or min(indices.min(), labels.min()) < 0 or count > MOST_PICTURES:
            raise ValueError("its arrays do not fit each other")
    return Pictures(tuple(map(str, indices.tolist())), pixels, labels)
