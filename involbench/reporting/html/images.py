"""Test images with the predictions and kernels of the networks."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from involbench.reporting.html.data import Chart, ReportData, ReportSection
from involbench.reporting.html.predictions import SamplePredictions
from involbench.reporting.plots import plot_images, plot_kernels
from involbench.reporting.plots.images import pillow_image
from involbench.reporting.tables import Cell, Column, Rows, Table
from involbench.reporting.units import percent
from involbench.results.arrays import KernelSums

_MOST = 10
"""Images in one figure."""
_MOST_MODELS = 3
"""Models whose predictions are printed below an image."""
_MOST_PAIRS = 6
_MOST_LAYERS = 6
"""Layers with heat maps."""


def images(report: ReportData) -> ReportSection | None:
    """Sample images, and those that only one of two networks gets right; None without images."""
    if not report.samples:
        return None
    places = [*enumerate(report.samples)]
    charts = chain(
        *(_charts(samples, place) for place, samples in places),
        *(_heat_maps(samples, place) for place, samples in places),
    )
    count = len(report.samples[0].labels)
    says = f"From the {count} test images stored with the runs, which cover all classes in turn."
    return ReportSection("images", "Images and kernels", (says,), tuple(charts))


def _charts(samples: SamplePredictions, place: int) -> Iterator[Chart]:
    if place == 0:
        models = [*samples.predictions][:_MOST_MODELS]
        yield _chart(samples, f"samples-{place}", "Test images", _samples(samples), models)
    if samples.baseline is None:
        return
    others = [name for name in samples.predictions if name != samples.baseline][:_MOST_PAIRS]
    for number, name in enumerate(others):
        for right, wrong in ((name, samples.baseline), (samples.baseline, name)):
            chosen = np.flatnonzero(_right(samples, right) & ~_right(samples, wrong))[:_MOST]
            if chosen.size:
                title = f"Right by {right}, wrong by {wrong}"
                key = f"only-{place}-{number}-{'this' if right == name else 'that'}"
                yield _chart(samples, key, title, chosen, [right, wrong])


def _heat_maps(samples: SamplePredictions, place: int) -> Iterator[Chart]:
    """Heat maps of the kernel sums of each model with involutions."""
    for number, (name, maps) in enumerate([*samples.maps.items()][:_MOST_PAIRS]):
        known = {image: index for index, image in enumerate(samples.images.names)}
        if not known.keys() >= set(maps.images):
            continue
        chosen = np.array([known[image] for image in maps.images])
        names = [*maps.sums][:: -(-len(maps.sums) // _MOST_LAYERS)]
        yield Chart(
            f"kernels-{place}-{number}",
            f"Kernels of {name}" + f", {samples.heading}" * bool(samples.heading),
            "Each map shows the sum of the values of the involution kernel at every pixel, for the "
            f"network of seed {samples.seed}. In a map of one colour, the layer uses the same "
            "kernel everywhere, as a convolution does.",
            plot_kernels(
                samples.images.pixels[chosen],
                [[_class(samples, samples.labels[index])] for index in chosen],
                {layer: maps.sums[layer] for layer in names},
            ),
            (_sums_table(name, maps),),
            result=name,
        )


def _sums_table(name: str, maps: KernelSums) -> Table:
    rows: Rows = [
        (layer, *(float(value) for value in (sums.mean(), sums.min(), sums.max(), spread)))
        for layer, sums in maps.sums.items()
        for spread in [sums.std(axis=(1, 2)).mean()]
    ]
    numbers = [Column(title, "4") for title in ("mean", "least", "most", "spread")]
    caption = f"Sums of the kernels of {name}; spread: mean standard deviation within a map"
    return Table(["layer", *numbers], rows, caption)


def _samples(samples: SamplePredictions) -> NDArray[np.intp]:
    """Ten images: one of each class, then a second, and so on."""
    _, inverse = np.unique(samples.labels, return_inverse=True)
    turn = np.array([np.sum(inverse[:index] == each) for index, each in enumerate(inverse)])
    return np.lexsort((samples.labels, turn))[:_MOST]


def _right(samples: SamplePredictions, name: str) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = samples.predictions[name].predicted == samples.labels
    return right


def _chart(
    samples: SamplePredictions, key: str, title: str, chosen: NDArray[np.intp], models: list[str]
) -> Chart:
    captions = [
        [_class(samples, samples.labels[index]), *_predictions(samples, index, models)]
        for index in chosen
    ]
    title += f", {samples.heading}" * bool(samples.heading)
    says = (
        f"Below each image: its true class, then the predictions of the networks of seed "
        f"{samples.seed} with their probabilities: {', '.join(models)}."
    )
    pixels = samples.images.pixels[chosen]
    tables = (_table(samples, title, chosen, models),)
    cells = tuple(zip(pixels, captions, strict=True))
    return Chart(key, title, says, plot_images(pixels, captions), tables, images=cells)


def image_list(images: Sequence[tuple[NDArray[np.uint8], Sequence[str]]]) -> list[dict[str, Any]]:
    """Each image for the template: its address, with the pixels in it, and the lines below."""
    return [{"address": _png(pixels), "lines": lines} for pixels, lines in images]


def _png(pixels: NDArray[np.uint8]) -> str:
    """A data URL."""
    buffer = BytesIO()
    pillow_image(pixels).save(buffer, "PNG")
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"


def _predictions(samples: SamplePredictions, index: int, models: list[str]) -> Iterator[str]:
    for name in models:
        predictions = samples.predictions[name]
        probability = percent(float(predictions.probability[index]), 0)
        yield f"{name}: {_class(samples, predictions.predicted[index])} {probability}"


def _table(
    samples: SamplePredictions, title: str, chosen: NDArray[np.intp], models: list[str]
) -> Table:
    columns: list[str | Column] = [Column("image", "index"), "true class"]
    for name in models:
        columns += [name, Column(f"{name}, %", "percent")]
    rows = []
    for index in chosen.tolist():
        number = int(samples.images.names[index])
        cells: list[Cell] = [number, _class(samples, samples.labels[index])]
        for name in models:
            predictions = samples.predictions[name]
            probability = float(predictions.probability[index])
            cells += [_class(samples, predictions.predicted[index]), probability]
        rows.append(cells)
    caption = f"{title}: images are numbered as in the test set, from 0"
    return Table(columns, rows, caption)


def _class(samples: SamplePredictions, label: np.int64) -> str:
    return samples.class_names[label] if label < len(samples.class_names) else str(label)
