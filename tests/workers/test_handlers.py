"""What a worker does not import, and how its errors reach the runner."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from involbench.errors import DataError, SettingError
from involbench.spec.schema import DataSpec
from involbench.workers.handlers import hide_modules, load_data
from involbench.workers.local import Worker, WorkerLost


def test_what_is_hidden_can_be_imported_afterwards_and_what_is_there_stays():
    import csv

    with hide_modules("csv", "nothing_of_the_kind"):
        assert sys.modules["csv"] is csv
        with pytest.raises(ModuleNotFoundError):
            import nothing_of_the_kind  # noqa: F401
    assert "nothing_of_the_kind" not in sys.modules


def test_a_worker_that_trains_imports_no_package_that_it_has_no_use_for():
    lines = [
        "import sys",
        "from involbench.workers.handlers import _import_heavy_half",
        "_import_heavy_half()",
        "print(sorted({'sklearn', 'matplotlib', 'pandas', 'keras'} & {*sys.modules}))",
        "import sklearn, matplotlib",  # Who needs them has them.
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "['keras']\n"


def test_an_error_of_a_worker_process_arrives_with_its_class_and_all_names(tmp_path: Path) -> None:
    for kind in ("cat", "dog"):
        (tmp_path / kind).mkdir()
        for number in range(6):
            (tmp_path / kind / f"{number}.png").write_text("no image")
    data = DataSpec(dataset="folder", path=str(tmp_path), image_size=8, validation="test")
    with Worker() as worker, pytest.raises(DataError) as caught:
        worker.call(load_data, lambda report: None, data)
    assert len(caught.value.message.names) == 12
    assert "Traceback" in str(caught.value.__cause__)


def test_errors_with_arguments_of_their_own_can_be_sent() -> None:
    names = [f"{number}.png" for number in range(12)]
    wrong = SettingError.of("data.path", DataError("cannot be read", names=names))
    arrived = pickle.loads(pickle.dumps(wrong))
    assert (arrived.key, arrived.reason, arrived.names) == ("data.path", wrong.reason, tuple(names))
    lost = pickle.loads(pickle.dumps(WorkerLost("its node is gone", "SIGKILL")))
    assert isinstance(lost, WorkerLost)
    assert (str(lost), lost.exit_signal) == ("its node is gone", "SIGKILL")
