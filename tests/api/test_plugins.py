"""Code of the user's for `involbench.run`: in a named file, a script or the cell of a notebook."""

import hashlib
import linecache
import subprocess
import sys
from pathlib import Path

import pytest

import involbench
from involbench import plugins as code
from involbench import registry
from involbench.errors import SpecError, UsageError
from involbench.plugins import load_plugin

CODE = '''
import involbench
from pathlib import Path

Path(__file__).with_name("ran").touch()


@involbench.operator()
def cross(channels, kernel_size, strides, *, bias: bool = True):
    """A column of weights, then a row."""
    import keras

    options = {"padding": "same", "use_bias": bias}
    column = keras.layers.Conv2D(channels, (kernel_size, 1), strides=(strides, 1), **options)
    row = keras.layers.Conv2D(channels, (1, kernel_size), strides=(1, strides), **options)
    return keras.Sequential([column, row])
'''


@pytest.mark.usefixtures("here", "eager", "undrawn", "plugins")
def test_a_plugin_runs_only_where_it_is_named(tmp_path):
    file = tmp_path / "cross.py"
    file.write_text(CODE)
    spec = {
        "name": "own",
        "plugins": ["cross.py"],
        "data": {"dataset": "digits", "train_size": 50, "validation": "test"},
        "models": {"own": {"architecture": "plain", "widths": [4], "operator": "cross"}},
        "training": {"epochs": 1, "batch_size": 50},
        "seeds": 1,
    }
    options = {"results": tmp_path / "results", "progress": False}
    with pytest.raises(SpecError, match=r"^spec: plugins\[0\]: this plugin is not imported"):
        involbench.run(spec, **options)
    assert not (tmp_path / "ran").exists()
    experiment = involbench.run(spec, plugins=[file], **options)
    record = experiment.best("own").record
    assert record.trial.plugins == {"cross.py": hashlib.sha256(CODE.encode()).hexdigest()}
    assert record.argv[-2:] == ("--plugin", str(file))
    assert experiment.best("own").parameters.by_role["operator"] == 3 * 3 * 4 + 4 + 3 * 4 * 4 + 4
    file.write_text(f"{CODE}# Another comment.\n")
    load_plugin(file)
    with pytest.warns(UserWarning, match="own-seed0-.* was trained with another version of cross"):
        experiment.best("own").load_model()


def test_a_plugin_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere.py: no such Python file"):
        involbench.run("smoke", plugins=[tmp_path / "nowhere.py"])


CELL = CODE.replace('from pathlib import Path\n\nPath(__file__).with_name("ran").touch()\n', "")


def run_cell(text: str, file: str) -> None:
    """As IPython does: no file, but the lines where tracebacks look for them."""
    linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
    exec(compile(text, file, "exec"), {"__name__": "__main__"})


@pytest.mark.usefixtures("plugins")
def test_a_worker_gets_the_whole_cell_that_registered_something():
    run_cell(CELL, "/tmp/ipykernel_7/1.py")
    run_cell(CELL + "# Once more.\n", "/tmp/ipykernel_7/2.py")
    source = code.source_of(registry.operators()["cross"])
    assert source == ("__main__", hashlib.sha256(f"{CELL}# Once more.\n".encode()).hexdigest())
    wanted = code.imported()
    assert [file.content.decode() for file in wanted.files] == [f"{CELL}# Once more.\n"]
    del registry._operators["cross"]
    code.load_plugins(wanted)  # What a worker does.
    assert registry.operators()["cross"].build.__module__ == "involbench_plugin_2"
    assert code.source_of(registry.operators()["cross"]) == source
    assert code.imported() == wanted


@pytest.mark.usefixtures("plugins")
def test_a_cell_without_its_imports_is_told_to_have_them():
    text = "@involbench.operator()\ndef cross(channels, kernel_size, strides):\n    pass\n"
    cell = code.PluginFile(Path("/tmp/ipykernel_7/3.py"), text.encode(), is_main=True)
    with pytest.raises(
        UsageError,
        match=r"3\.py:1: NameError: name 'involbench' is not defined \("
        "a worker runs only this cell or script, so put its imports into it",
    ):
        code.load_plugins(code.Plugins((cell,)))


def test_a_script_trains_its_own_operator_below_its_guard(tmp_path):
    """Without the guard, each worker would train everything once more."""
    run = """
    spec = {
        "name": "own",
        "data": {"dataset": "digits", "train_size": 50},
        "models": {"own": {"architecture": "plain", "widths": [4], "operator": "cross"}},
        "training": {"epochs": 1, "batch_size": 50},
        "seeds": 1,
    }
    print(involbench.run(spec, progress=False).best("own").record.trial.plugins)
"""
    for name, guard in (("guarded", 'if __name__ == "__main__":'), ("bare", "if True:")):
        (tmp_path / f"{name}.py").write_text(f"{CELL}\n\n{guard}{run}")
    done, refused = (
        subprocess.run(
            [sys.executable, file], cwd=tmp_path, capture_output=True, text=True, timeout=900
        )
        for file in ("guarded.py", "bare.py")
    )
    content = (tmp_path / "guarded.py").read_bytes()
    assert done.stdout == f"{{'__main__': '{hashlib.sha256(content).hexdigest()}'}}\n", done.stderr
    assert refused.returncode == 1
    assert 'put it below `if __name__ == "__main__":`' in refused.stderr
