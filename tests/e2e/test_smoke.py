"""The main job on its smallest spec: run, look at the tree, run again, compare."""

import json
import shutil
import struct

import numpy as np
import pytest

from involbench.results.artifacts import items_below
from involbench.results.paths import ResultsPath
from involbench.results.record import Parameters, RunRecord
from tests.cli import EXPERIMENTS, called, involbench

RUN_FILES = {
    "run.json",
    "history.json",
    "history.csv",
    "parameters.json",
    "predictions.npz",
    "model.keras",
    "log.txt",
    "plots",
}
METRICS = {"loss", "accuracy", "val_loss", "val_accuracy", "seconds"}


def records(folder):
    paths = sorted(folder.glob("results/smoke/runs/*/run.json"))
    return [RunRecord.model_validate_json(path.read_bytes()) for path in paths]


def test_every_trial_leaves_a_whole_run_folder(smoke):
    folder, _ = smoke
    runs = sorted((folder / "results/smoke/runs").iterdir())
    assert len(runs) == 6
    for run in runs:
        visible = {path.name for path in run.iterdir() if not path.name.startswith(".")}
        assert visible == RUN_FILES | ({"kernels.npz"} if run.name.startswith("inn-") else set())
        assert not [path for path in run.rglob("*") if "tmp" in path.name]
        for name in ("accuracy", "loss"):
            assert (run / f"plots/{name}.png").read_bytes().startswith(b"\x89PNG")
            assert "<svg" in (run / f"plots/{name}.svg").read_text()


def test_every_file_of_a_run_is_known_to_clean(smoke):
    folder, _ = smoke
    for run in (folder / "results/smoke/runs").iterdir():
        assert [item.name for item in items_below(ResultsPath(run)) if not item.is_known] == []


def test_the_record_tells_where_the_result_comes_from(smoke):
    folder, _ = smoke
    for record in records(folder):
        assert record.status == "finished"
        assert record.run_id == record.trial.run_id(record.data.fingerprint)
        assert record.argv[0] == "run"
        made_with = {"involbench", "python", "keras", "tensorflow", "numpy", "numba"}
        assert made_with <= record.versions.keys()
        assert record.hardware.cores >= 1
        assert len(record.data.fingerprint) == 64
        assert record.data.train_size == 200
        assert record.data.input_shape == (32, 32, 3)


def test_metrics_history_and_predictions_agree(smoke):
    folder, _ = smoke
    for record in records(folder):
        run = folder / "results/smoke/runs" / record.run_id
        history = json.loads((run / "history.json").read_text())
        assert history.keys() == METRICS
        assert {len(values) for values in history.values()} == {2}
        with np.load(run / "predictions.npz") as arrays:
            correct = np.mean(arrays["labels"] == arrays["predicted"])
            np.testing.assert_allclose(arrays["probabilities"].sum(axis=1), 1, atol=0.01)
        assert record.metrics["test_accuracy"] == pytest.approx(correct)
        assert history["val_accuracy"][-1] == pytest.approx(correct, abs=1e-6)
        for name in METRICS - {"seconds"}:  # No digits that 32 bits do not have.
            assert history[name] == [float(str(np.float32(value))) for value in history[name]]
        assert history["val_loss"][-1] == pytest.approx(record.metrics["test_loss"], rel=1e-3)
        assert record.metrics["best_val_accuracy"] == max(history["val_accuracy"])
        rows = (run / "history.csv").read_text().splitlines()
        assert len(rows) == 3
        assert rows[0].startswith("epoch,")


def test_parameters_are_counted(smoke):
    folder, _ = smoke
    for record in records(folder):
        path = folder / "results/smoke/runs" / record.run_id / "parameters.json"
        parameters = Parameters.model_validate_json(path.read_bytes())
        expected = {"cnn": 319_178, "inn": 13_074, "control": 13_002}[record.trial.model]
        assert parameters.trainable == expected


def test_the_experiment_has_its_spec_comparison_and_plots(smoke):
    folder, done = smoke
    experiment = folder / "results/smoke"
    assert (experiment / "spec.yaml").read_text() == (EXPERIMENTS / "smoke.yaml").read_text()
    comparison = json.loads((experiment / "comparison.json").read_text())
    assert comparison
    png = (experiment / "plots/accuracy.png").read_bytes()
    width, height = struct.unpack(">II", png[16:24])
    assert min(width, height) > 300
    assert (experiment / "plots/loss.svg").exists()
    assert "results/smoke/plots" in done.stdout.replace("\n", "")


