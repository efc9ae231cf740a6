"""`involbench.load`: runs, tables, figures and the report of an experiment."""

import json
import re
import shutil

import numpy as np
import pytest
from matplotlib.figure import Figure

import involbench
from involbench.errors import UsageError
from tests.cli import called, without_packages
from tests.results.factory import make_experiment, make_run


@pytest.fixture
def smoke_tree(smoke, tmp_path):
    """A copy of trained runs."""
    shutil.copytree(smoke[0] / "results", tmp_path / "results")
    return tmp_path


@pytest.fixture
def digits(tmp_path):
    """Nine finished runs of three models."""
    make_experiment(tmp_path / "results")
    return involbench.load("digits", tmp_path / "results")


def test_an_experiment_is_found_by_name_and_by_folder(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("digits", "results/digits", tmp_path / "results/digits"):
        found = involbench.load(name)
        assert (found.name, found.folder.resolve()) == ("digits", tmp_path / "results/digits")
    with pytest.raises(UsageError, match="no experiment 'digit' under results; did you mean 'dig"):
        involbench.load("digit")


def test_the_frames_hold_what_the_runs_recorded(digits):
    pytest.importorskip("pandas", reason="an extra of involbench that is not installed")
    runs, history = digits.runs, digits.history
    assert len(runs) == 9
    assert len(history) == 9 * 20
    for row in runs.to_dict("records"):
        folder = digits.folder / "runs" / row["run_id"]
        record = json.loads((folder / "run.json").read_text())
        assert (row["model"], row["seed"]) == (record["trial"]["model"], record["trial"]["seed"])
        assert row["test_accuracy"] == record["metrics"]["test_accuracy"]
        own = history[history.run_id == row["run_id"]]
        assert own.epoch.tolist() == [*range(1, 21)]
        stored = json.loads((folder / "history.json").read_text())
        assert {name: own[name].tolist() for name in stored} == stored


def test_a_file_that_is_damaged_is_named_in_a_warning(digits):
    pytest.importorskip("pandas", reason="an extra of involbench that is not installed")
    damaged = digits.run("inn-seed1").folder / "history.json"
    damaged.write_text("{")
    with pytest.warns(UserWarning, match=f"digits: {damaged}: ") as caught:
        assert len(digits.history) == 8 * 20
    assert {warning.filename for warning in caught} == {__file__}


def test_without_pandas_the_message_says_what_to_install(digits, monkeypatch):
    without_packages(monkeypatch, "pandas")
    with pytest.raises(UsageError, match=r"needs pandas \(not installed\); pip install pandas"):
        _ = digits.runs


def test_the_best_run_is_chosen_by_validation(tmp_path):
    results = tmp_path / "results"
    values = {0: (0.9, 0.5), 1: (0.6, 0.8), 2: (0.7, 0.8)}  # Test and validation.
    for seed, (test, validation) in values.items():
        make_run(results, "cnn", seed, accuracy=test, measured={"best_val_accuracy": validation})
    make_run(results, "inn", 0, error="ValueError: no memory")
    experiment = involbench.load("digits", results)
    assert experiment.best("cnn").record.trial.seed == 1
    assert experiment.best("cnn", "test_accuracy").record.trial.seed == 0
    assert experiment.best("cnn", "test_loss").record.trial.seed == 0
    for arguments, message in [
        (("inn",), "no finished run of 'inn'; did you mean 'cnn'"),
        (("cnn", "test_acc"), "no run of cnn has the metric 'test_acc'; did you mean 'test_acc"),
    ]:
        with pytest.raises(UsageError, match=message):
            experiment.best(*arguments)
    (failed,) = experiment.failed
    assert repr(failed) == f"<Run digits/{failed.folder.name}, failed>"


def test_the_curves_are_those_of_the_histories(digits):
    figure = digits.plot_accuracy()
    assert isinstance(figure, Figure)
    drawn = [list(line.get_ydata()) for axes in figure.axes for line in axes.lines]
    for seed in range(3):
        history = digits.run(f"inn-seed{seed}").history
        assert history["val_accuracy"] in drawn
        assert history["accuracy"] in drawn
    losses = [list(line.get_ydata()) for a in digits.plot_loss().axes for line in a.lines]
    assert digits.run("cnn-seed2").history["val_loss"] in losses
    assert figure._repr_png_().startswith(b"\x89PNG")  # What a notebook shows.


def test_every_figure_of_the_report_is_there(smoke_tree):
    smoke = involbench.load("smoke", smoke_tree / "results")
    assert {name.rstrip("0123456789-") for name in smoke.figures()} >= {
        *("accuracy", "loss", "seeds", "parameters", "front", "calibration", "confusion"),
        *("confusion-difference", "samples", "kernels"),
    }
    for plot in (smoke.plot_seeds, smoke.plot_parameters, smoke.plot_calibration):
        assert isinstance(plot(), Figure)
    with pytest.raises(UsageError, match=r"no figure 'sweep-0'; there are: accuracy-0, loss-0"):
        smoke.plot_sweep()


def test_the_report_is_that_of_the_command_line(digits, tmp_path):
    path = digits.report(tmp_path / "ours.html")
    assert called("report", "digits", "-o", "theirs.html", cwd=tmp_path).returncode == 0
    assert path.read_bytes() == (tmp_path / "theirs.html").read_bytes()
    assert digits.report() == digits.folder / "report.html"


def test_a_notebook_shows_the_table_and_the_verdict_escaped(tmp_path):
    make_experiment(tmp_path / "results", seeds=1).rename(tmp_path / "results/<b>&x")
    shown = involbench.load("<b>&x", tmp_path / "results")._repr_html_()
    assert "<strong>&lt;b&gt;&amp;x</strong>" in shown
    assert "<td>73.00</td>" in shown
    assert "points less accurate than cnn" in shown
    assert not re.search(r"<b>|https?:|src=|<script|<link", shown)


def test_a_run_gives_what_its_files_hold(smoke_tree):
    run = involbench.load("smoke", smoke_tree / "results").run("cnn-seed1")
    (folder,) = smoke_tree.glob("results/smoke/runs/cnn-seed1-*")
    assert run.folder == folder
    assert run.record.run_id == folder.name
    assert run.history == json.loads((folder / "history.json").read_text())
    assert run.parameters.total == json.loads((folder / "parameters.json").read_text())["total"]
    with np.load(folder / "predictions.npz") as arrays:
        for name in ("labels", "predicted", "probabilities"):
            np.testing.assert_array_equal(getattr(run.predictions, name), arrays[name])
