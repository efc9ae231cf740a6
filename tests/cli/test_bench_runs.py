"""`bench model` and `bench export` of runs: kept beside them, and what reads it there."""

import csv
import io
import json
import shutil
from functools import partial
from statistics import median

import pytest

from involbench.comparison.benchmarks import ExportsBenchmark, ModelsBenchmark
from involbench.results.benchmarks import read_benchmarks
from involbench.results.paths import ResultsPath
from tests.cli import called
from tests.in_process import eagerly, in_this_process

pytest.importorskip("ai_edge_litert", reason="an extra of involbench that is not installed")


@pytest.fixture(scope="module")
def tree(smoke, once):
    """The smoke experiment without its INN, measured: two models, two seeds."""
    return once("benchmarks of runs", partial(measure, smoke[0]))


def measure(smoke, folder):
    shutil.copytree(smoke / "results", folder / "results")
    for run in folder.glob("results/smoke/runs/inn-*"):
        shutil.rmtree(run)
    with in_this_process(), eagerly():
        quickly = ("--repeats", 3, "--json", "smoke")
        small = ("--batch", 1, "--batch", 2, "--step-batch", 2, "--device", "cpu")
        done = called("bench", "model", *quickly, *small, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert "saved as benchmark-model.json in the folders of 4 runs" in done.stderr
        (folder / "models.json").write_text(done.stdout)
        small = ("--format", "litert", "--threads", 1, "--test", 50)
        done = called("bench", "export", *quickly, *small, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert "involbench compare EXPERIMENT --metric litert_latency" in done.stderr
        (folder / "exports.json").write_text(done.stdout)


def costs(tree, model):
    """Seed -> metrics of both benchmarks."""
    runs = sorted(tree.glob(f"results/smoke/runs/{model}-*"))
    return {
        seed: {
            k: v
            for each in read_benchmarks(ResultsPath(run)).values()
            for k, v in each.metrics.items()
        }
        for seed, run in enumerate(runs)
    }


def test_what_is_kept_is_what_was_printed(tree):
    models = ModelsBenchmark.model_validate_json((tree / "models.json").read_text())
    exports = ExportsBenchmark.model_validate_json((tree / "exports.json").read_text())
    assert [each.name for each in models.models] == ["cnn", "control"]
    assert [each.network for each in exports.exports] == ["cnn", "control"]
    for index, model in enumerate(("cnn", "control")):
        measured, exported = models.models[index], exports.exports[index]
        for seed, kept in costs(tree, model).items():
            for name, samples in (
                ("latency", measured.inference[1].samples),
                ("latency@batch=2", measured.inference[2].samples),
                ("litert_latency", exported.latency.samples),
            ):
                assert len(samples) == 2 * 3  # Three repeats a seed, in the order of the seeds.
                assert kept[name] == median(samples[3 * seed : 3 * seed + 3])
            assert kept["peak_memory"] == measured.peak_bytes[1]
            assert kept["step_time@batch=2"] > 0
            assert kept["litert_size"] == pytest.approx(exported.size_bytes, rel=1e-3)
        accuracies = [kept["litert_accuracy"] for kept in costs(tree, model).values()]
        assert sum(accuracies) / 2 == pytest.approx(exported.accuracy)
    assert exports.exports[0].latency.ratio == 1
    assert exports.exports[0].latency.median > exports.exports[1].latency.median


def test_compare_pairs_it_by_seed(tree):
    done = called("compare", "smoke", "--json", cwd=tree)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["experiments"][0]["models"]
    for result in results:
        for seed, kept in costs(tree, result["model"]).items():
            for name, value in kept.items():
                assert result["metrics"][name]["by_seed"][str(seed)] == value
    written = json.loads((tree / "results/smoke/comparison.json").read_text())
    assert (
        written["models"][0]["metrics"]["litert_latency"] == results[0]["metrics"]["litert_latency"]
    )
    done = called("compare", "smoke", "-m", "latency", "-m", "litert_size", cwd=tree)
    assert done.returncode == 0, done.stderr
    assert "latency ms" in done.stdout
    assert "MB" in done.stdout
    done = called("compare", "smoke", "--csv", cwd=tree)
    rows = {(row["model"], row["metric"]): row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert float(rows["cnn", "litert_latency"]["mean"]) > 0


def test_the_report_has_the_front_against_latency(tree):
    done = called("report", "smoke", "--output", "page.html", cwd=tree)
    assert done.returncode == 0, done.stderr
    assert "latency of one image (ms)" in (tree / "page.html").read_text()


def test_a_gate_can_be_about_it(tree):
    done = called("compare", "smoke", "--fail-if", "control.litert_latency > 1", cwd=tree)
    assert (done.returncode, "gate passed" in done.stderr) == (0, True)
    done = called("compare", "smoke", "--fail-if", "cnn.onnx_latency > 1", cwd=tree)
    assert done.returncode == 2
    assert "run `involbench bench export EXPERIMENT` to measure it" in done.stderr


def test_what_is_damaged_is_named_and_costs_nothing_else(tree, tmp_path):
    shutil.copytree(tree / "results", tmp_path / "results")
    (damaged, *_) = tmp_path.glob("results/smoke/runs/cnn-seed0-*")
    (damaged / "benchmark-export.json").write_text("{")
    done = called("compare", "smoke", "-m", "litert_latency", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "benchmark-export.json: damaged" in done.stderr
    assert "`involbench bench export` makes it again" in done.stderr


def test_runs_that_were_not_timed_together_are_said(tree, tmp_path):
    shutil.copytree(tree / "results", tmp_path / "results")
    (other, *_) = tmp_path.glob("results/smoke/runs/cnn-seed0-*")
    path = other / "benchmark-model.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "together": "another time"}))
    done = called("compare", "smoke", "-m", "latency", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "were measured at different times" in done.stderr
    assert "were measured at different times" not in called("compare", "smoke", cwd=tmp_path).stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("export", "smoke/cnn-seed0", "smoke/cnn-seed0"), "two of the runs are of the same model"),
        (("export", "smoke", "--threads", "999"), "this machine has"),
        (("export", "smoke", "--format", "onxx"), "did you mean 'onnx'?"),
        (("export", "nothing"), "no run 'nothing'"),
        (("model", "smoke", "keras_io_cnn"), "smoke is an experiment: name it alone"),
        (("model", "smoke", "-S", "seeds=1"), "--set needs a spec"),
    ],
    ids=str,
)
def test_bad_input_is_one_clear_line(tree, arguments, said):
    done = called("bench", *arguments, cwd=tree)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_experiment_that_no_seed_has_finished_is_refused(tree, tmp_path):
    shutil.copytree(tree / "results", tmp_path / "results")
    for run in tmp_path.glob("results/smoke/runs/cnn-*"):
        path = run / "run.json"
        path.write_text(path.read_text().replace('"status": "finished"', '"status": "timeout"'))
    done = called("bench", "export", "smoke", cwd=tmp_path)
    assert done.returncode == 2
    assert "no seed has a finished run of every model" in done.stderr
