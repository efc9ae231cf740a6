"""The whole command line on JAX or PyTorch, in an environment that has no TensorFlow."""

import json
import os
import shutil
import signal
from importlib.metadata import version

import numpy as np
import pytest

from involbench.results.artifacts import items_below
from involbench.results.paths import ResultsPath
from involbench.results.record import Parameters, RunRecord
from tests.cli import called, involbench
from tests.e2e.resumable import outcome
from tests.e2e.test_resume import records, start_and_stop
from tests.e2e.test_smoke import METRICS, RUN_FILES

BACKEND = os.environ.get("KERAS_BACKEND") or "tensorflow"
pytestmark = pytest.mark.skipif(BACKEND == "tensorflow", reason="the other tests of runs are on it")

SPEC = """\
name: tiny
data:
  dataset: digits
  image_size: 8
  train_size: 100
  validation: 0.2
  augmentation: [flip, crop]
models:
  inn: {architecture: plain, operator: {name: involution, groups: 1}, widths: [4]}
"""
TRAINING = """\
training:
  epochs: 8
  batch_size: 20
  checkpoint_every: 3
  learning_rate_schedule: {name: cosine, warmup_epochs: 1}
  label_smoothing: 0.1
seeds: 1
evaluate: {noise: [0.1], shift: [1]}
"""
MORE = """\
  cnn: {architecture: keras_io_cnn}
  deep: {architecture: resnet, depth: 18, width: 8, stem: cifar, operator: depthwise}
"""
AMBIENT = {
    "JAX_DEFAULT_PRNG_IMPL": "rbg",
    "JAX_ENABLE_X64": "1",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "JAX_RANDOM_SEED_OFFSET": "3",
    "KERAS_MAX_EPOCHS": "1",
    "KERAS_TORCH_DEVICE": "meta",
    "PYTORCH_JIT": "0",
}
"""What a user may have set, and must not change a result."""


@pytest.fixture(scope="module")
def folder(once):
    """Where the experiment was run, undisturbed."""

    def run(folder):
        (folder / "tiny.yaml").write_text(f"{SPEC}{MORE}{TRAINING}baseline: cnn\n")
        done = involbench("run", "tiny.yaml", cwd=folder)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        (folder / "stdout.txt").write_text(done.stdout)

    return once(f"run on {BACKEND}", run)


@pytest.fixture
def here(here, folder):
    """The same, where commands ask this process."""
    return folder


def test_the_tree_is_the_one_that_tensorflow_leaves(folder):
    runs = sorted((folder / "results/tiny/runs").iterdir())
    assert [run.name.partition("-")[0] for run in runs] == ["cnn", "deep", "inn"]
    for run in runs:
        visible = {path.name for path in run.iterdir() if not path.name.startswith(".")}
        assert visible == RUN_FILES | ({"kernels.npz"} if run.name.startswith("inn-") else set())
        assert [item.name for item in items_below(ResultsPath(run)) if not item.is_known] == []
        record = RunRecord.model_validate_json((run / "run.json").read_bytes())
        assert record.status == "finished", record.error
        assert record.run_id == run.name
        assert record.versions["backend"] == BACKEND
        assert record.versions[BACKEND] == version(BACKEND)
        history = json.loads((run / "history.json").read_text())
        assert {name: len(values) for name, values in history.items()} == dict.fromkeys(METRICS, 8)
        tested = {name.partition("@")[2] for name in record.metrics}
        assert tested == {"", "noise=0.1", "shift=1"}
        assert Parameters.model_validate_json((run / "parameters.json").read_bytes()).macs > 0
        with np.load(run / "predictions.npz") as arrays:
            correct = np.mean(arrays["labels"] == arrays["predicted"])
        assert record.metrics["test_accuracy"] == pytest.approx(correct)


