"""A worker in this process does what a worker process does."""

import json

import pytest

from involbench.errors import InvolbenchError, UsageError
from involbench.results.paths import ResultsPath
from involbench.results.record import EpochReport
from involbench.spec.schema import DataSpec
from involbench.workers.handlers import Session, load_data, run_trial
from involbench.workers.local import (
    InProcessWorker,
    Worker,
    WorkerStopped,
    in_process,
    start_worker,
)
from involbench.workers.protocol import Loaded, TrialClaimed, TrialRequest
from tests.results.factory import make_trial

DIGITS = DataSpec(dataset="digits", validation="test")


def fail(session: Session, problem: str) -> None:
    raise ValueError(problem)


def test_commands_start_it_only_inside_the_with():
    with in_process(), start_worker() as worker:
        assert isinstance(worker, InProcessWorker)
    with start_worker() as worker:
        assert isinstance(worker, Worker)


def test_a_dataset_is_loaded_once(monkeypatch):
    from involbench import data

    calls, load = [], data.load_dataset
    monkeypatch.setattr(data, "load_dataset", lambda *a, **k: calls.append(k) or load(*a, **k))
    with InProcessWorker() as worker:
        loaded = [worker.call(load_data, print, DIGITS) for _ in range(2)]
    assert loaded[0] == loaded[1] == Loaded(loaded[0].fingerprint, 1438, loaded[0].remarks)
    assert len(calls) == 1


def test_errors_have_the_class_and_the_traceback_of_a_worker_process(tmp_path):
    with InProcessWorker() as worker:
        missing = DataSpec(dataset="folder", path=str(tmp_path / "nowhere"), validation="test")
        with pytest.raises(UsageError, match="nowhere"):
            worker.call(load_data, print, missing)
        with pytest.raises(InvolbenchError, match="ValueError: too wide") as caught:
            worker.call(fail, print, "too wide")
    assert "test_in_process.py" in str(caught.value.__cause__)


@pytest.mark.usefixtures("eager")
def test_it_trains_and_reports_each_epoch(tmp_path):
    trial = make_trial(
        "cnn",
        0,
        data={"dataset": "digits", "train_size": 20, "validation": "test"},
        training={"epochs": 2, "batch_size": 10},
    )
    run_dir = ResultsPath(tmp_path) / "x/runs" / trial.run_id("")
    reports = []
    with InProcessWorker() as worker:
        request = TrialRequest(trial, run_dir, (), 0.0, force=False)
        record = worker.call(run_trial, reports.append, request)
    assert record.status == "finished", record.error
    assert reports[0] == TrialClaimed()
    assert [r.epoch for r in reports if isinstance(r, EpochReport)] == [1, 2]
    history = json.loads((tmp_path / "x/runs" / run_dir.name / "history.json").read_text())
    assert len(history["loss"]) == 2


def test_when_it_was_stopped_it_takes_no_more_requests():
    worker = InProcessWorker()
    worker.stop()
    with pytest.raises(WorkerStopped):
        worker.call(load_data, print, DIGITS)


def test_stopped_in_the_middle_it_has_no_result():
    def stop(session: Session) -> str:
        worker.stop()
        return "too late"

    worker = InProcessWorker()
    with pytest.raises(WorkerStopped):
        worker.call(stop, print)
