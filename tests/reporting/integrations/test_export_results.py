"""`export-results`: what other tools get is what the runs recorded."""

import csv
import json
import socket
import time

import pytest

from tests.cli import called, without_packages
from tests.results.factory import make_experiment, make_run

pytest.importorskip("tensorboardX", reason="an extra of involbench that is not installed")
pytest.importorskip("pyarrow", reason="an extra of involbench that is not installed")
pytest.importorskip("mlflow", reason="an extra of involbench that is not installed")


@pytest.fixture
def tree(tmp_path):
    """Nine finished runs and one that failed."""
    make_experiment(tmp_path / "results")
    make_run(tmp_path / "results", "inn", 3, error="ValueError: no memory", fingerprint=None)
    return tmp_path


def exported(tree, *arguments):
    done = called("export-results", *arguments, cwd=tree)
    assert done.returncode == 0, done.stderr
    return done.stdout


def records(tree):
    """Run id -> its record and history."""
    found = {}
    for folder in tree.glob("results/digits/runs/*"):
        record, history = json.loads((folder / "run.json").read_text()), {}
        if record["status"] == "finished":
            history = json.loads((folder / "history.json").read_text())
        found[folder.name] = record, history
    assert len(found) == 10
    return found


def check_tables(tree, runs, epochs):
    """Rows as text, or as they are."""
    by_id = {row["run_id"]: row for row in runs}
    assert len(by_id) == len(runs) == 10
    for run_id, (record, history) in records(tree).items():
        row = by_id[run_id]
        assert (row["model"], row["status"]) == (record["trial"]["model"], record["status"])
        for name, value in record["metrics"].items():
            assert float(row[name]) == value
        if not record["metrics"]:
            assert row["test_accuracy"] in ("", None)
            assert row["error"] == "ValueError: no memory"
        own = [row for row in epochs if row["run_id"] == run_id]
        assert [int(row["epoch"]) for row in own] == [*range(1, len(own) + 1)]
        for name, values in history.items():
            assert [float(row[name]) for row in own] == values


def test_csv_has_a_row_a_run_and_one_an_epoch(tree):
    said = exported(tree, "--to", "csv", "-o", "tables")
    assert "10 runs written: tables/runs.csv and tables/epochs.csv" in said
    tables = [
        list(csv.DictReader((tree / f"tables/{name}.csv").open())) for name in ("runs", "epochs")
    ]
    check_tables(tree, *tables)


def test_parquet_has_the_same_rows_with_types(tree):
    from pyarrow import parquet

    exported(tree, "digits", "--to", "parquet")
    tables = [
        parquet.read_table(tree / f"exported/{name}.parquet").to_pylist()
        for name in ("runs", "epochs")
    ]
    check_tables(tree, *tables)
    assert isinstance(tables[0][0]["seed"], int)


def test_tensorboard_has_every_epoch_and_is_written_once(tree):
    from tests.reporting.integrations.tensorboard_events import scalars

    assert "10 runs written" in exported(tree, "--to", "tensorboard", "-o", "board")
    for run_id, (record, history) in records(tree).items():
        found = scalars(tree / "board/digits" / run_id)
        if not history:
            assert found == {}
            continue
        assert [*found["accuracy/validation"]] == [*range(1, 21)]
        assert [*found["accuracy/validation"].values()] == pytest.approx(history["val_accuracy"])
        assert [*found["loss/train"].values()] == pytest.approx(history["loss"])
        accuracy = record["metrics"]["test_accuracy"]
        assert found["final/test_accuracy"][0] == pytest.approx(accuracy)
    assert "0 runs written to board, 10 were there" in exported(
        tree, "--to", "tensorboard", "-o", "board"
    )


def test_mlflow_has_every_run_once(tree, monkeypatch):
    from mlflow.tracking import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    assert "10 runs written" in exported(tree, "--to", "mlflow")
    assert "0 runs written" in exported(tree, "--to", "mlflow")
    client = MlflowClient((tree / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("digits")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    known = records(tree)
    assert runs.keys() == known.keys()
    for run_id, (record, history) in known.items():
        run = runs[run_id]
        assert run.info.status == ("FINISHED" if history else "FAILED")
        assert run.data.params["architecture"] == record["trial"]["architecture"]["architecture"]
        for name, value in record["metrics"].items():
            assert run.data.metrics[name] == value
        if history:
            logged = client.get_metric_history(run.info.run_id, "epoch_val_accuracy")
            values = {metric.step: metric.value for metric in logged}
            assert [values[step] for step in range(1, 21)] == history["val_accuracy"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--to", "cvs"), "did you mean 'csv'?"),
        (("digit", "--to", "csv"), "did you mean 'digits'?"),
        (("--to", "csv", "-o", "results/digits/spec.yaml"), "cannot make"),
        (("--to", "tensorboard", "-o", "results/digits/spec.yaml"), "cannot make"),
        (("--to", "mlflow", "-o", "nonsense://x"), "nonsense"),
    ],
    ids=str,
)
def test_bad_input_is_one_clear_line(tree, arguments, said):
    done = called("export-results", *arguments, cwd=tree)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_server_that_hangs_is_named_soon(tree):
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as server:  # It listens, and never answers.
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
        done = called("export-results", "--to", "mlflow", "-o", uri, cwd=tree)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[1:] == [f"error: --to mlflow: {uri}: no answer within 5 s"]
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("kind", "package"),
    [("parquet", "pyarrow"), ("mlflow", "mlflow-skinny"), ("tensorboard", "tensorboardx")],
)
def test_a_missing_package_is_asked_for_by_name(tmp_path, monkeypatch, kind, package):
    without_packages(monkeypatch, package)
    done = called("export-results", "--to", kind, cwd=tmp_path)  # Before it looks for results.
    assert (done.returncode, done.stdout) == (2, "")
    said = f"--to {kind} needs {package} (not installed); pip install {package}"
    assert done.stderr == f"error: {said}\n"
