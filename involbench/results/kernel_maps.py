"""Where in some test images the involution kernels of a run are large, kept for the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from involbench.errors import ResultsError
from involbench.results.arrays import read_arrays, write_arrays
from involbench.results.looking import KernelMaps

NAME = "kernels.npz"
_MOST_GROUPS = 16
"""Of a layer with more the mean of all is kept."""


@dataclass(frozen=True, eq=False)
class KeptMaps:
    """The sums of the kernels' values at each pixel."""

    images: tuple[str, ...]
    """Their numbers in the test set, N."""
    sums: dict[str, NDArray[np.float32]]
    """Layer -> (N, H', W', groups), with one group in place of many."""


def write_kernel_maps(run_dir: Path, maps: KernelMaps) -> None:
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


def read_kernel_maps(run_dir: Path) -> KeptMaps:
    """Read it again.

    Raises:
        ResultsError: It is missing, damaged, or does not hold what it should.
    """
    path = run_dir / NAME
    named = read_arrays(path, images=np.str_, layers=np.str_)
    images, layers = named["images"].tolist(), named["layers"].tolist()
    kinds: dict[str, type[np.generic]] = {f"sums_{i}": np.float32 for i, _ in enumerate(layers)}
    sums = read_arrays(path, **kinds)
    if not images or not layers or not all(_fits(each, images) for each in sums.values()):
        raise ResultsError(f"{path}: damaged: its arrays do not fit each other")
    return KeptMaps(tuple(images), dict(zip(layers, sums.values(), strict=True)))


def _fits(sums: NDArray[np.float32], images: Sequence[str]) -> bool:
    return sums.ndim == 4 and len(sums) == len(images) and sums.size > 0
