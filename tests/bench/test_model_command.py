"""`involbench bench model`: what it prints, and that its numbers follow from its samples."""

import csv
import io
import json
from statistics import median

import pytest

from involbench.analysis.benchmark_models import ModelsBenchmark
from involbench.cli.page import rendered
from involbench.reporting.tables_csv import csv_text
from involbench.reporting.tables_models import models_markdown, models_rows, models_view
from tests.cli import called, involbench

SPEC = """\
name: two
data: {dataset: digits, image_size: 128}
models:
  control: {architecture: keras_io_control}
  inn: {architecture: keras_io_inn}
baseline: control
"""
PLAIN = "{architecture: plain, operator: depthwise, widths: [4, 8]}"
NAMES = ["control", "inn", "plain depthwise 4-8"]
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
        assert len(model.step.samples) == 2  # In the first repeat and the sixth.
        assert min(model.warm_up_calls.values()) >= 6
        assert model.first_call_seconds > model.inference[1].median
        assert model.step_bytes > 0


def test_sizes_are_those_of_the_networks(result):
    control, inn, plain = (model.sizes for model in result.models)
    # A ReLU; a pooling and a ReLU; a pooling, a ReLU and its result flattened; the head.
    values = 3 * 128 * 128
    assert control.activations == values * (1 + 2 / 4 + 3 / 16) + 64 + 10
    assert control.macs == values // 16 * 64 + 64 * 10
    assert inn.parameters - control.parameters == 78
    assert plain.parameters > inn.parameters
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
    lines = rendered(models_view(result), for_screen=False).splitlines()
    assert max(map(len, lines)) <= 80
    assert len([line for line in lines if line.split()[:1] == ["inn"]]) == 4
    markdown = models_markdown(result)
    assert markdown.count("| inn |") == 4
    heading, *rows = csv.reader(io.StringIO(csv_text(models_rows(result))))
    assert len(rows) == 9
    (row,) = (
        dict(zip(heading, r, strict=True)) for r in rows if r[:3] == ["inn", "inference", "1"]
    )
    assert float(row["median"]) == result.models[1].inference[1].median
    assert int(row["parameters"]) == result.models[1].sizes.parameters


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["keras_io_in"], "did you mean the architecture keras_io_inn?"),
        (["{architecture: rednet, depht: 26}"], "did you mean 'depth'?"),
        (["{architecture: rednett}"], "rednet"),
        (["{depth: 26}"], "expected a mapping such as"),
        (["{architecture: [rednet"], "no YAML"),
        (["keras_io_inn", "keras_io_inn"], "name it once"),
        (["keras_io_inn", "-S", "seeds=1"], "--set is for specs"),
        (["nowhere.yaml"], "no such file"),
        (["keras_io_inn", "--image-size", "0x3"], "--image-size 0x3"),
        (["keras_io_inn", "--json", "--md"], "exclude each other"),
    ],
    ids=str,
)
def test_bad_input_is_one_clear_line(arguments, says, tmp_path):
    done = called("bench", "model", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_no_network_can_be_built_for_is_said(tmp_path):
    done = involbench("bench", "model", "keras_io_cnn", "--image-size", "2", cwd=tmp_path)
    assert done.returncode == 2
    assert "keras_io_cnn cannot be built for 2x2x3 images" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_document_is_strict_json(printed):
    assert json.loads(printed)["schema_version"] == 1
