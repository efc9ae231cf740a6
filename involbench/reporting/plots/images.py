"""Images with predictions, and heat maps of involution kernels."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

from involbench.reporting.plots.axes import PlotOptions, short
from involbench.reporting.plots.figure import GREY, INK, RC, Figure

MOST_IMAGES = 200
"""More would take minutes to draw, and some thousands would not fit into a PNG file."""

_MOST_COLUMNS = 5
_CELL = 1.5
"""Inches per side of an image."""
_LONGEST = 24
_WRONG = "#B00020"


def plot_images(
    images: NDArray[np.uint8],
    captions: Sequence[Sequence[str]],
    wrong: Sequence[bool] | None = None,
    title: str = "",
) -> Figure:
    """A grid of images, with lines of text below each.

    Args:
        images: (N, H, W, C), one to `MOST_IMAGES`.
        captions: The lines of each image, as many for each.
        wrong: Which of them are framed, in red.
        title: Title of the figure.
    """
    columns = min(len(images), _MOST_COLUMNS)
    rows = -(-len(images) // columns)
    lines = len(captions[0])
    with rc_context(RC):
        size = max(columns * _CELL, 2.4), rows * (_CELL + 0.16 * lines) + 0.3
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for panel in panels[len(images) :]:
            panel.set_visible(False)
        for index, (panel, image) in enumerate(zip(panels, images, strict=False)):
            framed = wrong is not None and wrong[index]
            draw_image(panel, image, _WRONG if framed else None)
            text = "\n".join(short(line, _LONGEST) for line in captions[index])
            panel.set_xlabel(text, fontsize=8, color=_WRONG if framed else INK)
        figure.suptitle(short(title, 30 + 14 * columns), fontsize=9)
    return figure


def pillow_image(pixels: NDArray[np.uint8]) -> Image.Image:
    """An image (H, W, C) for Pillow; what is not RGB in grey, as the mean of its channels."""
    shown = pixels if pixels.shape[-1] == 3 else pixels.mean(axis=-1).astype(np.uint8)
    return Image.fromarray(shown)


def draw_image(axes: Axes, image: NDArray[np.uint8], frame: str | None = None) -> None:
    """Draw one image (H, W, C), with a coloured frame if `frame` is given.

    What is neither grey nor RGB is drawn in grey, as the mean of its channels.
    """
    pixels: NDArray[Any] = image if image.shape[-1] == 3 else image.mean(axis=-1)
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="none")
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(frame is not None)
    if frame is not None:
        axes.spines[:].set(color=frame, linewidth=2.2)


_Panels = NDArray[Any]
"""Of axes."""
Maps = NDArray[np.floating]

_MOST_MAPS = 12
"""Columns of maps that fit; with more, each layer gets the mean of its groups."""
_KERNEL_CELL = 1.2
"""Inches per side of an image."""
_LONGEST_TITLE = 18
_LEAST_SPAN = 0.05
"""Smallest range of a colour scale, as a fraction of the largest value."""
_MARK: PlotOptions = {
    "marker": "s",
    "markersize": 6,
    "markerfacecolor": "none",
    "markeredgewidth": 1.4,
}


class _Column(NamedTuple):
    title: str
    values: Maps
    """(N, rows, columns)."""
    limits: tuple[float, float]
    colours: str
    is_map: bool


def plot_kernels(
    images: NDArray[np.uint8],
    captions: Sequence[Sequence[str]],
    sums: Mapping[str, Maps],
    kernels: Mapping[str, Maps] | None = None,
    pixel: tuple[int, int] | None = None,
    title: str = "",
) -> Figure:
    """A row for each image: the image and, for each layer, the kernel sum at each pixel.

    Each group of a layer has its own map if all fit; otherwise each layer has one map of the mean
    of its groups. The maps of a layer share one colour scale, and so do its kernels. Sums that
    differ by less than 5% use only part of the scale.

    Args:
        images: (N, H, W, C), at least one.
        captions: The lines beside each image.
        sums: Layer -> the sums of its kernels' values, (N, H', W', groups).
        kernels: Layer -> its kernels at one pixel, (N, groups, Kh, Kw), drawn beside the maps.
        pixel: Row and column of that pixel in the images, marked.
        title: Title of the figure.
    """
    columns = list(_columns(sums, kernels or {}))
    with rc_context(RC):
        figure, panels, bars = _grid(len(images), 1 + len(columns), images.shape[1:3])
        for row, image in enumerate(images):
            draw_image(panels[row, 0], image)
            lines = [short(line, _LONGEST_TITLE) for line in captions[row]]
            panels[row, 0].set_ylabel("\n".join(lines), fontsize=8)
        for place, column in enumerate(columns, start=1):
            _draw(panels[:, place], bars[place], column)
            if pixel is not None and column.is_map:
                _mark(panels[:, place], pixel, images.shape[1:3], column.values.shape[1:])
        if pixel is not None:
            _mark(panels[:, 0], pixel, images.shape[1:3], images.shape[1:3])
        panels[0, 0].set_title("image", fontsize=8)
        figure.suptitle(short(title, 20 + 16 * len(columns)), fontsize=9)
    return figure


def plot_pixel_kernels(
    sums: Mapping[str, Maps],
    trained: Mapping[str, Maps],
    untrained: Mapping[str, Maps],
    pixel: tuple[int, int],
    size: tuple[int, int],
) -> Figure:
    """For each layer, the kernel sum at each pixel, and the trained and untrained kernel at one.

    A layer with several groups is drawn as the mean of its groups. Both kernels of a layer share
    one colour scale.

    Args:
        sums: Layer -> the sums of its kernels' values, (H', W', groups).
        trained: Layer -> its kernels at the pixel, (groups, Kh, Kw).
        untrained: The same for the network before training.
        pixel: Row and column of the pixel in the image, marked in the maps.
        size: Height and width of the image.
    """
    places = range(len(sums))
    rows = [[f"map {i}", f"trained {i}", f"untrained {i}"] for i in places]
    bars = [[f"sums {i}", f"values {i}", f"values {i}"] for i in places]
    height = min(max(size[0] / size[1], 0.6), 1.6)
    with rc_context(RC):
        figure = Figure((3.6, len(sums) * (height + 0.85)), layout="constrained")
        gaps = [["."] * 3] * len(sums)
        mosaic: list[Any] = [line for lines in zip(rows, bars, gaps, strict=True) for line in lines]
        ratios = [1.0, 0.08 / height, 0.15 / height] * len(sums)
        axes = figure.subplot_mosaic(mosaic, height_ratios=ratios)
        for index, (name, values) in enumerate(sums.items()):
            panels = np.array([axes[key] for key in rows[index]])
            groups, mean = values.shape[-1], values.mean(axis=-1)
            title = f"{short(name, _LONGEST_TITLE)}{'' if groups == 1 else f' (mean of {groups})'}"
            column = _Column(title, mean[np.newaxis], _limits(mean), "viridis", True)
            _draw(panels[:1], axes[f"sums {index}"], column)
            _mark(panels[:1], pixel, size, mean.shape)
            kernels = np.stack([each[name].mean(axis=0) for each in (trained, untrained)])
            most = max(map(abs, _limits(kernels)))
            column = _Column("trained", kernels, (-most, most), "PuOr", False)
            _draw(panels[1:], axes[f"values {index}"], column)
            panels[2].set_title("untrained", fontsize=8)
            for panel, kernel in zip(panels[1:], kernels, strict=True):
                if not kernel.any():
                    where: PlotOptions = {"transform": panel.transAxes, "ha": "center"}
                    panel.text(0.5, 0.5, "all 0", fontsize=8, color=GREY, **where)
    return figure


def _grid(rows: int, columns: int, size: Sequence[int]) -> tuple[Figure, _Panels, _Panels]:
    """A figure with a grid of panels, and a colour bar below each column."""
    height = _KERNEL_CELL * min(max(size[0] / size[1], 0.6), 1.6)
    figure = Figure((columns * _KERNEL_CELL + 0.6, rows * height + 1.2), layout="constrained")
    ratios = [1.0] * rows + [0.1 / height]
    every = figure.subplots(rows + 1, columns, squeeze=False, height_ratios=ratios)
    every[-1, 0].set_visible(False)
    return figure, every[:-1], every[-1]


def _columns(sums: Mapping[str, Maps], kernels: Mapping[str, Maps]) -> Iterator[_Column]:
    # A map for each group, if all fit.
    wanted: int = sum(values.shape[-1] for values in sums.values())
    apart = wanted * (2 if kernels else 1) <= _MOST_MAPS
    for name, values in sums.items():
        groups = values.shape[-1]
        map_size = np.moveaxis(values, -1, 0) if apart else values.mean(axis=-1)[np.newaxis]
        limits = _limits(map_size)
        own = kernels.get(name)
        most = max(map(abs, _limits(own))) if own is not None else 0.0
        for index, maps in enumerate(map_size):
            which = f"group {index + 1} of {groups}" if apart else f"mean of {groups} groups"
            which = "one group" if groups == 1 else which
            title = f"{short(name, _LONGEST)}\n{which}"
            yield _Column(title, maps, limits, "viridis", True)
            if own is not None:
                here = own[:, index] if apart else own.mean(axis=1)
                yield _Column(f"kernel at the mark\n{which}", here, (-most, most), "PuOr", False)


def _limits(values: Maps) -> tuple[float, float]:
    """The limits of the colour scale, widened if the values are nearly equal."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    missing = (_LEAST_SPAN * max(abs(low), abs(high)) or 0.01) - (high - low)
    return (low - missing / 2, high + missing / 2) if missing > 0 else (low, high)


