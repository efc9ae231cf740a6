"""Predictions and kernels of a network: tables, JSON and figures."""

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from involbench.reporting.plots import plot_kernels
from involbench.reporting.tables import Page, Table
from involbench.reporting.units import percent
from involbench.results.arrays import KernelMaps, Predictions
from involbench.text import excerpt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PREDICT_VERSION = 1
"""Of the JSON document."""
_LONGEST = 20


def predictions_page(predictions: Predictions, class_names: Sequence[str]) -> Page:
    """A row for each image: the most probable class, the next one, and the true class if known."""
    labels, missed = predictions.images.labels, wrong(predictions)
    columns = ["image", "class", "probability %", "next", "probability %"]
    rows = []
    for index, name in enumerate(predictions.images.names):
        row = [excerpt(name)]
        for place in _best(predictions, index)[:2]:
            row += [excerpt(class_names[place], _LONGEST), _percent(predictions, index, place)]
        if labels is not None:
            verdict = "wrong" if missed[index] else "right"
            row += [excerpt(class_names[labels[index]], _LONGEST), verdict]
        rows.append(row)
    if labels is None:
        return Page([Table(columns, rows)])
    right = len(missed) - sum(missed)
    note = f"{right} of {len(labels)} right. Images are numbered from 0."
    return Page([Table([*columns, "true class", ""], rows)], [[note]])


def predictions_document(
    predictions: Predictions, class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """The predictions for `--json`, with every probability; null if not finite."""
    labels = predictions.images.labels
    return [
        {
            "image": name,
            "class": class_names[_best(predictions, index)[0]],
            "true_class": None if labels is None else class_names[labels[index]],
            "probabilities": {
                known: value if np.isfinite(value) else None
                for known, value in zip(
                    class_names, predictions.probabilities[index].tolist(), strict=True
                )
            },
        }
        for index, name in enumerate(predictions.images.names)
    ]


def prediction_captions(predictions: Predictions, class_names: Sequence[str]) -> list[list[str]]:
    """The caption of each image: its name, the predicted class, and the true one if known."""
    captions = []
    for index, name in enumerate(predictions.images.names):
        best = _best(predictions, index)[0]
        guess = f"{class_names[best]} ({_percent(predictions, index, best)}%)"
        labels = predictions.images.labels
        if labels is None:
            captions.append([name.rpartition("/")[2], guess])
        else:
            captions.append([f"test image {name}", guess, f"true: {class_names[labels[index]]}"])
    return captions


def wrong(predictions: Predictions) -> list[bool]:
    """Whether each prediction is known to be wrong."""
    labels = predictions.images.labels
    if labels is None:
        return [False] * len(predictions.probabilities)
    return [bool(label != _best(predictions, index)[0]) for index, label in enumerate(labels)]


def _best(predictions: Predictions, index: int) -> list[int]:
    """Classes, the most probable first."""
    order: list[int] = np.argsort(-predictions.probabilities[index], kind="stable").tolist()
    return order


def _percent(predictions: Predictions, index: int, place: int) -> str:
    return percent(float(predictions.probabilities[index, place]), 1, unit="")


_COLUMNS = ("layer", "kernel", "groups", "map", "mean", "least", "most", "spread")


def kernels_page(maps: KernelMaps) -> Page:
    """A row for each layer: statistics of its kernel sums."""
    rows, constant = [], []
    for layer in maps.layers:
        _, height, width, groups = layer.sums.shape
        size = f"{layer.kernel_size[0]}x{layer.kernel_size[1]}"
        values = layer.sums.mean(), layer.sums.min(), layer.sums.max()
        spread = layer.sums.std(axis=(1, 2)).mean()
        if layer.sums.min() == layer.sums.max():
            constant.append(layer.name)
        numbers = [f"{value:.3g}" for value in (*values, spread)]
        rows.append([layer.name, size, str(groups), f"{height}x{width}", *numbers])
    notes = [
        "Statistics of the sum of kernel values, over all images, pixels and groups. "
        "Spread: the mean standard deviation within a map."
    ]
    if constant:
        notes.append(f"The same sum everywhere: {', '.join(constant)}")
    return Page([Table(_COLUMNS, rows)], [notes])


def kernels_figure(
    maps: KernelMaps, class_names: Sequence[str], pixel: tuple[int, int] | None, title: str
) -> "Figure":
    """Heat maps next to the images, and the kernels at one pixel."""
    labels = maps.images.labels
    captions = [[f"test image {name}"] for name in maps.images.names]
    if labels is not None:
        for caption, label in zip(captions, labels, strict=True):
            caption.append(f"class {class_names[label]}")
    return plot_kernels(
        maps.images.pixels,
        captions,
        {layer.name: layer.sums for layer in maps.layers},
        {layer.name: layer.kernels for layer in maps.layers if layer.kernels is not None},
        pixel,
        title,
    )


def kernels_arrays(
    maps: KernelMaps, class_names: Sequence[str], pixel: tuple[int, int] | None
) -> bytes:
    """An npz file with the images, and `<layer>/sums` and `<layer>/kernels` of each layer."""
    images = maps.images
    arrays: dict[str, Any] = {
        "images": images.pixels,
        "names": np.array(images.names),
        "class_names": np.array(class_names),
    }
    if images.labels is not None:
        arrays["labels"] = images.labels
    if pixel is not None:
        arrays["pixel"] = np.array(pixel)
    for layer in maps.layers:
        arrays[f"{layer.name}/sums"] = layer.sums
        if layer.kernels is not None:
            arrays[f"{layer.name}/kernels"] = layer.kernels
    buffer = BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
