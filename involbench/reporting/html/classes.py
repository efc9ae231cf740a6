"""Confusion matrices and calibration of the networks."""

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
"""Classes. For more, the table lists only the diagonal and the largest values."""
_LARGEST = 50


def classes(report: ReportData) -> Section | None:
    """Confusion and calibration; None where no run has predictions."""
    if not report.predictions:
        return None
    charts = [*_calibrations(report), *_confusions(report)]
    count = len(report.predictions)
    says = (
        f"The confusion matrices of the first {_MOST_MATRICES} of {count} models are drawn. For "
        "the others, read predictions.npz in each run folder."
    )
    return Section(
        "classes",
        "Classes and confidence",
        (says,) if count > _MOST_MATRICES else (),
        tuple(charts),
        tuple(_image_by_image(report)),
    )


def _calibrations(report: ReportData) -> Iterator[Chart]:
    for place, (heading, results) in enumerate(report.places()):
        bins = {
            name: _bins(report.predictions[full])
            for name, each in results.items()
            if (full := label(each.model, each.point)) in report.predictions
        }
        if not bins:
            continue
        styles = report.styles([(name, results[name].model) for name in bins])
        yield Chart(
            f"calibration-{place}",
            "Calibration" + f", {heading}" * bool(heading),
            "The test images of all seeds, in 15 bins by the probability of their predicted class. "
            "Below the diagonal, a network is overconfident. Bins of fewer than ten images are "
            "not drawn.",
            plot_calibration(bins, styles),
            (_calibration_table(bins),),
        )


def _bins(predictions: AggregatedPredictions) -> list[Bin]:
    return [
        Bin(int(images), confidence / images, right / images)
        for images, confidence, right in predictions.bins.T.tolist()
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


def _image_by_image(report: ReportData) -> Iterator[Table]:
    """For each seed, how many test images both, one or none of two networks get right."""
    rows = []
    for result in report.drawn.models:
        predictions = report.predictions.get(label(result.model, result.point))
        other = _other(report, result)
        if (
            predictions is None
            or other is None
            or not np.array_equal(predictions.labels, other[1].labels)
        ):
            continue
        for seed in sorted(predictions.hits.keys() & other[1].hits.keys()):
            this, that = predictions.hits[seed], other[1].hits[seed]
            cells = (this & that, this & ~that, that & ~this, ~this & ~that)
            numbers = (count(int(each.sum())) for each in cells)
            pair = label(result.model, result.point), other[0]
            rows.append((*pair, Number(str(seed), seed), *numbers))
    if rows:
        titles = ("model", "baseline", "seed", "both right", "only model", "only baseline", "none")
        yield Table("Test images that both, one or none gets right", titles, tuple(rows))


def _confusions(report: ReportData) -> Iterator[Chart]:
    results = {label(each.model, each.point): each for each in report.drawn.models}
    drawn = list(report.predictions.items())[:_MOST_MATRICES]
    for place, (name, predictions) in enumerate(drawn):
        yield Chart(
            f"confusion-{place}",
            f"Confusion of {name}",
            f"For each true class, the share of its test images predicted as each class: "
            f"{_seeds(predictions)}.",
            plot_confusion(predictions.shares, predictions.class_names),
            (_table(f"Confusion of {name}, % of the true class", predictions, predictions.shares),),
        )
        other = _other(report, results[name])
        if other is not None and other[1].confusion.shape == predictions.confusion.shape:
            shares = predictions.shares - other[1].shares
            title = f"Confusion of {name} minus that of {other[0]}"
            yield Chart(
                f"confusion-difference-{place}",
                title,
                f"In points. On the diagonal, + means that {name} is right more often; elsewhere, "
                "that it makes this mistake more often.",
                plot_confusion_difference(shares, predictions.class_names),
                (_table(f"{title}, points", predictions, shares),),
            )


def _other(report: ReportData, result: ModelResult) -> tuple[str, AggregatedPredictions] | None:
    """The baseline and its predictions, if the two models are compared."""
    baseline = baseline_of(report.drawn, result)
    if baseline is None:
        return None
    name = label(baseline.model, baseline.point)
    return (name, report.predictions[name]) if name in report.predictions else None


def _seeds(predictions: AggregatedPredictions) -> str:
    count = len(predictions.hits)
    return f"{len(predictions.labels):,} images, " + (
        f"sum of {count} seeds" if count > 1 else "one seed"
    )


def _table(caption: str, predictions: AggregatedPredictions, shares: NDArray[np.float64]) -> Table:
    """The matrix; for a large one, the diagonal and the largest other values."""
    names = predictions.class_names
    if len(names) <= _WHOLE_UP_TO:
        rows = ((name, *map(_cell, row)) for name, row in zip(names, shares.tolist(), strict=True))
        return Table(caption, ("true class", *names), tuple(rows))
    size = np.where(np.isfinite(shares), np.abs(shares), -1.0)
    np.fill_diagonal(size, np.inf)
    order = np.argsort(-size, axis=None, kind="stable")[: len(names) + _LARGEST]
    places = [divmod(int(flat), len(names)) for flat in order]
    listed = ((names[row], names[column], _cell(shares[row, column])) for row, column in places)
    caption += f": the diagonal and the {_LARGEST} largest other values"
    return Table(caption, ("true class", "predicted class", "%"), tuple(listed))


def _cell(share: float) -> Cell:
    return percent_cell(float(share)) if np.isfinite(share) else "no image"
