"""What is said of a run while it goes on."""

import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from involbench.reporting.console import (
    LiveReporter,
    ProgressState,
    epoch_line,
    plan_line,
    reporter,
    running_trials,
    seed_line,
    sparkline,
    trial_line,
)
from involbench.reporting.units import duration
from involbench.results.record import EpochReport, RunRecord
from involbench.runner.runner import EpochEnded, Planned, SeedEnded, TrialEnded, TrialStarted
from involbench.spec.architectures import architecture_specs
from involbench.spec.schema import DataSpec, TrainingSpec
from involbench.spec.trial import Trial

ARCHITECTURES = {
    "cnn": architecture_specs()["keras_io_cnn"](architecture="keras_io_cnn"),
    "inn": architecture_specs()["keras_io_inn"](architecture="keras_io_inn"),
}


def trial(model, seed=0, epochs=10, validation=0.1, **point):
    return Trial(
        experiment="e",
        model=model,
        architecture=ARCHITECTURES[model],
        data=DataSpec(dataset="digits", validation=validation),
        training=TrainingSpec(epochs=epochs),
        seed=seed,
        point={key.replace("__", "."): value for key, value in point.items()},
    )


def record(of, accuracy, **changes):
    values = {
        "run_id": of.run_id(""),
        "status": "finished",
        "trial": of,
        "argv": (),
        "versions": {},
        "hardware": None,
        "git": None,
        "data": None,
        "started": "2026-01-01T00:00:00+00:00",
        "ended": "2026-01-01T00:01:00+00:00",
        "seconds": 60.0,
        "metrics": {"test_accuracy": accuracy},
    }
    return RunRecord(**{**values, **changes})


def report(epoch, epochs=10, val_accuracy=0.35):
    metrics = {"loss": 1.5, "accuracy": 0.4, "val_loss": 1.6, "seconds": 2.0}
    metrics["val_accuracy"] = val_accuracy
    return EpochReport(epoch, epochs, 1000, metrics)


def standing_with_four_trials():
    now = [0.0]
    standing = ProgressState(clock=lambda: now[0])
    todo = (trial("cnn"), trial("inn"), trial("cnn", 1), trial("inn", 1))
    standing.update(Planned(todo, 0))
    return now, standing, [TrialStarted(one, index, 4) for index, one in enumerate(todo, start=1)]


def pictured(standing, width):
    """The table on a terminal of this width, line by line."""
    console = Console(width=width, file=StringIO(), force_terminal=True, color_system=None)
    console.print(running_trials(standing, width))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@pytest.fixture
def running():
    """Two trials under way: one in its fourth epoch, and one of a sweep in its first."""
    standing = ProgressState(clock=lambda: 0.0)
    todo = (trial("cnn"), trial("inn", 1, data__train_size=10**9, models__inn__kernel_size=5))
    standing.update(Planned((*todo, trial("cnn", 1)), 0))
    starts = [TrialStarted(one, index, 3) for index, one in enumerate(todo, start=1)]
    for started in starts:
        standing.update(started)
    for epoch, accuracy in enumerate((0.1, 0.3, 0.5), start=1):
        standing.update(EpochEnded(starts[0], report(epoch, val_accuracy=accuracy), "run"))
    return standing


def test_the_live_table_at_200_columns(running):
    lines = pictured(running, 200)
    assert lines[0] == "0 of 3 trials done, 2 running, 0.0 s left"
    assert lines[1].split() == ["trial", "epoch", "loss", "accuracy", "validation", "images/s"]
    assert lines[2].split()[:4] == ["cnn", "seed", "0", "3/10"]
    assert lines[2].split()[-5:] == ["1.5000", "0.4000", "0.5000", "▁▄█", "500"]
    assert lines[3].split()[-4:] == ["-", "-", "-", "-"]
    assert lines[3].startswith("inn train_size=1000000000 ker…")
    assert len(lines) == 4


