"""`involbench.compare`: one experiment, or several on the same data in one table."""

import json
import re

import pytest

import involbench
from involbench.errors import UsageError
from tests.cli import called
from tests.results.factory import make_run


@pytest.fixture
def results(tmp_path):
    """Two experiments with the same data and a model of the same name, and one on other data."""
    for seed in range(6):
        for experiment, models in {"ours": ("cnn", "inn"), "theirs": ("control", "cnn")}.items():
            for model in models:
                better = 0.1 if experiment == "theirs" and model == "cnn" else 0.0
                accuracy = {"cnn": 0.7, "inn": 0.5, "control": 0.4}[model] + better + seed / 1000
                make_run(
                    tmp_path / "results", model, seed, experiment=experiment, accuracy=accuracy
                )
        make_run(tmp_path / "results", "cnn", seed, experiment="other", fingerprint="f" * 64)
    return tmp_path / "results"


def test_one_experiment_has_the_numbers_of_the_command_line(results):
    comparison = involbench.compare(involbench.load("ours", results), baseline="inn")
    done = called("compare", "ours", "--baseline", "inn", "--json", cwd=results.parent)
    assert json.loads(done.stdout)["experiments"] == [comparison.model_dump(mode="json")]


def test_the_text_is_that_of_the_command_line(results, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    comparison = involbench.load("ours", results).compare(metric="test_loss")
    done = called("compare", "ours", "--metric", "test_loss", cwd=results.parent)
    assert str(comparison).rstrip() == done.stdout.rstrip()
    assert "test loss" in str(comparison)
    assert "loss" in comparison._repr_html_()


def test_several_experiments_are_compared_in_one_table(results):
    ours, theirs = involbench.load("ours", results), involbench.load("theirs", results)
    comparison = involbench.compare(ours, theirs)
    found = {each.model: each for each in comparison.models}
    assert list(found) == ["ours/cnn", "inn", "theirs/cnn", "control"]
    assert comparison.baseline == "ours/cnn"
    assert {each.n_finished for each in comparison.models} == {6}
    better = found["theirs/cnn"].differences["test_accuracy"]
    assert (better.mean, better.n, better.verdict) == (pytest.approx(0.1), 6, "higher")
    assert found["control"].differences["test_accuracy"].mean == pytest.approx(-0.3)
    assert not re.search("experiment", " ".join(comparison.warnings))
    by_inn = involbench.compare(theirs, ours, baseline="inn")
    assert by_inn.baseline == "inn"
    assert list({each.model: 0 for each in by_inn.models}) == [
        *("theirs/cnn", "control", "ours/cnn", "inn")
    ]


def test_other_data_are_refused(results):
    ours, other = involbench.load("ours", results), involbench.load("other", results)
    message = "ours and other have different data, with the fingerprints ab12ab12ab12 and ffffff"
    with pytest.raises(UsageError, match=message):
        involbench.compare(ours, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "test_acuracy"}, "metric 'test_acuracy': no run has that metric; did you"),
        ({"baseline": "cnm"}, "ours has no run of that model; did you mean 'cnn'"),
    ],
)
def test_a_wrong_name_gets_the_nearest_one(results, options, message):
    with pytest.raises(UsageError, match=message):
        involbench.compare(involbench.load("ours", results), **options)


def test_nothing_to_compare_is_an_error():
    with pytest.raises(UsageError, match="name an experiment"):
        involbench.compare()


def test_join_puts_experiments_into_one_table(results):
    done = called("compare", "ours", "theirs", "--join", "--json", cwd=results.parent)
    ours, theirs = involbench.load("ours", results), involbench.load("theirs", results)
    comparison = involbench.compare(ours, theirs)
    assert json.loads(done.stdout)["experiments"] == [comparison.model_dump(mode="json")]
    table = called("compare", "ours", "theirs", "--join", cwd=results.parent)
    assert table.stdout.startswith("ours and theirs\n")
    assert all(name in table.stdout for name in ("ours/cnn", "theirs/cnn", "inn", "control"))
    refused = called("compare", "ours", "other", "--join", cwd=results.parent)
    assert (refused.returncode, "different data" in refused.stderr) == (2, True)
    both = called("compare", "ours", "theirs", "--join", "--against", ".", cwd=results.parent)
    assert (both.returncode, both.stderr) == (2, "error: --join: leave out --against\n")


def test_pairs_and_a_margin_are_those_of_the_command_line(results):
    comparison = involbench.load("ours", results).compare(paired=True, margin=0.3)
    done = called("compare", "ours", "--paired", "--margin", "0.3", "--json", cwd=results.parent)
    assert json.loads(done.stdout)["experiments"] == [comparison.model_dump(mode="json")]
    difference = comparison.models[1].differences["test_accuracy"]
    assert (difference.design, difference.equivalent) == ("paired", True)
    with pytest.raises(UsageError, match=r"margin=3: expected a fraction .* write 0.03 for 3 poin"):
        involbench.load("ours", results).compare(margin=3)


def test_a_report_of_several_experiments_has_all_their_models(results):
    done = called("report", "ours", "theirs", "-o", "both.html", cwd=results.parent)
    assert (done.returncode, done.stdout) == (0, "both.html\n"), done.stderr
    page = (results.parent / "both.html").read_text(encoding="utf-8")
    assert "<title>ours and theirs: report</title>" in page
    assert all(f"{name}" in page for name in ("ours/cnn", "theirs/cnn", "inn", "control"))
    assert page.count("inn-seed3-") == page.count("control-seed3-") > 0
    unnamed = called("report", "ours", "theirs", cwd=results.parent)
    assert (unnamed.returncode, "--output FILE" in unnamed.stderr) == (2, True)
    refused = called("report", "ours", "other", "-o", "x.html", cwd=results.parent)
    assert (refused.returncode, "different data" in refused.stderr) == (2, True)
    assert not (results.parent / "x.html").exists()
