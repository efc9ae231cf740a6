"""What a trained network shows of itself: its answers to images, and the kernels it makes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Pictures:
    """N images as a network gets them, before they are scaled."""

    names: tuple[str, ...]
    """The file each is from, or its number among the test images."""
    pixels: NDArray[np.uint8]
    """(N, H, W, C)."""
    labels: NDArray[np.int64] | None
    """The true classes, (N,), where they are known."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network says of images."""

    pictures: Pictures
    probabilities: NDArray[np.float64]
    """(N, classes)."""


@dataclass(frozen=True, eq=False)
class LayerKernels:
    """The kernels that one involution layer makes for N images."""

    name: str
    kernel_size: tuple[int, int]
    sums: NDArray[np.float32]
    """The sum of each kernel's values, (N, H', W', groups): H' and W' as the layer's output."""
    kernels: NDArray[np.float32] | None
    """Those at one pixel, (N, groups, Kh, Kw), where one is asked for."""


@dataclass(frozen=True, eq=False)
class KernelMaps:
    """The kernels of every involution layer of a network, in its order."""

    pictures: Pictures
    layers: tuple[LayerKernels, ...]
