"""`involbench bench model`: what it prints, and that its numbers follow from its samples."""

import csv
import io
import json
from statistics import median
from types import SimpleNamespace

import pytest

from involbench.cli._output import rendered
from involbench.comparison.benchmarks import ModelsBenchmark, summarize_models
from involbench.errors import InvolbenchError
from involbench.reporting.tables import csv_text, markdown
from involbench.reporting.tables.benchmarks import (
    models_figure,
    models_page,
    models_rows,
)
from involbench.results.benchmarks import ModelsMemory, ModelsTimes, ModelTimes
from involbench.runner.benchmarks import _with_memory
from involbench.spec.load import adhoc_trial
from involbench.workers.local import WorkerDied
from involbench.workers.protocol import ModelBenchmark
from tests.cli import called, involbench

SPEC = """\
name: two
data: {dataset: digits, image_size: 128, validation: test}
models:
  control: {architecture: keras_io_control}
  conv: {architecture: plain, widths: [4, 4, 4]}
baseline: control
"""
PLAIN = "{architecture: plain, operator: depthwise, widths: [4, 8]}"
NAMES = ["control", "conv", "plain depthwise 4-8"]
REPEATS, BATCHES = 6, (1, 64)


@pytest.fixture(scope="module")
def printed(once):
    def run(folder):
        (folder / "two.yaml").write_text(SPEC)
        done = involbench(
            *("bench", "model", "two.yaml", PLAIN, "--image-size", "128", "--batch", BATCHES[1]),
            *("--batch", BATCHES[0], "--step-batch", 4, "--repeats", REPEATS, "--json"),
            *("--device", "cpu"),
            cwd=folder,
        )
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout + done.stderr
        (folder / "models.json").write_text(done.stdout)

    return (once("bench model", run) / "models.json").read_text()


@pytest.fixture(scope="module")
def result(printed):
    return ModelsBenchmark.model_validate_json(printed)


def test_every_network_has_every_number(printed, result):
    assert "NaN" not in printed
    assert [model.name for model in result.models] == NAMES
    assert (result.baseline, result.repeats, result.step_batch) == (NAMES[0], REPEATS, 4)
    for model in result.models:
        assert model.input_shape == (128, 128, 3)
        assert tuple(model.inference) == BATCHES
        assert all(len(latency.samples) == REPEATS for latency in model.inference.values())
        assert len(model.step.samples) == 3  # In the first two repeats and the sixth.
        assert min(model.warm_up_calls.values()) >= 2  # On a machine on which one takes seconds.
        assert model.first_call_seconds > model.inference[1].median
        assert model.step_bytes > 0


def test_sizes_are_those_of_the_networks(result):
    control, conv, plain = (model.sizes for model in result.models)
    # A ReLU; a pooling and a ReLU; a pooling, a ReLU and its result flattened; the head.
    values = 3 * 128 * 128
    assert control.activations == values * (1 + 2 / 4 + 3 / 16) + 64 + 10
    assert control.macs == values // 16 * 64 + 64 * 10
    kernels = (3 * 9 + 1) * 4 + 2 * (4 * 9 + 1) * 4
    assert conv.parameters == kernels + (32 * 32 * 4 + 1) * 64 + (64 + 1) * 10
    assert plain.parameters > conv.parameters
    assert control.file_bytes > 4 * control.parameters


def test_ratios_follow_from_the_samples(result):
    first = result.models[0]
    for model in result.models:
        for batch, latency in model.inference.items():
            baseline = first.inference[batch]
            ratios = [a / b for a, b in zip(latency.samples, baseline.samples, strict=True)]
            low, high = latency.ratio_interval
            assert latency.median == median(latency.samples)
            assert latency.ratio == pytest.approx(median(ratios))
            assert min(ratios) <= low <= latency.ratio <= high <= max(ratios)
            assert latency.lower_quartile <= latency.median <= latency.upper_quartile
            assert latency.median <= latency.p95 <= max(latency.samples)
            assert model.images_per_second[batch] == pytest.approx(batch / latency.median)
    assert {latency.ratio for latency in first.inference.values()} == {1}


