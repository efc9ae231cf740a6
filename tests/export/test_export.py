"""`involbench export`: what it writes gives, in its own runtime, what the run recorded."""

import json

import numpy as np
import pytest

from involbench.data import load_dataset
from involbench.export import formats
from involbench.results.artifacts import items_below
from involbench.results.benchmarks import FILE_NAMES, FORMATS, ExportRecord
from involbench.results.paths import ResultsPath
from tests.cli import called, involbench, without_packages

for package in ("tf2onnx", "onnxruntime", "ai_edge_litert"):
    pytest.importorskip(package, reason="an extra of involbench that is not installed")

ROUNDED = {"litert_float16": 0.01, "litert_int8": 0.2}
"""How far from Keras' a probability may be in this test, where weights are rounded."""


def folder_of(tree, start):
    (found,) = tree.glob(f"results/smoke/runs/{start}-*")
    return found


def run_onnx(path, images):
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    return session.run(None, {session.get_inputs()[0].name: images})[0]


def run_litert(path, images):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    results = []
    for image in images:
        interpreter.set_tensor(taken["index"], image[None])
        interpreter.invoke()
        results.append(interpreter.get_tensor(given["index"])[0])
    return np.stack(results)


def run_saved_model(path, images):
    import tensorflow as tf

    served = tf.saved_model.load(path)
    return served.serve(images).numpy()


RUNTIMES = {"saved_model": run_saved_model, "onnx": run_onnx}


@pytest.mark.parametrize("model", ["inn", "cnn"])
@pytest.mark.usefixtures("here")
def test_every_format_gives_what_the_run_recorded(tree, model):
    wanted = [option for form in FORMATS for option in ("--format", form)]
    done = called("export", f"smoke/{model}-seed0", *wanted, "--test", 60, "--json", cwd=tree)
    assert done.returncode == 0, done.stderr
    run = folder_of(tree, f"{model}-seed0")
    made = [ExportRecord.model_validate(row) for row in json.loads(done.stdout)["exports"]]
    assert [record.format for record in made] == list(FORMATS)
    images = load_dataset("digits").x_test[:40].astype(np.float32)
    with np.load(run / "predictions.npz") as recorded:
        expected = recorded["probabilities"][:40].astype(np.float32)
    for record in made:
        path = run / "export" / record.file
        assert record.file == FILE_NAMES[record.format]
        assert json.loads(path.with_name(f"{path.name}.json").read_text())["run_id"] == run.name
        found = RUNTIMES.get(record.format, run_litert)(path, images)
        np.testing.assert_allclose(found, expected, atol=ROUNDED.get(record.format, 2e-3))
        assert record.test_images == 60
        assert record.largest_difference <= ROUNDED.get(record.format, 1e-3)
        assert record.class_names == tuple("0123456789")
        if path.is_file():
            assert record.size_bytes == path.stat().st_size
    sizes = {record.format: record.size_bytes for record in made}
    assert sizes["litert_int8"] < sizes["litert_float16"] < sizes["litert"]
    assert [item.name for item in items_below(ResultsPath(run)) if not item.is_known] == []


def test_a_user_gets_a_table_and_files_where_they_are_wanted(tree):
    """In a worker process of its own, which has TensorFlow though the user has JAX."""
    place = tree / "to go"
    done = involbench(
        *("export", "smoke/inn-seed0", "--format", "onnx", "-o", place),
        cwd=tree,
        KERAS_BACKEND="jax",
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in place.iterdir()) == ["model.onnx", "model.onnx.json"]
    assert f"written: {place / 'model.onnx'}" in done.stderr
    assert "256 test images" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def halved(exporter):
    """The same exporter, whose runtime gives half of each probability."""
    load = exporter.load
    runtime = lambda path, threads: lambda images: load(path, threads)(images) / 2  # noqa: E731
    return formats.Exporter(exporter.write, runtime, exporter.packages)


@pytest.mark.usefixtures("here")
def test_what_computes_something_else_is_not_kept(tree, monkeypatch):
    monkeypatch.setitem(formats.EXPORTERS, "onnx", halved(formats.EXPORTERS["onnx"]))
    done = called("export", "smoke/inn-seed0", "--format", "onnx", cwd=tree)
    assert done.returncode == 1
    assert "differ from those of Keras" in done.stderr
    assert list((folder_of(tree, "inn-seed0") / "export").iterdir()) == []


@pytest.mark.usefixtures("here")
def test_a_converter_that_fails_is_named_with_one_that_does_not(tree, monkeypatch):
    def fails(*_: object) -> None:
        raise ValueError("no such operator")

    litert = formats.EXPORTERS["litert"]
    broken = formats.Exporter(fails, litert.load, litert.packages)
    monkeypatch.setitem(formats.EXPORTERS, "litert", broken)
    done = called(
        "export", "smoke/cnn-seed0", "--format", "litert", "--format", "saved_model", cwd=tree
    )
    assert done.returncode == 1
    assert "the converter cannot convert keras_io_cnn: no such operator" in done.stderr
    assert "use --format saved_model" in done.stderr
    left = {path.name for path in (folder_of(tree, "cnn-seed0") / "export").iterdir()}
    assert left == {"saved_model", "saved_model.json"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("smoke/cnn-seed0", "--format", "onxx"), "did you mean 'onnx'?"),
        (("smoke/cnn-seed9", "--format", "onnx"), "no run"),
        (("smoke/cnn-seed0", "--format", "onnx", "--test", 360), "the run has 359 test images"),
        (("smoke/cnn-seed0", "--format", "onnx", "-o", "results/smoke/spec.yaml"), "cannot make"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("here")
def test_bad_input_is_one_clear_line(tree, arguments, said):
    done = called("export", *arguments, cwd=tree)
    assert (done.returncode, done.stdout) in ((2, ""), (1, ""))
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert said in line


@pytest.mark.usefixtures("here")
def test_missing_packages_are_asked_for_by_name(tree, monkeypatch):
    without_packages(monkeypatch, "tf2onnx", "onnxruntime")
    done = called("export", "smoke/cnn-seed0", "--format", "onnx", cwd=tree)
    assert done.returncode == 2
    assert done.stderr == (
        "error: --format onnx needs onnxruntime (not installed) and tf2onnx (not installed); "
        "pip install onnxruntime tf2onnx\n"
    )


@pytest.mark.usefixtures("here")
def test_a_benchmark_leaves_out_formats_without_their_packages(tree, monkeypatch):
    without_packages(monkeypatch, "ai-edge-litert", "onnxruntime")
    short = ("--test", 8, "--repeats", 2, "--threads", 1, "--json")
    done = called("bench", "export", "smoke/cnn-seed0", *short, cwd=tree)
    assert done.returncode == 0, done.stderr
    assert {each["format"] for each in json.loads(done.stdout)["exports"]} == {"saved_model"}
    left_out = [line for line in done.stderr.splitlines() if "is left out" in line]
    assert left_out[0] == (
        "warning: --format onnx is left out: it needs onnxruntime (not installed); "
        "pip install onnxruntime"
    )
    assert [line.split()[2] for line in left_out] == [
        *("onnx", "litert", "litert_float16", "litert_int8")
    ]
    without_packages(monkeypatch, "tensorflow")
    done = called("bench", "export", "smoke/cnn-seed0", *short, cwd=tree)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("; pip install tensorflow\n")
