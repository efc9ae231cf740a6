"""What a worker does not import."""

import subprocess
import sys

import pytest

from involbench.workers.handlers import hide_modules


def test_what_is_hidden_can_be_imported_afterwards_and_what_is_there_stays():
    import csv

    with hide_modules("csv", "nothing_of_the_kind"):
        assert sys.modules["csv"] is csv
        with pytest.raises(ModuleNotFoundError):
            import nothing_of_the_kind  # noqa: F401
    assert "nothing_of_the_kind" not in sys.modules


def test_a_worker_that_trains_imports_neither_scikit_learn_nor_matplotlib():
    lines = [
        "import sys",
        "from involbench.workers.handlers import _import_heavy_half",
        "_import_heavy_half()",
        "print(sorted({'sklearn', 'matplotlib', 'keras'} & {*sys.modules}))",
        "import sklearn, matplotlib",  # Who needs them has them.
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "['keras']\n"