def _draw(panels: _Panels, bar: Axes, column: _Column) -> None:
    low, high = column.limits
    for panel, values in zip(panels, column.values, strict=True):
        look: PlotOptions = {"cmap": column.colours, "vmin": low, "vmax": high}
        image = panel.imshow(values, interpolation="none", **look)
        panel.grid(visible=False)
        panel.set_xticks([])
        panel.set_yticks([])
        panel.spines[:].set_visible(False)
    panels[0].set_title(column.title, fontsize=8)
    scale = bar.figure.colorbar(image, cax=bar, orientation="horizontal")
    scale.set_ticks([low, high], labels=_distinct(low, high))
    first, last = bar.get_xticklabels()  # Within the bar, not on the numbers of the next.
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    scale.set_label("sum of kernel" if column.is_map else "kernel value", fontsize=8)
    bar.tick_params(labelsize=7)


def _distinct(low: float, high: float) -> list[str]:
    """Both numbers with two digits, or with as many as tell them apart."""
    written = ([f"{value:.{digits}g}" for value in (low, high)] for digits in range(2, 17))
    return next((both for both in written if both[0] != both[1]), [f"{low:g}", f"{high:g}"])


def _mark(
    panels: _Panels,
    pixel: tuple[int, int],
    size: Sequence[int],
    map_size: Sequence[int],
) -> None:
    """Mark the pixel of the map that covers a pixel of the image."""
    row, column = (
        place * n // whole for place, n, whole in zip(pixel, map_size, size, strict=True)
    )
    for panel in panels:
        panel.plot([column], [row], color="#E0007A", **_MARK)
