"""Involution kernels: where in an image they are large, and what one looks like."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from involbench.reporting.plots.axes import Look
from involbench.reporting.plots.images import draw_image
from involbench.reporting.plots.words import short
from involbench.reporting.style import RC

Maps = NDArray[np.floating]

_MOST_MAPS = 12
"""So many columns of maps have room for each group's own."""
_CELL = 1.2
"""Inches of an image's side."""
_LONGEST = 18
_MARK: Look = {"marker": "s", "markersize": 6, "markerfacecolor": "none", "markeredgewidth": 1.4}


class _Column(NamedTuple):
    title: str
    values: Maps
    """(N, rows, columns)."""
    limits: tuple[float, float]
    colours: str
    is_map: bool


def plot_kernels(
    images: NDArray[np.uint8],
    captions: Sequence[str],
    sums: Mapping[str, Maps],
    kernels: Mapping[str, Maps] | None = None,
    pixel: tuple[int, int] | None = None,
    title: str = "",
) -> Figure:
    """A row an image: the image, and for each layer the sum of the kernel at each pixel.

    Every group of a layer has a map of its own, where there is room for all; else each layer has
    one, of the mean of its groups. A layer's maps share their colours, and so do its
    kernels.

    Args:
        images: (N, H, W, C), at least one.
        captions: What stands beside each image.
        sums: Layer -> the sums of its kernels' values, (N, H', W', groups).
        kernels: Layer -> its kernels at one pixel, (N, groups, Kh, Kw), drawn beside the maps.
        pixel: Row and column of that pixel in the images, marked.
        title: Above all.
    """
    columns = list(_columns(sums, kernels or {}))
    with rc_context(RC):
        size = (1 + len(columns)) * _CELL + 0.5, len(images) * _CELL + 1.2
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(len(images), 1 + len(columns), squeeze=False)
        for row, image in enumerate(images):
            draw_image(panels[row, 0], image)
            panels[row, 0].set_ylabel(short(captions[row], _LONGEST), fontsize=8)
        for place, column in enumerate(columns, start=1):
            _draw(figure, panels[:, place], column)
            if pixel is not None and column.is_map:
                _mark(panels[:, place], pixel, images.shape[1:3], column.values.shape[1:])
        if pixel is not None:
            _mark(panels[:, 0], pixel, images.shape[1:3], images.shape[1:3])
        panels[0, 0].set_title("image", fontsize=8)
        figure.suptitle(short(title, 20 + 16 * len(columns)), fontsize=9)
    return figure


def _each_group(sums: Mapping[str, Maps], kernels: Mapping[str, Maps]) -> bool:
    """Whether there is room for the maps of each group."""
    wanted: int = sum(values.shape[-1] for values in sums.values())
    return wanted * (2 if kernels else 1) <= _MOST_MAPS


def _columns(sums: Mapping[str, Maps], kernels: Mapping[str, Maps]) -> Iterator[_Column]:
    apart = _each_group(sums, kernels)
    for name, values in sums.items():
        groups = values.shape[-1]
        shown = np.moveaxis(values, -1, 0) if apart else values.mean(axis=-1)[np.newaxis]
        limits = _finite(shown)
        own = kernels.get(name)
        most = max(map(abs, _finite(own))) if own is not None else 0.0
        for index, maps in enumerate(shown):
            which = f"group {index + 1} of {groups}" if apart else f"mean of {groups} groups"
            which = "one group" if groups == 1 else which
            title = f"{short(name, _LONGEST)}\n{which}"
            yield _Column(title, maps, limits, "viridis", True)
            if own is not None:
                here = own[:, index] if apart else own.mean(axis=1)
                yield _Column(f"its kernel\n{which}", here, (-most, most), "PuOr", False)


def _finite(values: Maps) -> tuple[float, float]:
    """The least and the most of the values; somewhat apart where all are equal."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    return (low, high) if high > low else (low - 0.01, low + 0.01)


def _draw(figure: Figure, panels: NDArray[np.object_], column: _Column) -> None:
    low, high = column.limits
    for panel, values in zip(panels, column.values, strict=True):
        look: Look = {"cmap": column.colours, "vmin": low, "vmax": high}
        image = panel.imshow(values, interpolation="none", **look)
        panel.grid(visible=False)
        panel.set_xticks([])
        panel.set_yticks([])
        panel.spines[:].set_visible(False)
    panels[0].set_title(column.title, fontsize=8)
    unit = "sum of kernel" if column.is_map else "kernel value"
    bar = figure.colorbar(image, ax=panels.tolist(), location="bottom", shrink=0.85, aspect=12)
    bar.set_label(unit, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    bar.ax.locator_params(nbins=3)


def _mark(
    panels: NDArray[np.object_],
    pixel: tuple[int, int],
    size: Sequence[int],
    shown: Sequence[int],
) -> None:
    """Frame the pixel of the map that covers a pixel of the image."""
    row, column = (place * n // whole for place, n, whole in zip(pixel, shown, size, strict=True))
    for panel in panels:
        panel.plot([column], [row], color="#E0007A", **_MARK)
