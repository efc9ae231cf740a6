"""Trials that differ from a finished run in their tests alone: its weights are tested again."""

import json
import shutil

import pytest

from tests.cli import called
from tests.in_process import eagerly, in_this_process

SPEC = """\
name: first
data: {dataset: digits, train_size: 100, validation: 0.3, image_size: 8}
models:
  inn: {architecture: plain, operator: involution, widths: [16], normalization: batch}
  none: {architecture: plain, operator: none, widths: [8], head: pooling}
training: {epochs: 2, batch_size: 35}
seeds: 1
"""
MORE = "evaluate: {noise: [0.1], frozen_kernels: [1]}\n"

pytestmark = pytest.mark.usefixtures("here", "eager", "undrawn")


def run(folder, text, *options):
    (folder / "x.yaml").write_text(text)
    done = called("run", "x.yaml", *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done


def runs(folder, name):
    """Run id -> record and history, of all runs of an experiment."""
    found = {}
    for path in sorted((folder / "results" / name / "runs").glob("*/run.json")):
        record = json.loads(path.read_text())
        found[path.parent.name] = record, (path.parent / "history.json").read_text()
    return found


def with_noise(folder, name):
    found = runs(folder, name).items()
    return {k: v for k, v in found if "test_accuracy@noise=0.1" in v[0]["metrics"]}


def origins(found):
    """For each run the note on its training, or None."""
    notes = {run_id: record["notes"] for run_id, (record, _) in found.items()}
    return {
        run_id: next((note for note in each if note.startswith("trained as ")), None)
        for run_id, each in notes.items()
    }


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A folder where `SPEC` was run."""
    folder = tmp_path_factory.mktemp("first")
    with in_this_process(), eagerly(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("involbench.api.run.write_run_plots", lambda run_dir: None)
        run(folder, SPEC)
    return folder


@pytest.fixture
def copied(first, tmp_path):
    return shutil.copytree(first, tmp_path / "copy")


def test_a_new_condition_tests_what_is_trained_as_a_training_would(copied, tmp_path):
    earlier = runs(copied, "first")
    done = run(copied, SPEC + MORE)
    assert "epoch 1/2" not in done.stderr
    again = with_noise(copied, "first")
    (tmp_path / "anew").mkdir()
    run(tmp_path / "anew", SPEC + MORE)
    anew = runs(tmp_path / "anew", "first")
    assert len(anew) == 2 and set(again) == set(anew)
    for run_id, (record, history) in again.items():
        name = run_id.rpartition("-")[0]
        before = next(each for each in earlier if each.startswith(name))
        assert f"{run_id}: trained as first/runs/{before}" in done.stderr
        assert f"trained as first/runs/{before}" in record["notes"]
        assert history == earlier[before][1]
        assert record["seconds"] > earlier[before][0]["seconds"]
        new, old = anew[run_id][0], earlier[before][0]
        timed = ("seconds_per_epoch", "input_wait")
        assert record["metrics"].keys() == new["metrics"].keys()
        for metric, value in record["metrics"].items():
            assert value == (old if metric in timed else new)["metrics"][metric]
        assert record["probe"] == new["probe"] and record["data"] == new["data"]
        path = copied / "results/first/runs" / run_id
        assert {each.name for each in path.iterdir()} >= {"model.keras", "predictions.npz"}
    assert not any(origins(anew).values())


def test_force_trains_again(copied):
    run(copied, SPEC + MORE, "--force")
    assert set(origins(with_noise(copied, "first")).values()) == {None}


@pytest.mark.parametrize("harm", ["cut short", "other bytes", "deleted", "another result"])
def test_a_network_that_cannot_be_taken_is_trained(copied, harm):
    for path in (copied / "results/first/runs").glob("none-seed0-*/model.keras"):
        content = path.read_bytes()
        if harm == "deleted":
            path.unlink()
        elif harm == "another result":
            record = json.loads((path.parent / "run.json").read_text())
            record["trial"]["training"]["epochs"] = 1
            (path.parent / "run.json").write_text(json.dumps(record))
        else:
            path.write_bytes(content[:-1] if harm == "cut short" else b"\0" * len(content))
    run(copied, SPEC + MORE)
    found = origins(with_noise(copied, "first"))
    assert [k.rpartition("-")[0] for k, note in found.items() if not note] == ["none-seed0"]


def test_other_experiments_are_used_where_the_spec_names_them(copied):
    second = SPEC.replace("first", "second").replace("  none:", "  empty:") + MORE
    run(copied, second)
    assert set(origins(runs(copied, "second")).values()) == {None}
    shutil.rmtree(copied / "results/second")
    run(copied, second + "reuse: [first, nowhere]\n")
    found = origins(runs(copied, "second"))
    reused = [run_id.rpartition("-")[0] for run_id, note in found.items() if note]
    assert reused == ["inn-seed0"]  # The other model has another name there.


def test_what_was_tuned_elsewhere_is_not_tuned_again(tmp_path):
    tune = "tune: {training.optimizer.learning_rate: [0.01, 0.1], seeds: [7]}\n"
    run(tmp_path, SPEC + tune)
    done = run(tmp_path, SPEC.replace("first", "second") + tune + "reuse: [first]\n")
    assert "epoch 1/2" not in done.stderr
    for name in ("", "/tuning"):
        mine, other = runs(tmp_path, f"second{name}"), runs(tmp_path, f"first{name}")
        assert origins(mine) == {key: f"trained as first{name}/runs/{key}" for key in other}
        assert {k: v[1] for k, v in mine.items()} == {k: v[1] for k, v in other.items()}