def test_peak_memory_is_what_is_computed_by_hand(result):
    """The control's largest pair of arrays: what the first pooling gives, and the second.

    TensorFlow pools before ReLU, which comes to the same, and computes ReLU in place.
    """
    image = 4 * 3 * 128 * 128
    by_hand = 64 * image * (1 / 4 + 1 / 16)
    assert result.models[0].peak_bytes[64] == pytest.approx(by_hand, rel=0.1)


def test_tables_are_80_columns_wide_and_say_the_same(result):
    lines = rendered([models_page(result)], for_screen=False).splitlines()
    assert max(map(len, lines)) <= 80
    assert len([line for line in lines if line.split()[:1] == ["conv"]]) == 4
    assert markdown(models_page(result)).count("| conv |") == 4
    heading, *rows = csv.reader(io.StringIO(csv_text(*models_rows(result))))
    assert len(rows) == 9
    (row,) = (
        dict(zip(heading, r, strict=True)) for r in rows if r[:3] == ["conv", "inference", "1"]
    )
    assert float(row["median"]) == result.models[1].inference[1].median
    assert int(row["parameters"]) == result.models[1].sizes.parameters


def test_the_exponent_is_that_of_made_up_times(result):
    """Of times that grow as the pixels to the power 1.5, with noise that cancels."""
    sizes, noise = (8, 16, 64), (0.9, 1.0, 1.1, 1.0)
    timed = result.models[0].model_dump(exclude={"inference", "images_per_second", "step"})
    fields = {name: timed[name] for name in timed.keys() & ModelTimes.model_fields.keys()}
    models = tuple(
        ModelTimes(
            **{**fields, "name": f"m {size}", "network": "m", "input_shape": (size, size, 3)},
            seconds={1: tuple(1e-6 * size**3 * factor for factor in noise)},
            step_seconds=(1.0, 1.0),
        )
        for size in sizes
    )
    memory = ModelsMemory(
        peak_bytes={each.name: {1: 0} for each in models},
        step_bytes={each.name: None for each in models},
        method="none",
    )
    times = ModelsTimes(models=models, step_batch=1, machine=result.machine)
    made = summarize_models([times], memory)
    (exponent,) = made.exponents
    assert exponent.value == pytest.approx(1.5)
    assert exponent.interval == pytest.approx((1.5, 1.5))
    assert (exponent.over, exponent.at, exponent.numbers) == ("pixels", "1 image", (64, 256, 4096))
    assert {model.inference[1].ratio for model in made.models} == {1}
    assert "1.50 [1.50, 1.50]" in rendered([models_page(made)], for_screen=False)
    assert result.exponents == ()


def test_the_exponent_over_batches_is_that_of_made_up_times(result):
    first = ModelTimes(
        name="m",
        network="m",
        input_shape=(8, 8, 3),
        sizes=result.models[0].sizes,
        first_call_seconds=1.0,
        warm_up_calls={},
        seconds={n: (1e-3 * n**0.8, 2e-3 * n**0.8) for n in (1, 4, 16)},
        step_seconds=(1.0, 1.0),
    )
    memory = ModelsMemory(peak_bytes={"m": {}}, step_bytes={"m": None}, method="none")
    memory = memory.model_copy(update={"peak_bytes": {"m": dict.fromkeys((1, 4, 16), 0)}})
    times = ModelsTimes(models=(first,), step_batch=1, machine=result.machine)
    (exponent,) = summarize_models([times], memory).exponents
    assert exponent.value == pytest.approx(0.8)
    assert (exponent.over, exponent.at, exponent.numbers) == ("batch", "8x8", (1, 4, 16))


