"""`involbench.run(..., plugins=...)`: code of the user's runs only where it is named."""

import hashlib

import pytest

import involbench
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
