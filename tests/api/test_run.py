"""`involbench.run`: what a script or a notebook trains is what the command line trains."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

import involbench
from involbench.errors import SpecError, UsageError
from involbench.workers import handlers
from tests.cli import BRIEF, called, surroundings
from tests.e2e.resumable import KILLED, outcome

SPEC = {
    "name": "tiny",
    "data": {"dataset": "digits", "train_size": np.int64(100), "validation": "test"},
    "models": {
        "cnn": {"architecture": "keras_io_control"},
        "inn": {"architecture": "keras_io_control"},
    },
    "training": {"epochs": 1, "batch_size": 50},
    "seeds": range(2),
    "baseline": "cnn",
}


@pytest.mark.usefixtures("here", "eager", "undrawn")
def test_the_spec_of_a_mapping_is_one_that_the_command_line_goes_on_with(tmp_path, capsys):
    experiment = involbench.run(
        SPEC, overrides={"training.epochs": 2}, results=tmp_path / "results", progress=False
    )
    assert capsys.readouterr() == ("", "")
    assert (experiment.name, experiment.folder) == ("tiny", tmp_path / "results/tiny")
    spec = tmp_path / "results/tiny/spec.yaml"
    assert yaml.safe_load(spec.read_text()) == {
        **SPEC,
        "data": {"dataset": "digits", "train_size": 100, "validation": "test"},
        "training": {"epochs": 2, "batch_size": 50},
        "seeds": [0, 1],
    }
    again = called("run", spec, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "0 trials to run, 4 finished before" in again.stderr
    command = ("run", str(spec), "--results", str(tmp_path / "results"))
    assert experiment.best("inn").record.argv == command


@pytest.mark.usefixtures("here", "eager", "undrawn")
def test_progress_is_what_the_command_line_prints_on_stderr(tmp_path, capsys):
    (tmp_path / "tiny.yaml").write_text(BRIEF)
    printed = called("run", "tiny.yaml", "--results", "printed", "--seeds", 1, cwd=tmp_path)
    overrides = ["seeds=1"]
    involbench.run(tmp_path / "tiny.yaml", overrides=overrides, results=tmp_path / "results")
    out, err = capsys.readouterr()
    assert out == ""
    assert _without_times(err) == _without_times(printed.stderr)
    assert "2 trials to run" in err


def _without_times(text: str) -> list[str]:
    lines = [line.partition(" left")[0].rpartition("  ")[0] or line for line in text.splitlines()]
    return [line.partition(" in ")[0] for line in lines]


@pytest.mark.usefixtures("here", "eager", "undrawn")
def test_a_failed_trial_stops_no_other_and_is_tried_again(tmp_path, monkeypatch):
    train = handlers._train

    def fails(session, request):
        if request.trial.seed == 0 and request.trial.model == "inn":
            raise MemoryError("no memory for it")
        return train(session, request)

    options = {"results": tmp_path / "results", "progress": False}
    with monkeypatch.context() as patch:
        patch.setattr(handlers, "_train", fails)
        experiment = involbench.run(SPEC, **options)
    (failed,) = experiment.failed
    assert (failed.record.trial.model, failed.record.trial.seed) == ("inn", 0)
    assert failed.record.error == "MemoryError: no memory for it"
    assert experiment.compare().n_runs == 4
    with pytest.raises(UsageError, match=r"inn-seed0-.* is failed: it has no trained network"):
        failed.load_model()
    assert involbench.run(SPEC, **options).failed == []


SCRIPT = """
import json, sys, involbench
spec = json.load(open("spec.json"))
experiment = involbench.run(spec, jobs=2, progress="quietly" not in sys.argv)
print(experiment.name)
"""
"""Without `if __name__ == "__main__"`: a worker process must not run it, too."""


def test_an_interrupt_is_raised_and_the_same_call_goes_on(undisturbed, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "spec.json").write_text(json.dumps(yaml.safe_load(KILLED)))
    command = [sys.executable, "script.py"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=surroundings(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 120
    while len([*tmp_path.glob("results/tiny/runs/*/checkpoint/*.npz")]) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    printed, errors = process.communicate(timeout=120)
    assert (process.returncode, printed) == (-signal.SIGINT, "")
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
    assert "stopping after the running step" in errors
    assert [*tmp_path.glob("results/tiny/runs/*/checkpoint/*.npz")]
    again = subprocess.run(
        [*command, "quietly"], cwd=tmp_path, env=surroundings(), capture_output=True, text=True
    )
    assert (again.returncode, again.stdout, again.stderr) == (0, "tiny\n", "")
    assert outcome(tmp_path) == undisturbed
    notes = [
        json.loads(path.read_text())["notes"] for path in tmp_path.glob("results/*/runs/*/run.json")
    ]
    assert any("resumed after epoch" in note for each in notes for note in each)


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"seeds": -1}, ["seeds: expected how many seeds (1 to 10000) or a list of seeds, got -1"]),
        (
            {"models": {"cnn": {"architecture": "keras_io_cn"}}},
            ["models.cnn.architecture: unknown architecture 'keras_io_cn'; did you mean "
             "'keras_io_cnn'?"],
        ),
        (
            {"training": {"epochs": "many", "batch_size": float("nan")}},
            ["training.epochs: expected a whole number, got the text 'many'",
             "training.batch_size: expected a finite number, got .nan"],
        ),
        ({"data": {"dataset": print}}, ["data.dataset: expected text, a number, a list or a "
         "mapping, got an object of builtin_function_or_method"]),
        ({7: 8}, ["expected keys that are text, got 7"]),
    ],
)  # fmt: skip
def test_errors_of_a_mapping_have_key_paths_and_no_lines(changes, lines, tmp_path):
    with pytest.raises(SpecError) as caught:
        involbench.run({**SPEC, **changes}, results=tmp_path / "results")
    assert sorted(str(caught.value).splitlines()) == sorted(f"spec: {line}" for line in lines)
    assert not (tmp_path / "results").exists()


def test_a_mapping_that_contains_itself_is_refused():
    spec = {**SPEC}
    spec["training"] = spec
    with pytest.raises(SpecError, match=r"^spec: training.training.training: nested too deeply"):
        involbench.run(spec)


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        (SPEC, {"overrides": ["seeds"]}, "overrides: seeds: expected KEY=VALUE"),
        (SPEC, {"overrides": ["seeds=x"]}, "overrides: seeds=x: expected how many seeds"),
        (SPEC, {"overrides": {"seeds": "x"}}, "overrides: seeds=x: expected how many seeds"),
        (SPEC, {"overrides": {"seeds": print}}, "overrides: seeds: expected text, a number"),
        (SPEC, {"overrides": "seeds=1"}, "overrides: expected a list or a mapping"),
        (SPEC, {"jobs": 0}, "jobs=0: expected at least 1"),
        (SPEC, {"device": "tpu"}, "device='tpu': expected auto, cpu, gpu or gpu:INDEX"),
        (7, {}, "spec: expected a path or a mapping, got 7"),
        ("nowhere/tiny.yaml", {}, "nowhere/tiny.yaml: no such file; check the path"),
        ("smok", {}, "smok: no such file; did you mean smoke?"),
        ({}, {}, "spec: name: missing; this key is required"),
    ],
)
def test_a_wrong_argument_is_named(spec, options, message, tmp_path):
    with pytest.raises(UsageError) as caught:
        involbench.run(spec, results=tmp_path / "results", **options)
    assert str(caught.value).startswith(message)
    assert not Path(tmp_path / "results").exists()