def test_the_live_table_calls_the_test_images_test():
    standing = ProgressState(clock=lambda: 0.0)
    one = trial("cnn", validation="test")
    standing.update(Planned((one,), 0))
    standing.update(TrialStarted(one, 1, 1))
    header = pictured(standing, 200)[1].split()
    assert header == ["trial", "epoch", "loss", "accuracy", "test", "images/s"]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_the_live_table_neither_wraps_nor_jumps(running, width):
    lines = pictured(running, width)
    assert len(lines) == 4
    assert max(map(cell_len, lines)) <= width
    running.update(EpochEnded(running.running[2].started, report(1), "run"))
    after = pictured(running, width)
    assert after[1] == lines[1]
    if width >= 60:
        assert {"trial", "epoch", "validation"} <= set(lines[1].split())
        assert "3/10" in lines[2]


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([], ""),
        ([0.5], "▁"),
        ([0.5, 0.5], "▁▁"),
        ([0, 1, 0.5], "▁█▅"),
        (range(99), "▁▁▂▂▃▃▄▄▅▅▆▆▇▇██"),
    ],
)
def test_sparklines(values, bars):
    assert sparkline(list(values)) == bars


def test_time_left_counts_the_trials_to_come():
    now, standing, starts = standing_with_four_trials()
    standing.update(starts[0])
    assert standing.seconds_left() is None
    now[0] = 3.0
    standing.update(EpochEnded(starts[0], report(1), "run"))
    now[0] = 6.0
    standing.update(EpochEnded(starts[0], report(2), "run"))
    # 3 s an epoch; inn is taken to be like cnn.
    assert standing.seconds_left() == pytest.approx(4 * 30 - 6)
    standing.update(TrialEnded(starts[0], record(starts[0].trial, 0.9), Path()))
    assert standing.seconds_left() is None
    standing.update(starts[1])
    for epoch in range(1, 11):
        now[0] = 6.0 + epoch
        standing.update(EpochEnded(starts[1], report(epoch), "run"))  # 1 s an epoch.
    assert standing.seconds_left() == pytest.approx(0 + 30 + 10)


def test_time_left_of_a_trial_that_was_resumed_is_by_the_epochs_seen_since():
    now, standing, starts = standing_with_four_trials()
    standing.update(starts[0])
    now[0] = 6.0
    standing.update(EpochEnded(starts[0], report(8), "run"))
    assert standing.seconds_left() is None  # The first epoch has the start in it.
    now[0] = 8.0
    standing.update(EpochEnded(starts[0], report(9), "run"))  # 2 s an epoch after 4 s.
    now[0] = 9.0
    assert standing.seconds_left() == pytest.approx(1 * 2 - 1 + 3 * (4 + 20))
    standing.update(starts[1])
    now[0] = 12.0
    assert standing.seconds_left() == pytest.approx((0 + 24 - 3 + 2 * 24) / 2)


def test_time_left_of_trials_of_one_epoch_is_by_those_that_ended():
    now, standing, _ = standing_with_four_trials()
    todo = [trial("cnn", seed, epochs=1) for seed in range(3)]
    standing.update(Planned(tuple(todo), 0))
    starts = [TrialStarted(one, index, 3) for index, one in enumerate(todo, start=1)]
    standing.update(starts[0])
    now[0] = 5.0
    standing.update(EpochEnded(starts[0], report(1, epochs=1), "run"))
    now[0] = 7.0
    standing.update(TrialEnded(starts[0], record(todo[0], 0.9), Path()))
    standing.update(starts[1])
    assert standing.seconds_left() == pytest.approx(7 + 7)


def test_time_left_is_divided_among_the_trials_that_run_side_by_side():
    now, standing, starts = standing_with_four_trials()
    standing.update(starts[0])
    standing.update(starts[1])
    for epoch in range(1, 7):
        now[0] = 2.0 * epoch
        standing.update(EpochEnded(starts[0], report(epoch), "run"))  # 2 s an epoch.
        if epoch in (3, 6):
            standing.update(EpochEnded(starts[1], report(epoch // 3), "run"))  # 6 s an epoch.
    assert standing.seconds_left() == pytest.approx((8 + 48 + 20 + 60) / 2)


def test_time_left_is_shorter_by_what_other_runners_do():
    now, standing, starts = standing_with_four_trials()
    standing.update(starts[0])
    for epoch in (4, 5):
        now[0] += 15.0
        standing.update(EpochEnded(starts[0], report(epoch), "run"))  # 15 s an epoch, 5 left.
    assert standing.seconds_left() == pytest.approx(75 + 3 * 150)
    # Another runner's trial of 60 s, of which it did half before this runner came.
    standing.update(TrialEnded(starts[1], record(starts[1].trial, 0.9), Path(), elsewhere=True))
    assert standing.seconds_left() == pytest.approx((75 + 2 * 150) / 2)


def test_time_left_knows_what_each_point_of_a_sweep_takes():
    now, standing, _ = standing_with_four_trials()
    few, many = ({"data__train_size": size} for size in (100, 1000))
    todo = [trial("cnn", seed, **point) for seed in (0, 1) for point in (few, many)]
    standing.update(Planned(tuple(todo), 0))
    for index in (1, 2):
        started = TrialStarted(todo[index - 1], index, 4)
        standing.update(started)
        for epoch in range(1, 11):
            now[0] += index  # 1 s an epoch of few images, 2 s of many.
            standing.update(EpochEnded(started, report(epoch), "run"))
        assert standing.seconds_left() == pytest.approx({1: 3 * 10, 2: 10 + 20}[index])
        if index == 1:
            standing.update(TrialEnded(started, record(started.trial, 0.9), Path()))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "-"), (8.24, "8.2 s"), (59.97, "1 min 0 s"), (99, "1 min 39 s"), (7500, "2 h 5 min")],
)
def test_durations_are_said_as_people_do(seconds, said):
    assert duration(seconds) == said


