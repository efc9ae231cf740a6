"""What the networks take for what, and how sure they are of it."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from involbench.comparison.schema import ModelResult
from involbench.reporting.html.components import (
    Cell,
    Chart,
    Number,
    Section,
    Table,
    count,
    percent_cell,
)
from involbench.reporting.html.data import AggregatedPredictions, ReportData
from involbench.reporting.plots import (
    Bin,
    plot_calibration,
    plot_confusion,
    plot_confusion_difference,
)
from involbench.reporting.tables.cells import baseline_of, label

_MOST_MATRICES = 12
_WHOLE_UP_TO = 20
"""Classes: a matrix of more is no table that a person reads."""
_LARGEST = 50


def classes(material: ReportData) -> Section | None:
    """Confusion and calibration; None where no run has predictions."""
    if not material.judged:
        return None
    charts = [*_calibrations(material), *_confusions(material)]
    left = len(material.judged) - _MOST_MATRICES
    says = (
        (
            f"Confusion matrices are drawn of the first {_MOST_MATRICES} models of "
            f"{len(material.judged)}; predictions.npz of each run has what the others take."
        )
        if left > 0
        else ""
    )
    return Section(
        "classes",
        "Classes and confidence",
        tuple(filter(None, [says])),
        tuple(charts),
        tuple(_image_by_image(material)),
    )


def _calibrations(material: ReportData) -> Iterator[Chart]:
    for place, (heading, results) in enumerate(material.places()):
        bins = {
            name: _bins(material.judged[full])
            for name, each in results.items()
            if (full := label(each.model, each.point)) in material.judged
        }
        if not bins:
            continue
        styles = material.styles([(name, results[name].model) for name in bins])
        yield Chart(
            f"calibration-{place}",
            "Calibration" + f", {heading}" * bool(heading),
            "Test images in 15 bins by the probability of their predicted class, all seeds "
            "together. Below the diagonal a network is surer than it is right. Bins of fewer "
            "than ten images are left out of the picture.",
            plot_calibration(bins, styles),
            (_calibration_table(bins),),
        )


def _bins(judged: AggregatedPredictions) -> list[Bin]:
    return [
        Bin(int(images), confidence / images, right / images)
        for images, confidence, right in judged.bins.T.tolist()
        if images
    ]


def _calibration_table(models: dict[str, list[Bin]]) -> Table:
    rows = tuple(
        (name, percent_cell(each.confidence), percent_cell(each.accuracy), count(each.images))
        for name, bins in models.items()
        for each in bins
    )
    titles = ("model", "mean confidence", "accuracy", "images")
    return Table("Confidence and accuracy in each bin, %", titles, rows)


def _image_by_image(material: ReportData) -> Iterator[Table]:
    """How many test images only one of two networks gets right, seed by seed."""
    rows = []
    for result in material.drawn.models:
        judged = material.judged.get(label(result.model, result.point))
        other = _other(material, result)
        if judged is None or other is None or not np.array_equal(judged.labels, other[1].labels):
            continue
        for seed in sorted(judged.hits.keys() & other[1].hits.keys()):
            this, that = judged.hits[seed], other[1].hits[seed]
            cells = (this & that, this & ~that, that & ~this, ~this & ~that)
            numbers = (count(int(each.sum())) for each in cells)
            pair = label(result.model, result.point), other[0]
            rows.append((*pair, Number(str(seed), seed), *numbers))
    if rows:
        titles = ("model", "baseline", "seed", "both right", "only model", "only baseline", "none")
        yield Table("Test images that both, one or none gets right", titles, tuple(rows))


def _confusions(material: ReportData) -> Iterator[Chart]:
    results = {label(each.model, each.point): each for each in material.drawn.models}
    drawn = list(material.judged.items())[:_MOST_MATRICES]
    for place, (name, judged) in enumerate(drawn):
        yield Chart(
            f"confusion-{place}",
            f"Confusion of {name}",
            f"Of the test images of each class, the share taken for each class: {_seeds(judged)}.",
            plot_confusion(judged.shares, judged.class_names),
            (_table(f"Confusion of {name}, % of the true class", judged, judged.shares),),
        )
        other = _other(material, results[name])
        if other is not None and other[1].confusion.shape == judged.confusion.shape:
            shares = judged.shares - other[1].shares
            title = f"Confusion of {name} minus that of {other[0]}"
            yield Chart(
                f"confusion-difference-{place}",
                title,
                f"In points. On the diagonal, + is where {name} is right more often; off it, "
                "where it makes that mistake more often.",
                plot_confusion_difference(shares, judged.class_names),
                (_table(f"{title}, points", judged, shares),),
            )


def _other(material: ReportData, result: ModelResult) -> tuple[str, AggregatedPredictions] | None:
    """Predictions of the baseline, if the two are compared."""
    baseline = baseline_of(material.drawn, result)
    if baseline is None:
        return None
    name = label(baseline.model, baseline.point)
    return (name, material.judged[name]) if name in material.judged else None


def _seeds(judged: AggregatedPredictions) -> str:
    count = len(judged.hits)
    return f"{len(judged.labels):,} images, " + (
        f"sum of {count} seeds" if count > 1 else "one seed"
    )


def _table(caption: str, judged: AggregatedPredictions, shares: NDArray[np.float64]) -> Table:
    """The matrix; of a large one the diagonal and the largest values beside it."""
    names = judged.class_names
    if len(names) <= _WHOLE_UP_TO:
        rows = ((name, *map(_cell, row)) for name, row in zip(names, shares.tolist(), strict=True))
        return Table(caption, ("true class", *names), tuple(rows))
    size = np.where(np.isfinite(shares), np.abs(shares), -1.0)
    np.fill_diagonal(size, np.inf)
    order = np.argsort(-size, axis=None, kind="stable")[: len(names) + _LARGEST]
    places = [divmod(int(flat), len(names)) for flat in order]
    listed = ((names[row], names[column], _cell(shares[row, column])) for row, column in places)
    caption += f": each class taken for itself, and the {_LARGEST} largest values beside that"
    return Table(caption, ("true class", "taken for", "%"), tuple(listed))


def _cell(share: float) -> Cell:
    return percent_cell(float(share)) if np.isfinite(share) else "no image"
