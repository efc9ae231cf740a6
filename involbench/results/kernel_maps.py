"""Where in some test images the involution kernels of a run are large, kept for the report."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from involbench.results.arrays import arrays_in, write_arrays
from involbench.results.limits import KERNELS
from involbench.results.looking import KernelMaps
from involbench.results.paths import ResultsPath

NAME = "kernels.npz"
_MOST_IMAGES = 1000
_MOST_GROUPS = 16
"""Of a layer with more the mean of all is kept."""


@dataclass(frozen=True, eq=False)
class KeptMaps:
    """The sums of the kernels' values at each pixel."""

    images: tuple[str, ...]
    """Their numbers in the test set, N."""
    sums: dict[str, NDArray[np.float32]]
    """Layer -> (N, H', W', groups), with one group in place of many."""


def write_kernel_maps(run_dir: ResultsPath, maps: KernelMaps) -> None:
    """Write kernels.npz into a run folder.

    Raises:
        ResultsError: The folder cannot be written or the disk is full.
    """
    arrays: dict[str, NDArray[np.generic]] = {
        "images": np.array(maps.pictures.names),
        "layers": np.array([layer.name for layer in maps.layers]),
    }
    for index, layer in enumerate(maps.layers):
        sums = layer.sums
        few = sums if sums.shape[-1] <= _MOST_GROUPS else sums.mean(axis=-1, keepdims=True)
        arrays[f"sums_{index}"] = few.astype(np.float32)
    write_arrays(run_dir / NAME, arrays)


def read_kernel_maps(run_dir: ResultsPath) -> KeptMaps:
    """Read it again.

    Raises:
        ResultsError: It is missing, damaged, or does not hold what it should.
    """
    with arrays_in(run_dir / NAME, KERNELS) as arrays:
        count = len(arrays.headers) - 2
        layers = arrays.read("layers", np.str_, count).tolist()
        (images,) = arrays.require("images", np.str_, None).shape
        shape = images, None, None, None
        sums = [arrays.read(f"sums_{index}", np.float32, *shape) for index in range(count)]
        if not sums or not all(each.size for each in sums) or images > _MOST_IMAGES:
            raise ValueError("its arrays do not fit each other")
        names = arrays.read("images", np.str_, images).tolist()
    return KeptMaps(tuple(names), dict(zip(layers, sums, strict=True)))
