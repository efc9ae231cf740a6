"""The functions that a notebook calls: plain data in, figures out."""

from hashlib import sha256

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from sklearn.metrics import confusion_matrix

from involbench.reporting.plots import (
    Bin,
    Point,
    drawn,
    plot_calibration,
    plot_confusion,
    plot_confusion_difference,
    plot_experiment,
    plot_front,
    plot_kernels,
    plot_parameters,
    plot_seeds,
    plot_sweep,
    save_figure,
)
from involbench.reporting.plots.figure import MissingGlyphs, line_styles, styles_of
from involbench.statistics.classification import (
    confidence_bins,
    confusion,
    expected_calibration_error,
)

MODELS = [f"model{k}" for k in range(10)]
LONG = "a-model-whose-name-is-as-long-as-a-name-can-be-and-ends-in-a-2"
BINS = [Bin(5, 0.1, 0.9), Bin(50, 0.3, 0.25), Bin(100, 0.9, 0.8)]
SHARES = np.array([[0.9, 0.1], [np.nan, np.nan]])

FULL = {
    "seeds": lambda: plot_seeds({"cnn": [0.7, 0.72], LONG: [0.4]}, {"cnn": (0.69, 0.73)}, 0.1),
    "parameters": lambda: plot_parameters({"cnn": {"operator": 9, "head": 0}, LONG: {"head": 5}}),
    "front": lambda: plot_front({"cnn": Point(10, 0.7), LONG: Point(1000, 0.8)}, ["cnn"], "cost"),
    "sweep": lambda: plot_sweep({LONG: [Point(1, 0.5, (0.4, 0.6)), Point(10, 0.6)]}, "size", [3]),
    "calibration": lambda: plot_calibration({LONG: BINS}),
    "confusion": lambda: plot_confusion(SHARES, ["$a$ $", LONG]),
    "difference": lambda: plot_confusion_difference(SHARES - 0.5, ["<b>", "猫"]),
}
EMPTY = {
    "seeds": lambda: plot_seeds({}),
    "parameters": lambda: plot_parameters({}),
    "no parameters": lambda: plot_parameters({"cnn": {"head": 0}}),
    "front": lambda: plot_front({}, [], "cost"),
    "sweep": lambda: plot_sweep({}, "size"),
    "calibration": lambda: plot_calibration({}),
    "experiment": lambda: plot_experiment({})["loss"],
}


@pytest.mark.parametrize("make", [*FULL.values(), *EMPTY.values()], ids=[*FULL, *EMPTY])
def test_every_figure_names_its_axes_and_can_be_saved(make, tmp_path, recwarn):
    figure = make()
    assert figure.axes[0].get_xlabel() or figure.axes[0].get_title()
    assert save_figure(figure, tmp_path / "figure", ["svg"])[0].stat().st_size > 1000
    glyphs = (each for each in recwarn if each.category is not MissingGlyphs)
    assert [str(warning.message) for warning in glyphs] == []


def test_the_same_figure_gives_the_same_pdf(tmp_path):
    digests = set()
    for name in ("one", "other"):
        (path,) = save_figure(FULL["front"](), tmp_path / name, ["pdf"])
        digests.add(sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_ten_models_look_unlike_each_other():
    assert len(set(line_styles(20))) == 20


def test_a_model_keeps_its_colour_whatever_is_drawn_of_it():
    alone = styles_of([("inn", "inn")], ["cnn", "inn"])
    swept = styles_of([("cnn 1", "cnn"), ("inn 1", "inn"), ("inn 2", "inn")])
    assert alone["inn"].colour == swept["inn 1"].colour == swept["inn 2"].colour
    assert swept["inn 1"].dash != swept["inn 2"].dash
    assert swept["inn 1"].marker != swept["inn 2"].marker
    assert swept["cnn 1"].colour != alone["inn"].colour


def test_seeds_are_dots_around_their_mean_above_its_interval():
    axes = FULL["seeds"]().axes[0]
    assert list(axes.lines[0].get_xdata()) == [0.7, 0.72]
    mean, interval = (collection.get_segments()[0] for collection in axes.collections[:2])
    assert mean[0][0] == mean[1][0] == pytest.approx(0.71)
    assert [end[0] for end in interval] == [0.69, 0.73]


def test_chance_is_left_out_where_it_would_hide_the_differences():
    far, near = (plot_seeds({"a": [low, low + 0.1]}, chance=0.1) for low in (0.8, 0.1))
    assert far.axes[0].get_xlabel() == "test accuracy (%)"
    assert near.axes[0].get_xlabel() == "test accuracy (%); dotted: chance (10%)"


def test_the_ends_of_a_colour_bar_of_kernels_differ():
    images = np.zeros((1, 4, 4, 3), np.uint8)
    sums = {"near": np.full((1, 4, 4, 1), 1.1), "far": np.arange(16.0).reshape(1, 4, 4, 1)}
    bars = [axes for axes in plot_kernels(images, [["a"]], sums).axes if axes.get_xlabel()]
    ends = [[text.get_text() for text in bar.get_xticklabels()] for bar in bars]
    assert ends == [["1.07", "1.13"], ["0", "15"]]


def test_small_bins_are_not_drawn():
    axes = plot_calibration({"cnn": BINS}).axes[0]
    assert list(axes.lines[1].get_xdata()) == [0.3, 0.9]


def test_numbers_in_cells_can_be_read_on_their_colour():
    figure = plot_confusion(np.array([[0.95, 0.05], [0.5, 0.5]]), ["a", "b"])
    written = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert sum(to_rgb(written["95"])) > 2.9
    assert sum(to_rgb(written["5"])) < 0.3


def test_long_names_stay_inside_the_picture():
    figure = plot_front({f"{k}{LONG}": Point(k + 1, 0.5) for k in range(10)}, [], "cost")
    figure.canvas.draw()
    (legend,) = figure.legends
    box, page = legend.get_window_extent(), figure.bbox
    assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0
    assert figure.axes[0].get_window_extent().height > 150


def test_confusion_and_bins_are_those_of_the_definitions():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, 200)
    chances = rng.dirichlet(np.ones(5), 200)
    predicted = chances.argmax(axis=1)
    expected = confusion_matrix(labels, predicted, labels=range(5))
    assert confusion(labels, predicted, 5).tolist() == expected.tolist()
    images, confidence, right = confidence_bins(labels, chances)
    assert images.sum() == 200
    assert right.sum() == (labels == predicted).sum()
    gap = sum(abs(r - c) for r, c in zip(right, confidence, strict=True)) / 200
    assert expected_calibration_error(labels, chances) == pytest.approx(gap)


def test_a_name_is_drawn_by_a_font_that_has_its_characters(recwarn):
    """matplotlib brings STIXGeneral with it, which has characters that DejaVu Sans lacks."""
    lacking = "\u1d81"
    figure = plot_confusion(np.eye(2), [lacking, "cat"])
    content = drawn(figure, "svg")
    assert b"STIXGeneral" in content and not recwarn.list
    alone = drawn(plot_confusion(np.eye(2), ["d", "cat"]), "svg")
    assert b"STIXGeneral" not in alone


def test_a_character_that_no_font_has_is_one_warning_of_our_own():
    nowhere = "\U0002ffff"
    figure = plot_confusion(np.eye(2), [nowhere, "cat"])
    with pytest.warns(MissingGlyphs) as warned:
        assert drawn(figure, "png")[1:4] == b"PNG"
    (warning,) = warned
    assert f"no installed font has {nowhere}: " in str(warning.message)
