"""Test images, and what the networks say of them."""

from collections.abc import Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from involbench.reporting.html.components import (
    Cell,
    Chart,
    Number,
    Section,
    Table,
    percent_cell,
    plain,
)
from involbench.reporting.html.data import ReportData, SamplePredictions
from involbench.reporting.plots import plot_images, plot_kernels
from involbench.reporting.units import percent
from involbench.results.arrays import KeptMaps

_MOST = 10
"""Of one kind in a picture."""
_MOST_MODELS = 3
"""Named below an image."""
_MOST_PAIRS = 6
_MOST_LAYERS = 6
"""Of which heat maps are drawn."""


def images(material: ReportData) -> Section | None:
    """Samples, and what only one of two networks gets right; None where no images are kept."""
    if not material.shown:
        return None
    places = [*enumerate(material.shown)]
    charts = chain(
        *(_charts(shown, place) for place, shown in places),
        *(_heat_maps(shown, place) for place, shown in places),
    )
    count = len(material.shown[0].labels)
    says = f"Of the {count} test images that are kept beside the runs, of all classes in turn."
    return Section("images", "Images and kernels", (says,), tuple(charts))


def _charts(shown: SamplePredictions, place: int) -> Iterator[Chart]:
    if place == 0:
        models = [*shown.predictions][:_MOST_MODELS]
        yield _chart(shown, f"samples-{place}", "Test images", _samples(shown), models)
    if shown.baseline is None:
        return
    others = [name for name in shown.predictions if name != shown.baseline][:_MOST_PAIRS]
    for number, name in enumerate(others):
        for right, wrong in ((name, shown.baseline), (shown.baseline, name)):
            chosen = np.flatnonzero(_right(shown, right) & ~_right(shown, wrong))[:_MOST]
            if chosen.size:
                title = f"Right by {right}, wrong by {wrong}"
                key = f"only-{place}-{number}-{'this' if right == name else 'that'}"
                yield _chart(shown, key, title, chosen, [right, wrong])


def _heat_maps(shown: SamplePredictions, place: int) -> Iterator[Chart]:
    """Where the kernels of each model with involutions are large."""
    for number, (name, maps) in enumerate([*shown.maps.items()][:_MOST_PAIRS]):
        known = {image: index for index, image in enumerate(shown.pictures.names)}
        if not known.keys() >= set(maps.images):
            continue
        chosen = np.array([known[image] for image in maps.images])
        names = [*maps.sums][:: -(-len(maps.sums) // _MOST_LAYERS)]
        yield Chart(
            f"kernels-{place}-{number}",
            f"Kernels of {name}" + f", {shown.heading}" * bool(shown.heading),
            "The sum of the values of the involution kernel at each pixel, beside the image: what "
            f"the network of seed {shown.seed} makes of it. Where a layer's map is of one colour, "
            "its kernels are the same everywhere, as those of a convolution.",
            plot_kernels(
                shown.pictures.pixels[chosen],
                [[_class(shown, shown.labels[index])] for index in chosen],
                {layer: maps.sums[layer] for layer in names},
            ),
            (_sums_table(name, maps),),
        )


def _sums_table(name: str, maps: KeptMaps) -> Table:
    rows = [
        (layer, *(plain(float(value)) for value in (sums.mean(), sums.min(), sums.max(), spread)))
        for layer, sums in maps.sums.items()
        for spread in [sums.std(axis=(1, 2)).mean()]
    ]
    titles = ("layer", "mean", "least", "most", "spread")
    caption = f"Sums of the kernels of {name}; spread: standard deviation over a map, on average"
    return Table(caption, titles, tuple(rows))


def _samples(shown: SamplePredictions) -> NDArray[np.intp]:
    """The first of each class, and more where there are few classes."""
    _, inverse = np.unique(shown.labels, return_inverse=True)
    turn = np.array([np.sum(inverse[:index] == each) for index, each in enumerate(inverse)])
    return np.lexsort((shown.labels, turn))[:_MOST]


def _right(shown: SamplePredictions, name: str) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = shown.predictions[name].predicted == shown.labels
    return right


def _chart(
    shown: SamplePredictions, key: str, title: str, chosen: NDArray[np.intp], models: list[str]
) -> Chart:
    captions = [
        [_class(shown, shown.labels[index]), *_answers(shown, index, models)] for index in chosen
    ]
    title += f", {shown.heading}" * bool(shown.heading)
    says = (
        f"Below each image its true class, then what the networks of seed {shown.seed} say: "
        f"{', '.join(models)}, with the probability."
    )
    figure = plot_images(shown.pictures.pixels[chosen], captions)
    return Chart(key, title, says, figure, (_table(shown, title, chosen, models),))


def _answers(shown: SamplePredictions, index: int, models: list[str]) -> Iterator[str]:
    for name in models:
        predictions = shown.predictions[name]
        probability = percent(float(predictions.probability[index]), 0)
        yield f"{name}: {_class(shown, predictions.predicted[index])} {probability}"


def _table(
    shown: SamplePredictions, title: str, chosen: NDArray[np.intp], models: list[str]
) -> Table:
    titles = ["image", "true class"]
    for name in models:
        titles += [name, f"{name}, %"]
    rows = []
    for index in chosen.tolist():
        number = shown.pictures.names[index]
        cells: list[Cell] = [Number(number, int(number)), _class(shown, shown.labels[index])]
        for name in models:
            predictions = shown.predictions[name]
            cells += [
                _class(shown, predictions.predicted[index]),
                percent_cell(float(predictions.probability[index])),
            ]
        rows.append(tuple(cells))
    caption = f"{title}: images by their number in the test set, from 0"
    return Table(caption, tuple(titles), tuple(rows))


def _class(shown: SamplePredictions, label: np.int64) -> str:
    return shown.class_names[label] if label < len(shown.class_names) else str(label)