def test_lines():
    started = TrialStarted(trial("inn", 2, models__inn__kernel_size=5), 3, 9)
    assert epoch_line(started, report(1), 75.0) == (
        "[3/9] inn kernel_size=5 seed 2 epoch 1/10  loss 1.5000  accuracy 0.4000  val 0.3500  "
        "1 min 15 s left"
    )
    on_test = TrialStarted(trial("cnn", validation="test"), 1, 1)
    assert "  accuracy 0.4000  test 0.3500  " in epoch_line(on_test, report(1), 75.0)
    assert plan_line(Planned((trial("cnn"),), 2)) == "1 trial to run, 2 finished before"
    assert plan_line(Planned((), 0)) == "0 trials to run"


def test_the_end_of_a_trial():
    inn = trial("inn")
    started = TrialStarted(inn, 1, 1)
    ended = TrialEnded(started, record(inn, 0.1, collapsed=True), Path("runs/x"))
    said = "inn seed 0 test accuracy 10.00% in 1 min 0 s, collapsed: it never left chance"
    assert trial_line(ended) == said
    failed = TrialEnded(started, record(inn, None, status="failed", error="no"), Path("runs/x"))
    assert trial_line(failed) == "inn seed 0 failed: no; see runs/x/log.txt"


def test_the_end_of_a_seed_holds_each_model_against_the_baseline():
    cnn, inn = trial("cnn", 1), trial("inn", 1)
    event = SeedEnded(1, (record(cnn, 0.75), record(inn, 0.5, collapsed=True)))
    assert seed_line(event, "cnn") == "seed 1: cnn 75.00%, inn 50.00% (-25.00) collapsed"
    assert seed_line(SeedEnded(1, (record(inn, 0.5),)), "cnn") == "seed 1: inn 50.00%"
    assert seed_line(SeedEnded(1, ()), "cnn") == "seed 1: no trial finished"


def test_at_a_sweep_point_the_baseline_is_the_one_of_that_point():
    few, many = ({"data__train_size": size} for size in (100, 1000))
    records = [
        record(trial("cnn", **few), 0.5),
        record(trial("inn", **few, models__inn__kernel_size=5), 0.4),
        record(trial("cnn", **many), 0.8),
        record(trial("inn", **many, models__inn__kernel_size=5), 0.6),
    ]
    said = seed_line(SeedEnded(0, tuple(records)), "cnn")
    assert "inn train_size=100 kernel_size=5 40.00% (-10.00)" in said
    assert "inn train_size=1000 kernel_size=5 60.00% (-20.00)" in said


@pytest.mark.parametrize(
    ("variables", "on_a_terminal", "live"),
    [
        ({"FORCE_COLOR": "1", "TERM": "xterm-color"}, False, False),  # As notebooks set it.
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({"FORCE_COLOR": "1", "TTY_INTERACTIVE": "1", "TERM": "xterm"}, False, True),
    ],
)
def test_lines_are_redrawn_only_where_they_can_be(monkeypatch, variables, on_a_terminal, live):
    for name in ("FORCE_COLOR", "TTY_INTERACTIVE", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    stream = StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: on_a_terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    assert isinstance(reporter("cnn"), LiveReporter) is live