def test_killed_and_run_again_it_ends_as_if_it_never_had_been(folder, tmp_path):
    spec = tmp_path / "tiny.yaml"
    spec.write_text(f"{SPEC}{TRAINING}baseline: inn\n")

    def has_begun():
        return any(tmp_path.glob("results/tiny/runs/inn-*/checkpoint/*.npz"))

    start_and_stop(spec, signal.SIGKILL, has_begun)
    assert has_begun()
    assert not records(tmp_path, "inn")
    done = involbench("run", spec, cwd=tmp_path, **AMBIENT)
    assert done.returncode == 0, done.stderr
    ((name, ended),) = outcome(tmp_path).items()
    assert ended == outcome(folder)[name]
    (record,) = records(tmp_path, "inn")
    assert "resumed after epoch" in json.loads(record.read_text())["notes"][0]


def test_compare_and_show_tell_what_it_was_made_with(folder):
    made_with = f"{BACKEND} {version(BACKEND)}"
    for command in (("compare", "tiny"), ("show", "tiny/deep-seed0")):
        done = called(*command, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert made_with in " ".join(done.stdout.split())
    assert "deep" in (folder / "stdout.txt").read_text()


def test_the_weights_are_read_back(here):
    (run,) = here.glob("results/tiny/runs/inn-seed0-*")
    done = called("predict", "tiny/inn-seed0", "--test", 12, "--json", cwd=here)
    assert done.returncode == 0, done.stderr
    with np.load(run / "predictions.npz") as recorded:
        for answer in json.loads(done.stdout)["images"]:
            said = [*answer["probabilities"].values()]
            expected = recorded["probabilities"][int(answer["image"])]
            np.testing.assert_allclose(said, expected, atol=1e-3)


def test_kernels_are_those_that_the_run_kept(here):
    (run,) = here.glob("results/tiny/runs/inn-seed0-*")
    with np.load(run / "kernels.npz") as kept:
        options = [option for name in kept["images"] for option in ("--image", name)]
        done = called("kernels", "tiny/inn-seed0", *options, "-o", "maps.npz", cwd=here)
        assert done.returncode == 0, done.stderr
        with np.load(here / "maps.npz") as maps:
            for index, layer in enumerate(kept["layers"]):
                np.testing.assert_allclose(kept[f"sums_{index}"], maps[f"{layer}/sums"], rtol=1e-4)


def test_the_doctor_finds_it_well(here):
    done = called("doctor", "tiny.yaml", "--json", cwd=here)
    assert done.returncode == 0, done.stdout
    document = json.loads(done.stdout)
    assert document["machine"]["versions"]["backend"] == BACKEND
    found = {finding["name"]: finding for finding in document["findings"]}
    assert found["backend"]["found"].startswith(f"{BACKEND} {version(BACKEND)}")
    assert found["operator"]["status"] == found["trials"]["status"] == "ok"


def test_runs_of_two_backends_are_compared_with_a_warning(folder, tmp_path):
    shutil.copytree(folder / "results", tmp_path / "results")
    (record,) = tmp_path.glob("results/tiny/runs/cnn-*/run.json")
    content = json.loads(record.read_text())
    content["versions"] |= {"backend": "tensorflow", "tensorflow": "2.21.0"}
    del content["versions"][BACKEND]
    record.write_text(json.dumps(content))
    done = called("compare", "tiny", cwd=tmp_path)
    assert "tensorflow 2.21.0 (cnn); " in done.stderr
    assert f"{BACKEND} {version(BACKEND)} (inn, deep)" in done.stderr


def test_the_operator_is_held_against_pytorchs_unfold_beside_other_backends(tmp_path):
    shape = ("--shape", "2,6,7,4,3,2", "--repeats", "2", "--device", "cpu")
    done = involbench("bench", "operator", *shape, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    title = "PyTorch's unfold, multiply, sum, beside ours, ms"
    assert (title in done.stdout) == (BACKEND != "torch")
    assert max(map(len, done.stdout.splitlines())) <= 80
    # On PyTorch it is the patches.
    assert done.stdout.count("torch.nn.functional.unfold") == 1
