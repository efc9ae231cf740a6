"""Confusion matrices and calibration of the networks."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from involbench.comparison.schema import ModelResult
from involbench.reporting.html.data import Chart, ReportData, ReportSection
from involbench.reporting.html.interactive import calibration_panel
from involbench.reporting.html.predictions import AggregatedPredictions
from involbench.reporting.plots import (
    Bin,
    largest_difference,
    plot_calibration,
    plot_confusion,
    plot_confusion_difference,
)
from involbench.reporting.tables import Cell, Column, Rows, Table, percents
from involbench.reporting.tables.cells import baseline_of, label

_MOST_MATRICES = 12
_WHOLE_UP_TO = 20
"""Classes. For more, the table lists only the diagonal and the largest values."""
_LARGEST = 50


def classes(report: ReportData) -> ReportSection | None:
    """Confusion and calibration; None where no run has predictions."""
    if not report.predictions:
        return None
    charts = [*_calibrations(report), *_confusions(report)]
    count = len(report.predictions)
    says = (
        f"The confusion matrices of the first {_MOST_MATRICES} of {count} models are drawn. For "
        "the others, read predictions.npz in each run folder."
    )
    return ReportSection(
        "classes",
        "Classes and confidence",
        (says,) if count > _MOST_MATRICES else (),
        tuple(charts),
        tuple(_image_by_image(report)),
    )


def _calibrations(report: ReportData) -> Iterator[Chart]:
    for place, (heading, results) in enumerate(report.places()):
        bins = {
            name: [
                Bin(int(images), confidence / images, right / images)
                for images, confidence, right in report.predictions[full].bins.T.tolist()
                if images
            ]
            for name, each in results.items()
            if (full := label(each.model, each.point)) in report.predictions
        }
        if not bins:
            continue
        models = {name: results[name].model for name in bins}
        styles = report.styles([*models.items()])
        yield Chart(
            f"calibration-{place}",
            "Calibration" + f", {heading}" * bool(heading),
            "The test images of all seeds, in 15 bins by the probability of their predicted class. "
            "Below the diagonal, a network is overconfident. Bins of fewer than ten images are "
            "not drawn.",
            plot_calibration(bins, styles),
            (_calibration_table(bins),),
            (calibration_panel(bins, models, styles),),
        )


def _calibration_table(models: dict[str, list[Bin]]) -> Table:
    rows = [
        (name, each.confidence, each.accuracy, each.images)
        for name, bins in models.items()
        for each in bins
    ]
    shares = percents("mean confidence", "accuracy")
    return Table(["model", *shares, "images"], rows, "Confidence and accuracy in each bin, %")


def _image_by_image(report: ReportData) -> Iterator[Table]:
    """For each seed, how many test images both, one or none of two networks get right."""
    rows: Rows = []
    for result in report.drawn.models:
        name, other = label(result.model, result.point), _other(report, result)
        predictions = report.predictions.get(name)
        if not (predictions and other and np.array_equal(predictions.labels, other[1].labels)):
            continue
        for seed in sorted(predictions.hits.keys() & other[1].hits.keys()):
            this, that = predictions.hits[seed], other[1].hits[seed]
            cells = (this & that, this & ~that, that & ~this, ~this & ~that)
            rows.append((name, other[0], seed, *(int(each.sum()) for each in cells)))
    if rows:
        counts = ("both right", "only model", "only baseline", "none")
        columns = ("model", "baseline", Column("seed", "index"), *counts)
        yield Table(columns, rows, "Test images that both, one or none gets right")


def _confusions(report: ReportData) -> Iterator[Chart]:
    results = {label(each.model, each.point): each for each in report.drawn.models}
    drawn = list(report.predictions.items())[:_MOST_MATRICES]
    differences = {
        name: (other[0], predictions.confusion_shares - other[1].confusion_shares)
        for name, predictions in drawn
        if (other := _other(report, results[name]))
        and other[1].confusion.shape == predictions.confusion.shape
    }
    # One scale, so that a colour is the same difference in all charts.
    limit = max((largest_difference(shares) for _, shares in differences.values()), default=None)
    for place, (name, predictions) in enumerate(drawn):
        count = len(predictions.hits)
        seeds = f"sum of {count} seeds" if count > 1 else "one seed"
        yield Chart(
            f"confusion-{place}",
            f"Confusion of {name}",
            f"For each true class, the share of its test images predicted as each class: "
            f"{len(predictions.labels):,} images, {seeds}.",
            plot_confusion(predictions.confusion_shares, predictions.class_names),
            (
                _table(
                    f"Confusion of {name}, % of the true class",
                    predictions,
                    predictions.confusion_shares,
                ),
            ),
            result=name,
        )
        if name in differences:
            baseline, shares = differences[name]
            title = f"Confusion of {name} minus that of {baseline}"
            yield Chart(
                f"confusion-difference-{place}",
                title,
                f"In points. On the diagonal, + means that {name} is right more often; elsewhere, "
                "that it makes this mistake more often. All differences have one colour scale.",
                plot_confusion_difference(shares, predictions.class_names, limit),
                (_table(f"{title}, points", predictions, shares),),
                result=name,
            )


def _other(report: ReportData, result: ModelResult) -> tuple[str, AggregatedPredictions] | None:
    """The baseline and its predictions, if the two models are compared."""
    baseline = baseline_of(report.drawn, result)
    if baseline is None:
        return None
    name = label(baseline.model, baseline.point)
    return (name, report.predictions[name]) if name in report.predictions else None


def _table(caption: str, predictions: AggregatedPredictions, shares: NDArray[np.float64]) -> Table:
    """The matrix; for a large one, the diagonal and the largest other values."""
    names = predictions.class_names
    if len(names) <= _WHOLE_UP_TO:
        rows: Rows = [
            (name, *map(_cell, row)) for name, row in zip(names, shares.tolist(), strict=True)
        ]
        return Table(["true class", *percents(*names)], rows, caption)
    size = np.where(np.isfinite(shares), np.abs(shares), -1.0)
    np.fill_diagonal(size, np.inf)
    order = np.argsort(-size, axis=None, kind="stable")[: len(names) + _LARGEST]
    places = [divmod(int(flat), len(names)) for flat in order]
    listed = [(names[row], names[column], _cell(shares[row, column])) for row, column in places]
    caption += f": the diagonal and the {_LARGEST} largest other values"
    return Table(("true class", "predicted class", Column("%", "percent")), listed, caption)


def _cell(share: float) -> Cell:
    return float(share) if np.isfinite(share) else "no image"
