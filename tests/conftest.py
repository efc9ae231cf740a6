"""Fixtures of all tests."""

import gc
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from involbench.workers.environment import USUAL
from tests.effort import THOROUGH, examples

# What trains in this process gives the bits of a worker; commands in processes of their own
# (`tests.cli`) must see to that themselves.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", USUAL["TF_ENABLE_ONEDNN_OPTS"])

# How long a busy machine takes to generate inputs says nothing of the code.
settings.register_profile("involbench", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("involbench")

gc.disable()  # Until all is imported, which stays and need never be looked through.


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if item.get_closest_marker("thorough") and not THOROUGH]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="module", autouse=True)
def light_heap() -> Iterator[None]:
    """What a module's tests have left need not be looked through in those of the next.

    Keras collects garbage at each training, which a full heap makes take most of its time.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def once(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Callable[[str, Callable[[Path], None]], Path]:
    """`once(name, fill)`: a folder that `fill` has filled, once for all of pytest's processes."""
    session = tmp_path_factory.getbasetemp()
    shared = session.parent if hasattr(request.config, "workerinput") else session

    def folder(name: str, fill: Callable[[Path], None]) -> Path:
        path = shared / name
        with FileLock(f"{path}.lock"):
            if not path.exists():
                unfinished = tmp_path_factory.mktemp(name)
                fill(unfinished)
                unfinished.rename(path)
        return path

    return folder


@dataclass(frozen=True)
class Printed:
    """What a command printed."""

    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def smoke(once):
    """The folder where experiments/smoke.yaml was run, and what the run printed."""
    from tests.cli import EXPERIMENTS, involbench

    def run(folder):
        tensorboard = ("--tensorboard", "board") if find_spec("tensorboardX") else ()
        done = involbench("run", EXPERIMENTS / "smoke.yaml", *tensorboard, cwd=folder)
        assert done.returncode == 0, done.stderr
        (folder / "stdout.txt").write_text(done.stdout)
        (folder / "stderr.txt").write_text(done.stderr)

    folder = once("smoke run", run)  # A path with a space, as users have.
    return folder, Printed(*((folder / f"{name}.txt").read_text() for name in ("stdout", "stderr")))


@pytest.fixture(scope="session")
def undisturbed(once):
    """The outcome of the experiment of `resumable` where nothing cuts it off."""
    from tests.cli import involbench
    from tests.e2e.resumable import KILLED, outcome, prepared

    def run(folder):
        done = involbench("run", prepared(folder, KILLED), cwd=folder)
        assert done.returncode == 0, done.stderr

    found = outcome(once("undisturbed run", run))
    assert len(found) == examples(1, 2)
    return found


@pytest.fixture
def here() -> Iterator[None]:
    """Commands train and look in this process, which has started TensorFlow, and in no other."""
    from tests.in_process import in_this_process

    with in_this_process():
        yield


@pytest.fixture
def eager() -> Iterator[None]:
    """The backend compiles nothing, which takes many times as long as the few steps of a test."""
    from tests.in_process import eagerly

    with eagerly():
        yield


@pytest.fixture
def plugins() -> Iterator[None]:
    """What a test imports with --plugin, or registers, is gone after it."""
    from involbench import plugins, registry

    with pytest.MonkeyPatch.context() as patch:
        for kind in ("operators", "architectures", "datasets", "prediction_metrics"):
            name = f"_{kind}".replace("prediction_", "")
            patch.setattr(registry, name, dict(getattr(registry, kind)()))
        patch.setattr(plugins, "_files", {})
        patch.setattr(plugins, "_installed", False)
        yield


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run in this process draws no plots of its trials, which take longer than a brief training.

    `smoke` and tests/e2e/test_environment.py draw them.
    """
    monkeypatch.setattr("involbench.api.run.write_run_plots", lambda *_: None)


@pytest.fixture(scope="module")
def double_precision() -> Iterator[None]:
    """JAX has float64 only where it is enabled, and then in all that this process does."""
    from tests.ops.backends import BACKEND

    if BACKEND != "jax":
        yield
        return
    import jax

    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)
