"""Settings of the user that a spec does not have: none of them changes a result without a word.

Those of a group go together in one run, so that a run for each is not needed.
"""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from involbench.workers.environment import fate_of
from tests.cli import called, involbench

SPEC = """\
name: tiny
data: {dataset: digits, image_size: 8, train_size: 60, validation: test}
models:
  cnn: {architecture: plain, widths: [8]}
  inn: {architecture: plain, operator: involution, widths: [16]}
training: {epochs: 2, batch_size: 25, optimizer: adam}
seeds: 1
baseline: cnn
"""
KERAS_JSON = "keras/keras.json"

GROUPS = {
    "other numbers": (
        {
            "KERAS_MAX_EPOCHS": "1",
            "KERAS_NNX_ENABLED": "true",
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "NUMBA_DISABLE_JIT": "1",
            "NUMBA_OPT": "0",
            "TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_LEVEL": "TREAT_INFER_AS_ALLOW",
            "TF_ENABLE_AUTO_MIXED_PRECISION": "1",
            "TF_ONEDNN_ASSUME_FROZEN_WEIGHTS": "1",
            "TF_USE_LEGACY_KERAS": "1",
            "TF2_BEHAVIOR": "0",
            "MPLCONFIGDIR": "mpl",
        },
        {
            KERAS_JSON: json.dumps(
                {"image_data_format": "channels_first", "floatx": "float16", "epsilon": 0.1}
            ),
            "mpl/matplotlibrc": "text.usetex: true\nfigure.dpi: 400\nfont.size: 40\n",
        },
    ),
    "others of the same": (
        {
            "KERAS_MAX_STEPS_PER_EPOCH": "1",
            "MPLBACKEND": "tkagg",
            "NUMBA_BOUNDSCHECK": "1",
            "NUMBA_NUM_THREADS": "1",
            # These may differ, and change nothing where nothing is multiplied by a GPU or by MKL.
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
            "MKL_CBWR": "COMPATIBLE",
            "NVIDIA_TF32_OVERRIDE": "0",
            "OMP_WAIT_POLICY": "passive",
            "PYTHONHASHSEED": "7",
            "PYTHONUTF8": "0",
            "LC_ALL": "C",
            "TZ": "Pacific/Chatham",
            "TF_CPP_MIN_LOG_LEVEL": "0",
        },
        {
            KERAS_JSON: json.dumps({"floatx": "float64", "nnx_enabled": True}),
            "matplotlibrc": "backend: qtagg\nsavefig.transparent: true\nfont.family: fantasy\n",
            ".numba_config.yaml": "disable_jit: 1\nopt: 0\n",
        },
    ),
}


def _run(folder: Path, variables: dict[str, str], files: dict[str, str]) -> SimpleNamespace:
    """Train there, where these files lie."""
    for name, text in {"tiny.yaml": SPEC, **files}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    home = {"KERAS_HOME": str(folder / "keras"), "HOME": str(folder), **variables}
    return involbench("run", "tiny.yaml", "-q", cwd=folder, **home)


def _results(folder: Path) -> dict[str, object]:
    """What every run left, but for times, and all plots."""
    found: dict[str, object] = {}
    for run in sorted(folder.glob("results/tiny/runs/*")):
        history = json.loads((run / "history.json").read_text())
        assert len(history.pop("seconds")) == 2
        found[f"{run.name} history"] = history
        for name in ("parameters.json", "predictions.npz"):
            found[f"{run.name} {name}"] = (run / name).read_bytes()
    for plot in sorted(folder.glob("results/**/*.png")):
        found[str(plot.relative_to(folder))] = plot.read_bytes()
    return found


@pytest.fixture(scope="module")
def plain(once):
    """Where the experiment was run, with no such setting."""

    def run(folder):
        (folder / "keras").mkdir()
        done = _run(folder, {}, {})
        assert done.returncode == 0, done.stderr

    return once("ambient plain", run)


@pytest.mark.parametrize("group", GROUPS)
def test_no_setting_but_the_spec_changes_a_result(group, plain, tmp_path):
    done = _run(tmp_path, *GROUPS[group])
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert "cannot be drawn" not in done.stderr
    wanted, found = _results(plain), _results(tmp_path)
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if found[name] != wanted[name]] == []
    assert sum(name.endswith(".png") for name in wanted) == 2 * 3
    _check_records(plain, tmp_path, GROUPS[group][0])


def _check_records(plain: Path, folder: Path, variables: dict[str, str]) -> None:
    """What may differ is in `run.json`, and a comparison warns of it."""
    may_differ = {name: variables[name] for name in variables if fate_of(name) == "recorded"}
    then, now = (
        [json.loads(path.read_text())["environment"] for path in where.rglob("run.json")]
        for where in (plain, folder)
    )
    assert now == [each | may_differ for each in then]
    done = called("compare", "--against", plain / "results", cwd=folder)
    assert ("run in another environment" in done.stderr) == bool(may_differ)
    for name, value in may_differ.items():
        assert f"{name}={value}" in done.stderr


def test_the_groups_have_fifteen_settings_that_would_change_results():
    variables = {name for group, _ in GROUPS.values() for name in group}
    entries = sum(
        len(json.loads(text)) if name == KERAS_JSON else text.count("\n")
        for _, files in GROUPS.values()
        for name, text in files.items()
    )
    assert sum(fate_of(name) == "ignored" for name in variables) + entries >= 15


def test_a_plot_that_cannot_be_drawn_is_a_warning(here, eager, monkeypatch, tmp_path):
    def savefig(*_, **__):
        raise RuntimeError("Failed to process string with tex\nbecause latex could not be found")

    (tmp_path / "tiny.yaml").write_text(SPEC)
    monkeypatch.setattr(Figure, "savefig", savefig)
    done = called("run", "tiny.yaml", "-q", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: the plots")]
    assert len(warnings) == 3
    for warning in warnings:
        assert warning.endswith(
            " cannot be drawn: RuntimeError: Failed to process string with tex "
            "because latex could not be found"
        )
    runs = sorted(tmp_path.glob("results/tiny/runs/*"))
    assert {run.name.partition("-")[0] for run in runs} == {"cnn", "inn"}
    for run in runs:
        assert json.loads((run / "run.json").read_text())["status"] == "finished"
        with np.load(run / "predictions.npz") as arrays:
            assert len(arrays["predicted"]) == 359
    assert "inn" in done.stdout
    assert (tmp_path / "results/tiny/comparison.json").exists()

    done = called("report", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "results/tiny/report.html").read_text()
    assert page.count("cannot be drawn: RuntimeError") >= 4  # Each in its place, and all above.
    assert "warning: tiny: the chart 'Loss while training' cannot be drawn: Runt" in done.stderr

    done = called("kernels", "tiny/inn-seed0", "--test", "2", "-o", "maps.png", cwd=tmp_path)
    assert done.returncode == 1
    assert "warning: maps.png cannot be drawn: RuntimeError: Failed" in done.stderr
    assert re.search(r"\n \S+ +[0-9]x[0-9] ", done.stdout)
