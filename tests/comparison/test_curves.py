"""Sweeps as curves that cross, and Pareto fronts."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from involbench.comparison.compare import compare_experiment
from involbench.comparison.curves import pareto_front
from involbench.results.tree import ResultsTree
from tests.cli import called
from tests.results.factory import make_experiment, make_run


def sweep(results: Path, gains: dict[int, float], seeds: int = 6) -> None:
    """cnn, and inn with so much more accuracy, at sizes of the training set."""
    for size, gain in gains.items():
        for seed in range(seeds):
            for model, more in (("cnn", 0.0), ("inn", gain)):
                make_run(
                    results,
                    model,
                    seed,
                    accuracy=0.5 + more + 0.001 * seed * (model == "inn"),
                    data={"dataset": "digits", "train_size": size},
                    point={"data.train_size": size},
                )


def test_a_sweep_gives_a_curve_a_model_with_intervals(tmp_path: Path) -> None:
    sweep(tmp_path, {4000: -0.1, 250: 0.1, 1000: 0.1})
    cnn, inn = compare_experiment(ResultsTree(tmp_path), "digits").curves
    assert (cnn.model, inn.key, cnn.crossings) == ("cnn", "data.train_size", ())
    assert [point.x for point in inn.points] == [250, 1000, 4000]
    assert [point.mean for point in inn.points] == pytest.approx([0.6025, 0.6025, 0.4025])
    low, high = inn.points[0].interval or (0, 0)
    assert low < 0.6025 < high
    (crossing,) = inn.crossings
    assert (crossing.low, crossing.high, crossing.certain) == (1000, 4000, True)
    assert crossing.at == pytest.approx(1000 * 4 ** (0.1025 / (0.1025 + 0.0975)))


def test_a_crossing_is_said_and_whether_it_is_certain(tmp_path: Path) -> None:
    sweep(tmp_path / "results", {10000: 0.1, 12000: -0.1}, seeds=3)
    said = " ".join(called("compare", cwd=tmp_path).stdout.split())
    assert (
        "inn and cnn cross in test accuracy at about data.train_size = 11,000, between 10,000 and "
        "12,000 (no verdict on one side, or on both)."
    ) in said


def test_single_seeds_cross_by_chance_and_nothing_is_said(tmp_path: Path) -> None:
    sweep(tmp_path / "results", {100: 0.1, 120: -0.1}, seeds=1)
    assert "cross" not in called("compare", cwd=tmp_path).stdout


def test_no_sweep_gives_no_curve(tmp_path: Path) -> None:
    make_experiment(tmp_path)
    assert compare_experiment(ResultsTree(tmp_path), "digits").curves == ()


def test_a_sweep_of_one_model_is_its_curve_alone(tmp_path: Path) -> None:
    make_run(tmp_path, "cnn", 0, accuracy=0.5)
    for kernel, accuracy in ((3, 0.4), (5, 0.6)):
        make_run(
            tmp_path,
            "inn",
            0,
            accuracy=accuracy,
            point={"models.inn.kernel_size": kernel},
            architecture={"architecture": "keras_io_inn", "kernel_size": kernel},
        )
    (curve,) = compare_experiment(ResultsTree(tmp_path), "digits").curves
    assert (curve.model, curve.points[0].interval) == ("inn", None)
    assert curve.crossings[0].at == pytest.approx(4)


def test_the_pareto_front_is_what_no_other_beats() -> None:
    points = [(0.9, 100), (0.8, 10), (0.7, 10), (0.85, 120), (0.5, 1), (0.9, 100)]
    assert pareto_front(points) == [4, 1, 0, 5]
    assert pareto_front([]) == []


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12))
def test_the_pareto_front_is_so_by_its_definition(points: list[tuple[int, int]]) -> None:
    def beaten(gain: int, cost: int) -> bool:
        return any(g >= gain and c <= cost and (g, c) != (gain, cost) for g, c in points)

    wanted = {place for place, point in enumerate(points) if not beaten(*point)}
    found = pareto_front(points)
    assert (set(found), len(found)) == (wanted, len(wanted))
    assert found == sorted(found, key=lambda place: points[place][1])


def test_a_page_shows_some_points_of_a_sweep_and_says_where_the_others_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep(tmp_path / "results", dict.fromkeys(range(100, 105), 0.1), seeds=1)
    assert called("compare", cwd=tmp_path).stdout.count("data.train_size = ") == 5
    monkeypatch.setattr("involbench.reporting.tables.comparison._MOST_POINTS", 2)
    shown = called("compare", cwd=tmp_path).stdout
    assert shown.count("data.train_size = ") == 2
    assert "3 more sweep points: --md, --csv and --json have their tables." in shown
    assert called("compare", "--md", cwd=tmp_path).stdout.count("data.train_size = ") == 5


def test_a_front_is_of_models_on_the_same_data(tmp_path: Path) -> None:
    for size in (500, 5000):
        for model in ("cnn", "inn"):
            data, point = {"dataset": "digits", "train_size": size}, {"data.train_size": size}
            make_run(tmp_path, model, 0, accuracy=size / 10_000, data=data, point=point)
    fronts = compare_experiment(ResultsTree(tmp_path), "digits").fronts
    assert [{m.point["data.train_size"] for m in front.members} for front in fronts] == [
        {500},
        {5000},
    ]


def test_the_fronts_are_of_the_costs_that_were_measured(tmp_path: Path) -> None:
    make_experiment(tmp_path)
    (front,) = compare_experiment(ResultsTree(tmp_path), "digits").fronts
    assert (front.gain, front.cost) == ("test_accuracy", "trainable_parameters")
    assert [member.model for member in front.members] == ["control", "inn", "cnn"]


def test_many_points_of_a_sweep_are_a_sentence_on_what_happened(tmp_path: Path) -> None:
    gains = {100: -0.2, 200: -0.1, 400: 0.0, 800: 0.0, 1600: 0.1, 3200: 0.2, 6400: 0.25}
    sweep(tmp_path, {size: gain - 0.0025 for size, gain in gains.items()})
    done = called("compare", "digits", "--md", "--results", tmp_path, cwd=tmp_path)
    assert (
        "- inn is less accurate than cnn at train_size 100 and 200; has no verdict against cnn at "
        "train_size 400 and 800; is more accurate than cnn at train_size 1600, 3200 and 6400; the "
        "difference goes from -20.0 points at 100 to +25.0 points at 6400."
    ) in done.stdout


def test_a_sweep_that_rises_and_falls_names_its_extremes(tmp_path: Path) -> None:
    sweep(tmp_path, {size: 0.2975 if size == 4 else 0.0975 for size in range(1, 8)})
    done = called("compare", "digits", "--md", "--results", tmp_path, cwd=tmp_path)
    assert (
        "- inn is more accurate than cnn at every train_size (1, 2, 3, 4, 5, 6 and 7); the "
        "difference is between +10.0 points at 1 and +30.0 points at 4."
    ) in done.stdout
