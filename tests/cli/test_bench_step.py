"""`involbench bench step`, and what stops a benchmark."""

import json
import signal
from statistics import median

import pytest

from involbench.cli._output import rendered
from involbench.comparison.benchmarks import StepBenchmark
from involbench.reporting.tables.benchmarks import step_page
from involbench.results.benchmarks import NETWORKS
from tests.cli import involbench, spawn


@pytest.fixture(scope="module")
def printed(once):
    def run(folder):
        done = involbench("bench", "step", "--repeats", 2, "--json", cwd=folder)
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout + done.stderr
        (folder / "step.json").write_text(done.stdout)

    return (once("bench step", run) / "step.json").read_text()


@pytest.mark.thorough
def test_steps_of_the_same_network_on_both_layers(printed):
    benchmark = json.loads(printed)
    networks = benchmark["networks"]
    assert set(networks) == set(NETWORKS)
    ours, theirs = networks["involution"], networks["patches"]
    for network in networks.values():
        ratios = [a / b for a, b in zip(network["samples"], ours["samples"], strict=True)]
        assert network["ratio"]["median"] == pytest.approx(median(ratios))
        assert len(network["losses"]) == 1 + len(network["samples"]) == 3
    apart = [abs(a - b) for a, b in zip(ours["losses"], theirs["losses"], strict=True)]
    assert benchmark["largest_loss_difference"] == max(apart) < 1e-4
    assert ours["losses"][0] > ours["losses"][-1]
    assert networks["control"]["losses"][0] != ours["losses"][0]


@pytest.mark.thorough
def test_its_table_has_every_network_and_fits_80_columns(printed):
    shown = rendered([step_page(StepBenchmark.model_validate_json(printed))], for_screen=False)
    assert max(map(len, shown.splitlines())) <= 80
    for name in ("published layer", "our layer", "no involution"):
        assert f"\n {name} " in shown
    assert "at most" in shown
    assert "on CPU (" in shown


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_it(sent, code, tmp_path):
    process = spawn("bench", "step", "--repeats", 10_000, cwd=tmp_path)
    assert "starting Keras" in process.stderr.readline()
    process.send_signal(sent)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert output == ""
    assert "Traceback" not in errors
