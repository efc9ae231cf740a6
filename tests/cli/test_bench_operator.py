"""`involbench bench operator`: what it prints, and that its numbers follow from its samples."""

import json
from statistics import geometric_mean, median, quantiles

import pytest

from involbench.cli._output import rendered
from involbench.comparison.benchmarks import OperatorBenchmark
from involbench.reporting.tables.benchmarks import operator_page
from involbench.results.benchmarks import PARTS
from tests.cli import called, involbench

SHAPES = ("4,32,32,16,7,2", "1,6,7,2,1,1")
FLOAT = 4
OPTIONS = ("--repeats", 3, "--device", "cpu", "--json")


@pytest.fixture(scope="module")
def printed(once):
    def run(folder):
        flags = [flag for shape in SHAPES for flag in ("--shape", shape)]
        done = involbench("bench", "operator", *flags, *OPTIONS, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert f"[2/2] {SHAPES[1]}" in done.stderr
        assert "\x1b" not in done.stdout + done.stderr
        (folder / "operator.json").write_text(done.stdout)

    return (once("bench operator", run) / "operator.json").read_text()


@pytest.fixture(scope="module")
def benchmark(printed):
    return json.loads(printed)


def parts(benchmark):
    for shape in benchmark["shapes"]:
        for form in shape["forms"]:
            for part in PARTS:
                yield shape, form, part, shape["forms"][form]["parts"][part]


@pytest.mark.thorough
def test_the_document_has_every_field(printed, benchmark):
    OperatorBenchmark.model_validate_json(printed)
    assert [",".join(map(str, s["shape"].values())) for s in benchmark["shapes"]] == [*SHAPES]
    assert benchmark["repeats"] == 3
    assert {"involbench", "keras", "tensorflow", "python"} <= set(benchmark["machine"]["versions"])
    assert benchmark["machine"]["hardware"]["cores"] >= 1
    assert all(len(part["samples"]) == 3 for *_, part in parts(benchmark))


@pytest.mark.thorough
def test_medians_and_ratios_follow_from_the_samples(benchmark):
    for shape, form, name, part in parts(benchmark):
        ours = shape["forms"]["involution"]["parts"][name]
        ratios = [a / b for a, b in zip(part["samples"], ours["samples"], strict=True)]
        lower, _, upper = quantiles(ratios, n=4, method="inclusive")
        assert part["seconds"]["median"] == median(part["samples"])
        assert part["ratio"] == {
            "median": pytest.approx(median(ratios)),
            "lower_quartile": pytest.approx(lower),
            "upper_quartile": pytest.approx(upper),
        }
        # At the second shape an involution may take no page that was not there before.
        peak = ours["peak_bytes"]
        expected = pytest.approx(part["peak_bytes"] / peak) if peak else None
        assert part["memory_ratio"] == expected, form


@pytest.mark.thorough
def test_geometric_means_follow_from_the_medians(benchmark):
    # Where the tests have an environment to themselves, PyTorch is not beside TensorFlow.
    assert set(benchmark["geometric_means"]) >= {"involution", "patches", "depthwise", "conv3x3"}
    for form, means in benchmark["geometric_means"].items():
        for part in PARTS:
            each = [shape["forms"][form]["parts"][part] for shape in benchmark["shapes"]]
            ratio = geometric_mean(one["ratio"]["median"] for one in each)
            share = geometric_mean(one["floor_share"] for one in each)
            assert means[part]["ratio"] == pytest.approx(ratio)
            assert means[part]["floor_share"] == pytest.approx(share)


@pytest.mark.thorough
def test_the_floor_counts_every_array_once(benchmark):
    shape = benchmark["shapes"][0]
    image = 4 * 32 * 32 * 16 * FLOAT
    kernels = 4 * 32 * 32 * 2 * 49 * FLOAT
    applied = {
        "involution": kernels,
        "patches": kernels,
        "depthwise": 49 * 16 * FLOAT,
        "conv3x3": 9 * 16 * 16 * FLOAT,
    }
    copy = shape["copy_bytes_per_second"]["median"]
    assert copy == median(shape["copy_samples"])
    for form, second in applied.items():
        floors = {
            "forward": 2 * image + second,
            "forward_and_gradients": 4 * image + 2 * second,
        }
        for name, floor in floors.items():
            part = shape["forms"][form]["parts"][name]
            assert part["floor_bytes"] == floor
            assert part["results_bytes"] == floor - image - second - ("and" in name) * image
            expected = floor / copy / part["seconds"]["median"]
            assert part["floor_share"] == pytest.approx(expected)


@pytest.mark.thorough
def test_peak_memory_sees_the_patches(benchmark):
    patches = 49 * 4 * 32 * 32 * 16 * FLOAT
    peaks = {
        form: benchmark["shapes"][0]["forms"][form]["parts"]["forward"]["peak_bytes"]
        for form in ("patches", "involution")
    }
    assert patches <= peaks["patches"] <= 4 * patches
    assert 0 < peaks["involution"] <= patches / 3


@pytest.mark.thorough
def test_training_on_colour_images_needs_an_eighth_of_the_patches_memory(tmp_path):
    done = involbench(
        *("bench", "operator", "--shape", "256,32,32,3,3,1", "--repeats", "2", "--json"),
        cwd=tmp_path,
    )
    forms = json.loads(done.stdout)["shapes"][0]["forms"]
    ours, patches = (
        forms[form]["parts"]["forward_and_gradients"] for form in ("involution", "patches")
    )
    needed, theirs = (part["peak_bytes"] - part["results_bytes"] for part in (ours, patches))
    assert 0 <= needed <= theirs / 8


@pytest.mark.thorough
def test_the_tables_are_plain_and_80_columns_wide(printed):
    text = rendered(
        [operator_page(OperatorBenchmark.model_validate_json(printed))], for_screen=False
    )
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in text
    assert len([line for line in lines if line.split()[:1] == [SHAPES[1]]]) == 4
    assert "Median of 3 repeats" in text
    assert "on CPU (" in text


@pytest.mark.thorough
def test_a_wide_shape_stays_on_its_line(benchmark):
    wide = "256,224,224,64,7,4"
    first = benchmark["shapes"][0]
    shape = dict(zip(first["shape"], map(int, wide.split(",")), strict=True))
    shown = OperatorBenchmark.model_validate_json(
        json.dumps({**benchmark, "shapes": [{**first, "shape": shape}]})
    )
    lines = rendered([operator_page(shown)], for_screen=False).splitlines()
    assert max(map(len, lines)) <= 80
    assert len([line for line in lines if line.split()[:1] == [wide]]) == 4


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ("8,8,8,6,3", "expected six whole numbers B,H,W,C,K,G"),
        ("8,8,8,six,3,2", "expected six whole numbers B,H,W,C,K,G"),
        ("8,8,8,-6,3,2", "expected six whole numbers B,H,W,C,K,G"),
        ("8,8,8," + "9" * 5000 + ",3,2", "expected six whole numbers B,H,W,C,K,G"),
        ("8,8,8,6,3,4", "the groups must divide the 6 channels; 4 do not"),
        ("8,8,8,6,4,2", "the kernel size must be odd; use 3 or 5, not 4"),
        ("8,0,8,6,3,2", "height must be at least 1"),
        ("8,8,8,6,3,0", "groups must be at least 1"),
    ],
)
def test_a_shape_that_no_involution_has_is_one_clear_line(shape, says, tmp_path):
    # The good shape before it is not measured first.
    done = called("bench", "operator", "--shape", SHAPES[1], "--shape", shape, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"error: --shape {shape}: {done.stderr.partition(f'{shape}: ')[2]}"
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("flags", [("--repeats", 1), ("--device", "tpu")], ids=str)
def test_bad_flags_are_usage_errors(flags, tmp_path):
    done = called("bench", "operator", *flags, cwd=tmp_path)
    assert done.returncode == 2
    assert flags[0] in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("here")
def test_a_shape_that_fills_the_memory_is_refused(tmp_path):
    done = called("bench", "operator", "--shape", "4096,512,512,256,7,16", cwd=tmp_path)
    assert done.returncode == 2
    assert "GiB are free" in done.stderr
    assert "Traceback" not in done.stderr
