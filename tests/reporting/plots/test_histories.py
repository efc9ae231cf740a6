"""Figures as data, and the files they become."""

import hashlib
import json
import xml.etree.ElementTree as ET
from math import isnan
from pathlib import Path

import pytest
from PIL import Image

from involbench.errors import ResultsError
from involbench.reporting.experiment import write_comparison, write_run_plots
from involbench.reporting.plots import plot_experiment, plot_run, save_figure
from involbench.reporting.plots.figure import line_styles
from involbench.results.paths import ResultsPath
from involbench.results.tree import ResultsTree
from tests.results.factory import make_experiment, make_history, make_run

CURVES = {
    model: [make_history(final, 6, seed) for seed in range(3)]
    for model, final in (("cnn", 0.7), ("inn", 0.4))
}


def test_a_run_shows_train_and_validation_with_units() -> None:
    figures = plot_run(CURVES["cnn"][0], "cnn-seed0")
    assert figures.keys() == {"accuracy", "loss"}
    (axes,) = figures["loss"].axes
    assert axes.get_xlabel() == "epoch"
    assert axes.get_ylabel() == "cross-entropy loss (nats)"
    drawn = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    assert drawn == {"validation": CURVES["cnn"][0]["val_loss"], "train": CURVES["cnn"][0]["loss"]}


def test_a_validation_on_the_test_images_is_called_test() -> None:
    axes = plot_run(CURVES["cnn"][0], "cnn-seed0", "test")["accuracy"].axes[0]
    assert [line.get_label() for line in axes.lines] == ["test", "train"]
    panels = plot_experiment(CURVES, "digits", validated_on="test")["accuracy"].axes
    assert [each.get_title() for each in panels] == ["test", "train"]


def test_an_experiment_draws_each_seed_thin_and_the_mean_thick() -> None:
    figure = plot_experiment(CURVES, "digits")["accuracy"]
    validation, train = figure.axes
    assert (validation.get_title(), train.get_title()) == ("validation", "train")
    widths = [line.get_linewidth() for line in validation.lines]
    assert widths == [0.8, 0.8, 0.8, 2.2] * 2
    first = [history["val_accuracy"][0] or 0.0 for history in CURVES["cnn"]]
    assert validation.lines[3].get_ydata()[0] == pytest.approx(sum(first) / 3)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["cnn (3 seeds)", "inn (3 seeds)"]


def test_chance_is_drawn_on_accuracy_only() -> None:
    figures = plot_experiment(CURVES, "digits", chance=0.1)
    assert len(figures["accuracy"].axes[0].lines) == len(figures["loss"].axes[0].lines) + 1


def test_nulls_leave_gaps_and_short_seeds_end_early() -> None:
    long = {"val_loss": [1.0, None, 0.5], "loss": [], "val_accuracy": [], "accuracy": []}
    panel = plot_experiment({"cnn": [long, {"val_loss": [2.0]}]}, "t")["loss"].axes[0]
    whole, short, mean = (list(line.get_ydata()) for line in panel.lines)
    assert isnan(whole[1]) and whole[2] == 0.5
    assert short == [2.0]
    assert mean[0] == 1.5 and isnan(mean[1]) and mean[2] == 0.5


def test_one_epoch_has_markers_and_a_whole_tick() -> None:
    axes = plot_run(make_history(0.5, 1, 0), "t")["accuracy"].axes[0]
    assert all(line.get_marker() not in ("", "None") for line in axes.lines)
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]


def test_an_empty_history_says_so(tmp_path: Path) -> None:
    figure = plot_experiment({"cnn": [{}], "inn": []}, "t")["loss"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["no values"]
    assert len(save_figure(figure, tmp_path / "loss")) == 2


def test_a_wide_loss_is_logarithmic() -> None:
    history = {"val_loss": [900.0, 2.0, 1.0], "loss": [3.0, 2.0, 1.0]}
    assert plot_run(history, "t")["loss"].axes[0].get_yscale() == "log"
    assert plot_run(CURVES["cnn"][0], "t")["loss"].axes[0].get_yscale() == "linear"


def test_eight_models_differ_in_colour_and_marker() -> None:
    styles = line_styles(8)
    assert len({style.colour for style in styles}) == len({s.marker for s in styles}) == 8


def test_files_are_valid_and_the_same_again(tmp_path: Path) -> None:
    digests = []
    for turn in range(2):
        figure = plot_experiment(CURVES, "digits")["accuracy"]
        png, svg = save_figure(figure, tmp_path / f"accuracy{turn}")
        with Image.open(png) as image:
            assert image.size == (1500, 720)
        assert ET.parse(svg).getroot().tag.endswith("svg")
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in (png, svg)])
    assert digests[0] == digests[1]


WRITTEN = ("comparison.json", "comparison.csv", ".lock")


def test_write_comparison_leaves_the_tree_of_the_design(tmp_path: Path) -> None:
    folder = make_experiment(tmp_path)
    damaged = next(folder.glob("runs/inn-seed1-*/history.json"))
    damaged.write_text("[")
    (comparison,) = write_comparison(ResultsTree(tmp_path), "digits")
    assert str(damaged) in comparison.warnings[-1]
    names = {path.name for path in folder.iterdir()}
    assert names == {"runs", "spec.yaml", "plots", *WRITTEN}
    plots = {path.name for path in (folder / "plots").iterdir()}
    assert plots == {"accuracy.png", "accuracy.svg", "loss.png", "loss.svg"}
    written = json.loads((folder / "comparison.json").read_text())
    assert written == comparison.model_dump(mode="json")


def test_nothing_is_drawn_where_nothing_is_finished(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "cnn", 0, error="no memory").parents[1]
    write_comparison(ResultsTree(tmp_path), "digits")
    assert {path.name for path in folder.iterdir()} == {"runs", *WRITTEN}


def test_write_run_plots_draws_beside_the_history(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "cnn", 0)
    (folder / "run.json").unlink()
    write_run_plots(ResultsPath(folder))
    plots = {path.name for path in (folder / "plots").iterdir()}
    assert plots == {"accuracy.png", "accuracy.svg", "loss.png", "loss.svg"}
    (folder / "history.json").unlink()
    with pytest.raises(ResultsError, match=r"history\.json: cannot be read"):
        write_run_plots(ResultsPath(folder))