def test_results_are_on_stdout_and_progress_on_stderr(smoke):
    _, done = smoke
    for name in ("cnn", "inn", "control"):
        assert name in done.stdout
    assert "epoch 2/2" in done.stderr
    assert "epoch 2/2" not in done.stdout
    assert "seed 0: " in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    for chatter in ("oneDNN", "cuda", "TF-TRT", "TensorFlow binary", "rebuild TensorFlow"):
        assert chatter not in done.stdout + done.stderr
    assert "AVX" not in done.stderr


@pytest.mark.usefixtures("here")
def test_again_repeats_nothing(smoke):
    folder, _ = smoke
    before = {
        path: path.stat().st_mtime_ns for path in folder.glob("results/smoke/runs/*/run.json")
    }
    done = called("run", EXPERIMENTS / "smoke.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert "0 trials to run, 6 finished before" in done.stderr
    assert "inn" in done.stdout


@pytest.mark.thorough
def test_force_repeats_and_gives_the_same_to_the_bit(smoke, tmp_path):
    folder, _ = smoke
    shutil.copytree(folder / "results", tmp_path / "results")
    name = "results/smoke/runs"
    first = {path.name: path for path in (folder / name).iterdir()}
    done = involbench("run", EXPERIMENTS / "smoke.yaml", "--force", "-S", "seeds=[1]", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for run_id, old in first.items():
        new = tmp_path / name / run_id
        repeated = (new / "run.json").stat().st_mtime_ns != (old / "run.json").stat().st_mtime_ns
        assert repeated == ("-seed1-" in run_id)
        histories = [json.loads((run / "history.json").read_text()) for run in (old, new)]
        for metric in METRICS - {"seconds"}:
            assert histories[0][metric] == histories[1][metric]
        with np.load(old / "predictions.npz") as a, np.load(new / "predictions.npz") as b:
            np.testing.assert_array_equal(a["probabilities"], b["probabilities"])


def test_another_seed_gives_another_result(smoke):
    folder, _ = smoke
    losses = {
        (record.trial.model, record.trial.seed): record.metrics["test_loss"]
        for record in records(folder)
    }
    assert losses["cnn", 0] != losses["cnn", 1]
    assert losses["control", 0] != losses["control", 1]


def test_compare_reads_the_tree(smoke):
    folder, _ = smoke
    done = called("compare", "smoke", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    text = json.dumps(json.loads(done.stdout))
    for record in records(folder):
        assert str(record.metrics["test_accuracy"])[:6] in text


def test_a_gate_on_the_run_passes_and_fails(smoke):
    folder, _ = smoke
    sized = "cnn.trainable_parameters < inn.trainable_parameters"
    for gate, code in (("inn.test_accuracy < 0.0", 0), ("inn.test_accuracy <= 1.0", 3), (sized, 0)):
        done = called("compare", "smoke", "--fail-if", gate, cwd=folder)
        assert done.returncode == code, done.stderr
        assert f"gate {'failed' if code else 'passed'}: {gate}" in done.stderr
    again = called("compare", "smoke", "--fail-if", "inn.macro_f1 drops 0.0 from smoke", cwd=folder)
    assert (again.returncode, "on average (2 seeds)" in again.stderr) == (0, True)


def test_tensorboard_has_had_every_epoch(smoke):
    pytest.importorskip("tensorboardX", reason="an extra of involbench that is not installed")
    from tests.reporting.integrations.tensorboard_events import scalars

    folder, _ = smoke
    for record in records(folder):
        found = scalars(folder / "board/smoke" / record.run_id)
        history = json.loads(
            (folder / "results/smoke/runs" / record.run_id / "history.json").read_text()
        )
        assert [*found["loss/validation"].values()] == pytest.approx(history["val_loss"])
        assert [*found["loss/validation"]] == [1, 2]
        assert found["final/test_accuracy"][0] == pytest.approx(record.metrics["test_accuracy"])