def test_the_figure_has_a_row_a_call_and_a_dot_a_network(result):
    figure = models_figure(result)
    (axes,) = figure.axes
    rows = ["Inference, 1 image", f"Inference, {BATCHES[1]} images", "Training step, 4 images"]
    written = [text.get_text() for text in axes.texts]
    assert [text for text in written if text in rows] == rows
    dots = [line.get_xdata()[0] for line in axes.lines]
    first = [1000 * model.inference[1].median for model in result.models]
    assert dots[:3] == pytest.approx(first)
    assert len(dots) == 9


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["keras_io_in"], "did you mean the architecture keras_io_inn?"),
        (["{architecture: rednet, depht: 26}"], "did you mean 'depth'?"),
        (["{architecture: rednett}"], "rednet"),
        (["{depth: 26}"], "expected a mapping such as"),
        (["{architecture: [rednet"], "not valid YAML"),
        (["keras_io_inn", "keras_io_inn"], "name it once"),
        (["keras_io_inn", "-S", "seeds=1"], "--set needs a spec"),
        (["nowhere.yaml"], "no such file"),
        (["keras_io_inn", "--image-size", "0x3"], "--image-size 0x3"),
        (["keras_io_inn", "--json", "--md"], "exclude each other"),
        (["keras_io_inn", "-o", "times.jpg"], "ends in .png, .svg, .pdf"),
    ],
    ids=str,
)
def test_bad_input_is_one_clear_line(arguments, says, tmp_path):
    done = called("bench", "model", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("here")
def test_what_no_network_can_be_built_for_is_said(tmp_path):
    done = called("bench", "model", "keras_io_cnn", "--image-size", "2", cwd=tmp_path)
    assert done.returncode == 2
    assert "keras_io_cnn cannot be built for 2x2x3 images" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_document_is_strict_json(printed):
    assert json.loads(printed)["schema_version"] == 1


def test_batches_that_do_not_fit_into_memory_are_halved(monkeypatch):
    from involbench.benchmark import models

    _, trial = adhoc_trial("keras_io_control")
    case = models.Case("control", "control", trial, (128, 128, 3), 10)
    values = 3 * 128 * 128 * (1 + 2 / 4 + 3 / 16) + 64 + 10
    free = SimpleNamespace(available=4 * values * 7)  # As much as seven images make.
    monkeypatch.setattr(models.psutil, "virtual_memory", lambda: free)
    assert models.fitting_batches([case], (1, 4, 32, 64), 32) == ((1, 4), 2)
    free.available = 1
    assert models.fitting_batches([case], (32,), 32) == ((1,), 1)


class Small:
    """A worker on a device that runs out of memory beyond a batch."""

    def __init__(self, most: int, error: Exception) -> None:
        self.most, self.error = most, error

    def call(self, handler, show, wanted):
        if max(*wanted.batches, wanted.step_batch) > self.most:
            raise self.error
        return "measured"


@pytest.mark.parametrize(
    "error",
    [
        InvolbenchError("ResourceExhaustedError: OOM when allocating tensor"),
        InvolbenchError("OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"),
        WorkerDied("the worker process was killed by SIGKILL", "SIGKILL"),
    ],
    ids=str,
)
def test_batches_are_halved_where_the_device_runs_out_of_memory(error):
    wanted, said = ModelBenchmark((), (), (1, 16, 64), 32, 2, "gpu"), []
    fitting, memory = _with_memory(wanted, Small(20, error), said.append)
    assert (fitting.batches, fitting.step_batch, memory) == ((1, 16), 8, "measured")
    assert "out of memory; trying inferences of 1, 16 images, steps of 8" in said[-1].text
    with pytest.raises(InvolbenchError, match=str(error)[:20]):
        _with_memory(wanted, Small(0, error), said.append)
    with pytest.raises(InvolbenchError, match="another"):
        _with_memory(wanted, Small(20, InvolbenchError("another")), said.append)
