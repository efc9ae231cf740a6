"""`involbench doctor`: what is well, what is not, and what to do about it.

TensorFlow is started in this process, in place of a worker for each command.
"""

import json
import os
import stat
import subprocess
from contextlib import contextmanager

import pytest

from involbench import optional_dependencies as extras
from involbench.results.checks import Examination
from involbench.runner import doctor as gpus
from involbench.workers.environment import USUAL, fate_of
from tests.cli import COMMAND, TINY, called, involbench, without_packages


@pytest.fixture
def here(here, tmp_path, monkeypatch):
    """A folder with a spec, where the command asks this process."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("INVOLBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    (tmp_path / "keras").mkdir()
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path


def examined(folder, *arguments, code=0):
    """(topic, name) -> (status, found, remedy), of each finding."""
    done = called("doctor", *arguments, "--json", cwd=folder)
    assert done.returncode == code, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document.pop("schema_version") == 1
    status = document.pop("status")
    examination = Examination.model_validate_json(json.dumps(document))
    assert (status == "problem") == bool(code)
    return {(f.topic, f.name): (f.status, f.found, f.remedy) for f in examination.findings}


def problems(findings):
    return {place for place, (status, _, _) in findings.items() if status == "problem"}


def test_where_all_is_well_it_says_so_on_one_screen_and_leaves_nothing_behind(here):
    before = set(here.iterdir())
    done = called("doctor", "tiny.yaml", cwd=here)
    assert (done.returncode, done.stderr) == (0, "starting Keras\n"), done.stdout
    lines = done.stdout.splitlines()
    assert len(lines) < 50
    assert [line for line in lines if len(line) > 80 and len(line.split()) > 1] == []
    assert "\x1b" not in done.stdout
    assert lines[-1] == "`involbench run` would work."
    assert [line for line in lines[1:] if line and line[0].islower()] == [
        *("software", "backend", "environment", "folders", "data", "experiment")
    ]
    for said in ("tensorflow 2", "loops compiled by numba", "file locks       work"):
        assert said in done.stdout
    assert "digits: 1,438 images to train on, 359 to test" in " ".join(done.stdout.split())
    assert "cnn, inn can be built; 4 trials" in done.stdout
    assert set(here.iterdir()) == before


def test_json_has_the_machine_as_records_have_it(here):
    document = json.loads(called("doctor", "--json", cwd=here).stdout)
    assert document["machine"]["versions"]["backend"] == "tensorflow"
    assert document["machine"]["hardware"]["cores"] >= 1
    assert "experiment" not in {finding["topic"] for finding in document["findings"]}


def test_several_problems_are_found_in_one_go(here, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "nonsense")
    mine = ("-S", "data.dataset=folder", "-S", "data.path=nowhere")
    found = examined(here, "tiny.yaml", *mine, "--results", "tiny.yaml", code=1)
    assert problems(found) == {
        *(("backend", "backend"), ("folders", "results"), ("experiment", "data"))
    }
    assert found["backend", "backend"][1:] == (
        "'nonsense', chosen by KERAS_BACKEND: it is none of tensorflow, jax, torch",
        "set KERAS_BACKEND=tensorflow",
    )
    assert "--results DIR" in found["folders", "results"][2]
    remedy = f"check data.path; {here / 'nowhere'} was looked for"
    said = ("nowhere: no such file or folder", remedy)
    assert found["experiment", "data"][1:] == said


def test_a_backend_that_keras_json_names_and_nobody_installed(here):
    (here / "keras/keras.json").write_text('{"backend": "torch"}')
    _, found, remedy = examined(here, code=1)["backend", "backend"]
    assert found == f"torch, chosen by {here / 'keras/keras.json'}: not installed"
    assert remedy == "pip install torch, or set KERAS_BACKEND=tensorflow"


@pytest.mark.parametrize("end", ["raise SystemExit(3)", "import os; os.abort()", "1 / 0"])
def test_a_backend_that_fails_at_its_import_is_a_finding(end, tmp_path):
    (tmp_path / "poison/tensorflow").mkdir(parents=True)
    (tmp_path / "poison/tensorflow/__init__.py").write_text(f"{end}\n")
    path = os.pathsep.join([str(tmp_path / "poison"), *os.environ.get("PYTHONPATH", "").split()])
    done = involbench("doctor", cwd=tmp_path, PYTHONPATH=path, KERAS_BACKEND="tensorflow")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    text = " ".join(done.stdout.split())
    assert "problem backend tensorflow, chosen by KERAS_BACKEND: it cannot be started" in text
    why = {"r": "ended with exit code 3", "i": "killed by SIGABRT", "1": "ZeroDivisionError"}[
        end[0]
    ]
    assert why in text
    assert text.endswith("`involbench run` would fail: 1 problem.")
    assert "ok digits" in text


def test_a_folder_that_cannot_be_written_is_a_problem(here):
    _, found, _ = examined(here, "--results", "/proc/results", code=1)["folders", "results"]
    assert found.startswith("/proc/results cannot be written: ")


def test_a_lock_that_keeps_nobody_out_is_a_problem(here, monkeypatch):
    @contextmanager
    def own(folder):
        yield True

    monkeypatch.setattr("involbench.results.checks.lock_run", own)
    found = examined(here, code=1)
    assert problems(found) == {("folders", "file locks")}
    assert "two processes could train the same trial" in found["folders", "file locks"][1]


def test_a_package_that_is_too_old_is_named_and_one_too_few_in_an_extra(here, monkeypatch):
    without_packages(monkeypatch, "mlflow-skinny")
    real = extras.version
    monkeypatch.setattr(extras, "version", lambda name: "13.0" if name == "rich" else real(name))
    found = examined(here, code=1)
    assert problems(found) == {("software", "packages")}
    assert found["software", "packages"][1:] == (
        "too old or missing: rich 13.0",
        "pip install 'rich>=13.9'",
    )
    assert "not installed: mlflow" in found["software", "extras"][1]
    assert found["software", "extras"][2] == "pip install mlflow-skinny"


def test_without_numba_it_is_slower(here, monkeypatch):
    without_packages(monkeypatch, "numba")
    monkeypatch.setattr("involbench.ops.cpu.available", lambda: False)
    found = examined(here)
    assert found["software", "packages"][0] == found["backend", "operator"][0] == "warning"
    assert found["backend", "operator"][2] == "pip install numba"


def test_each_ambient_setting_is_listed_with_what_becomes_of_it(here, monkeypatch):
    for name in (name for name in os.environ if fate_of(name) is not None):
        monkeypatch.delenv(name)
    monkeypatch.setenv("KERAS_HOME", str(here / "keras"))
    monkeypatch.setenv("KERAS_MAX_EPOCHS", "1")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.setenv("NUMBA_SOME_LATER_SWITCH", "2")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    monkeypatch.setenv("OMP_NUM_THREADS", USUAL["OMP_NUM_THREADS"])
    (here / "keras/keras.json").write_text('{"floatx": "float16", "epsilon": 1e-07}')
    (here / "matplotlibrc").write_text("text.usetex: true\n")
    found = examined(here)
    ignored, recorded, used = (
        found["environment", fate][:2] for fate in ("ignored", "recorded", "used")
    )
    assert ignored == (
        "ok",
        "KERAS_MAX_EPOCHS=1, MPLBACKEND=module://matplotlib_inline.backend_inline, "
        f"NUMBA_SOME_LATER_SWITCH=2, {here}/keras/keras.json: floatx=float16, "
        "matplotlibrc",
    )
    assert recorded[1] == (
        "TF_ENABLE_ONEDNN_OPTS=0, XLA_FLAGS=--xla_cpu_enable_fast_math=true "
        "(can change last digits; `compare` warns of it)"
    )
    assert used[1] == f"KERAS_HOME={here}/keras"


def test_a_working_folder_that_was_deleted_is_one_line(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    command = ["sh", "-c", 'rmdir ../gone; exec "$@"', "sh", *COMMAND]
    for arguments in (["doctor"], ["run", "--results", str(tmp_path / "results")]):
        done = subprocess.run(
            [*command, *arguments], cwd=gone, capture_output=True, text=True, timeout=120
        )
        assert (done.returncode, done.stdout) == (2, ""), done.stdout
        last = done.stderr.splitlines()[-1]
        assert last.startswith("error: the working folder no longer exists (")
        assert "Traceback" not in done.stderr
        gone.mkdir()


@pytest.mark.parametrize(("content", "status"), [(None, "warning"), (b"cut short", "problem")])
def test_cifar10_is_never_downloaded(here, content, status):
    kept = here / "keras/datasets/cifar-10-batches-py-target_archive"
    if content:
        kept.parent.mkdir()
        kept.write_bytes(content)
    wanted = ("tiny.yaml", "-S", "data.dataset=cifar10")
    found = examined(here, *wanted, code=int(status == "problem"))
    assert found["data", "cifar10"][0] == ("warning" if content else "ok")
    assert found["experiment", "data"][0] == status
    assert str(kept) in " ".join(found["experiment", "data"][1:])
    assert "cifar-10-python.tar.gz" in found["experiment", "data"][2]
    assert (("experiment", "trials") in found) == (content is None)


def test_trials_that_cannot_be_built_are_named(here):
    found = examined(here, "tiny.yaml", "-S", "data.train_size=100000", code=1)
    assert problems(found) == {("experiment", "trials")}
    assert "a subset of 100000 images" in found["experiment", "trials"][1]


def test_a_bad_spec_is_bad_usage(here):
    done = called("doctor", "tiny.yaml", "-S", "seeds=none", cwd=here)
    assert (done.returncode, done.stdout) == (2, "")
    assert "seeds" in done.stderr


def test_a_gpu_that_the_backend_does_not_see(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H100 80GB HBM3, 81559 MiB, 570.86.15'\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    seen = gpus.examine_gpus("tensorflow", 1)
    assert (seen.status, seen.found) == ("ok", "NVIDIA H100 80GB HBM3, 81559 MiB, 570.86.15")
    unseen = gpus.examine_gpus("tensorflow", 0)
    assert (unseen.status, unseen.remedy) == ("warning", "pip install 'tensorflow[and-cuda]'")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert gpus.examine_gpus("tensorflow", 0).remedy == "unset CUDA_VISIBLE_DEVICES"


def test_a_gpu_is_known_without_the_tool(tmp_path, monkeypatch):
    (tmp_path / "0000:01:00.0").mkdir()
    (tmp_path / "0000:01:00.0/information").write_text("Model: \t\t NVIDIA L4\nIRQ:   24\n")
    monkeypatch.setattr(gpus, "_QUERY", ("no-such-tool",))
    monkeypatch.setattr(gpus, "_DRIVER", tmp_path)
    assert gpus.gpus_of_the_driver() == ["NVIDIA L4"]
    monkeypatch.setattr(gpus, "_DRIVER", tmp_path / "none")
    assert gpus.examine_gpus("tensorflow", 0) is None
