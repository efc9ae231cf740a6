"""A report of more than a person can look at: what it draws, and what it says it leaves out."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from involbench.reporting import html
from involbench.reporting.html import data, interactive, runs
from tests.cli import called
from tests.reporting.html.page import Page, table_rows
from tests.results.factory import ROLES, make_run

_MODELS = 33


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """33 models of 3 seeds; the baseline is the worst. A run has failed."""
    tree = tmp_path_factory.mktemp("large")
    names = [f"m{number:02d}" for number in range(_MODELS)]
    with pytest.MonkeyPatch.context() as patch:
        for place, name in enumerate(names):
            patch.setitem(ROLES, name, ROLES["inn"])
            own = {"architecture": {"architecture": "keras_io_inn"}}
            for seed in range(3):
                accuracy = 0.3 + 0.01 * place + 0.001 * seed
                failed = "no memory" if (place, seed) == (32, 2) else None
                make_run(tree, name, seed, accuracy=accuracy, error=failed, **own)
        patch.setattr(runs, "_MOST_RUNS", 5)
        (tree / "digits" / "spec.yaml").write_text("baseline: m00\n")
        done = called("report", "digits", "--results", tree, cwd=tree)
    assert done.returncode == 0, done.stderr
    yield Page((tree / "digits" / "report.html").read_text())


def test_the_baseline_and_the_best_models_are_drawn(page: Page) -> None:
    table, _ = page.by_id("chart-seeds").all("table")
    assert [row["model"] for row in table_rows(table)] == [
        "m00",
        *(f"m{place:02d}" for place in range(4, _MODELS)),
    ]


def test_what_is_not_drawn_is_said(page: Page) -> None:
    header = page.all("header")[0].text
    assert "Charts show 30 of 33 models: the baseline m00 and those with the best" in header
    assert "5 of 99 runs are listed, unfinished ones first" in header
    assert "`involbench compare digits --csv`" in header


def test_the_comparison_has_every_model(page: Page) -> None:
    rows = table_rows(page.by_id("comparison").all("table")[0])
    assert {f"m{place:02d}" for place in range(_MODELS)} <= {row["model"] for row in rows}


def test_runs_that_failed_are_listed_before_others(page: Page) -> None:
    listed = [each.text for each in page.by_id("runs").all("summary") if "-seed" in each.text]
    assert len(listed) == 5
    assert listed[-1].startswith("m32-seed2")
    assert "failed" in listed[-1]


def test_charts_with_too_many_points_stay_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for model in ("cnn", "inn"):
        make_run(tmp_path / "results", model, 0)
    drawn = []
    for most in (50, 130, 200_000):  # The accuracies are 84 points, with the line of chance.
        monkeypatch.setattr(interactive, "_MOST_POINTS", most)
        done = called("report", cwd=tmp_path)
        page = Page((tmp_path / done.stdout.strip()).read_text())
        assert len(page.all("figure")) == len(page.all("svg")) == 5
        drawn.append([*json.loads(str(page.by_id("data").parts[0]))["charts"]])
    small = ["seeds", "front-0", "parameters"]
    assert drawn == [small, ["accuracy-0", *small], ["accuracy-0", "loss-0", *small]]


def test_of_many_sweep_points_the_whole_is_drawn_before_single_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two models at 10 points, 3 seeds each: no room for the curves, nor for runs of all seeds."""
    for size in range(100, 200, 10):
        point = {"data": {"dataset": "digits", "train_size": size}}
        for seed in range(3):
            for model in ("cnn", "inn"):
                make_run(
                    tmp_path / "results", model, seed, point={"data.train_size": size}, **point
                )
    monkeypatch.setattr(data, "MOST_RUNS", 32)  # Two for each of the 16 rows in the charts.
    monkeypatch.setattr(html, "_MOST_FIGURE_BYTES", 10_000)
    done = called("report", cwd=tmp_path)
    page = Page((tmp_path / done.stdout.strip()).read_text())
    assert "use the first 2 of up to 3 seeds" in page.all("header")[0].text
    assert len(page.by_id("chart-seeds").all("svg")) == 1
    assert "page would be too large" in page.by_id("chart-accuracy-0").text
    fronts = [node for node in page.every() if node.attributes.get("id", "").startswith("chart-fr")]
    assert len(fronts) == 8
