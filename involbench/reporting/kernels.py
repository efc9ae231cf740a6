"""Involution kernels as a table, as a figure and as arrays."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import RenderableType
from rich.text import Text

from involbench.reporting.numbers_table import NumbersTable
from involbench.reporting.plots import plot_kernels
from involbench.results.looking import KernelMaps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = ("layer", "kernel", "groups", "map", "mean", "least", "most", "spread")


def kernels_view(maps: KernelMaps) -> Iterator[RenderableType]:
    """A row a layer: the sums of its kernels' values, over all images, pixels and groups."""
    rows, alike = [], []
    for layer in maps.layers:
        _, height, width, groups = layer.sums.shape
        size = f"{layer.kernel_size[0]}x{layer.kernel_size[1]}"
        values = layer.sums.mean(), layer.sums.min(), layer.sums.max()
        spread = layer.sums.std(axis=(1, 2)).mean()
        if layer.sums.min() == layer.sums.max():
            alike.append(layer.name)
        numbers = [f"{value:.3g}" for value in (*values, spread)]
        rows.append([layer.name, size, str(groups), f"{height}x{width}", *numbers])
    yield NumbersTable(_COLUMNS, rows)
    yield Text(
        "\nSums of the values of a kernel, over all images, pixels and groups; spread: "
        "their standard deviation over the pixels of one map, on average."
    )
    if alike:
        yield Text(f"The same sum everywhere: {', '.join(alike)}")


def kernels_figure(
    maps: KernelMaps, class_names: Sequence[str], pixel: tuple[int, int] | None, title: str
) -> "Figure":
    """Heat maps beside the images, and the kernels at a pixel."""
    labels = maps.pictures.labels
    captions = [[f"test image {name}"] for name in maps.pictures.names]
    if labels is not None:
        for caption, label in zip(captions, labels, strict=True):
            caption.append(f"class {class_names[label]}")
    return plot_kernels(
        maps.pictures.pixels,
        captions,
        {layer.name: layer.sums for layer in maps.layers},
        {layer.name: layer.kernels for layer in maps.layers if layer.kernels is not None},
        pixel,
        title,
    )


def kernels_arrays(
    maps: KernelMaps, class_names: Sequence[str], pixel: tuple[int, int] | None
) -> bytes:
    """An npz file of the images, and of each layer's `<layer>/sums` and `<layer>/kernels`."""
    pictures = maps.pictures
    arrays: dict[str, Any] = {
        "images": pictures.pixels,
        "names": np.array(pictures.names),
        "class_names": np.array(class_names),
    }
    if pictures.labels is not None:
        arrays["labels"] = pictures.labels
    if pixel is not None:
        arrays["pixel"] = np.array(pixel)
    for layer in maps.layers:
        arrays[f"{layer.name}/sums"] = layer.sums
        if layer.kernels is not None:
            arrays[f"{layer.name}/kernels"] = layer.kernels
    buffer = BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
