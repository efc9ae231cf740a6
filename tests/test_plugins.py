"""Files of the user's: named on the command line, in every worker, in the ids of their trials."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import involbench
from involbench import plugins as imported
from involbench import registry
from involbench.errors import DataError
from involbench.spec.data import DataSpec
from involbench.workers.handlers import load_data
from involbench.workers.local import Worker
from tests.cli import called
from tests.cli import involbench as in_a_process
from tests.results.factory import make_run, predict

OPERATOR = """\
from involbench import operator


@operator(keeps_channels=True)
def scaled(channels, kernel_size, strides, *, rate: int = 1):
    import keras

    return keras.layers.DepthwiseConv2D(kernel_size, strides, "same", dilation_rate=rate)
"""
SPEC = """\
name: own
plugins: [my_ops.py]
data: {dataset: digits, train_size: 40, validation: test}
training: {epochs: 1, batch_size: 20}
models:
  none: {architecture: plain, widths: [2], operator: none}
  mine: {architecture: plain, widths: [2], operator: {name: scaled, rate: 2}}
"""


@pytest.fixture
def folder(tmp_path, plugins):
    (tmp_path / "own.yaml").write_text(SPEC, encoding="utf-8")
    (tmp_path / "my_ops.py").write_text(OPERATOR, encoding="utf-8")
    return tmp_path


@pytest.fixture
def forget(plugins):
    """Makes this process like one that has imported nothing."""
    return lambda: [imported._forget(file.path) for file in imported.imported().files]


def _runs(folder):
    return {path.name for path in (folder / "results/own/runs").iterdir()}


@pytest.mark.parametrize(
    "command", [("run", "own.yaml"), ("params", "own.yaml"), ("bench", "model", "own.yaml")]
)
def test_a_spec_that_lists_a_plugin_never_runs_it(folder, command):
    (folder / "my_ops.py").write_text(f"open({str(folder / 'marker')!r}, 'w')\n" + OPERATOR)
    done = called(*command, cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith("error: own.yaml:2:11: plugins[0]: ")
    assert "add --plugin my_ops.py\n" in done.stderr
    assert done.stderr.count("error") == 1
    assert not (folder / "marker").exists()
    assert called("validate", "own.yaml", "--plugin", "my_ops.py", cwd=folder).returncode == 0
    assert (folder / "marker").exists()


def test_a_plugin_is_in_the_ids_and_records_of_its_trials(folder, forget, here, eager, undrawn):
    first = called("run", "own.yaml", "--plugin", "my_ops.py", cwd=folder)
    assert first.returncode == 0, first.stderr
    before = _runs(folder)
    forget()
    text = SPEC.replace("plugins: [my_ops.py]\n", "").replace("{name: scaled, rate: 2}", "none")
    (folder / "builtin.yaml").write_text(text, encoding="utf-8")
    plain = called("run", "builtin.yaml", "--dry-run", cwd=folder)
    (none,) = (name for name in before if name.startswith("none"))
    (mine,) = before - {none}
    assert f"{none}  finished" in plain.stdout  # The plugin is no part of the id of the others.
    record = json.loads((folder / "results/own/runs" / mine / "run.json").read_bytes())
    (sha256,) = record["trial"]["plugins"].values()
    assert re.fullmatch("[0-9a-f]{64}", sha256)
    assert "trial" in record and list(record["trial"]["plugins"]) == ["my_ops.py"]

    # Without the plugin, the results can be read, but the network can't be built.
    compared = called("compare", "own", "--json", cwd=folder)
    assert compared.returncode == 0, compared.stderr
    models = json.loads(compared.stdout)["experiments"][0]["models"]
    assert [model["model"] for model in models] == ["none", "mine"]
    assert mine in called("show", mine, cwd=folder).stdout
    for command in (["predict", mine, "--test", "2"], ["bench", "model", mine]):
        refused = called(*command, cwd=folder)
        assert refused.returncode == 2
        assert f"{mine} needs a plugin that is not imported; add --plugin my_ops.py" in (
            refused.stderr
        )
    predicted = called("predict", mine, "--test", "2", "--plugin", "my_ops.py", cwd=folder)
    assert predicted.returncode == 0, predicted.stderr
    assert "warning" not in predicted.stderr

    # A changed file, whose operator even has other arguments.
    changed = OPERATOR.replace("*, rate: int = 1", "*, dilation: int = 1")
    (folder / "my_ops.py").write_text(changed.replace("=rate", "=dilation"), encoding="utf-8")
    (folder / "own.yaml").write_text(SPEC.replace("rate:", "dilation:"), encoding="utf-8")
    again = called("run", "own.yaml", "--plugin", "my_ops.py", cwd=folder)
    assert again.returncode == 0, again.stderr
    assert before < _runs(folder)
    assert len(_runs(folder) - before) == 1
    forget()
    compared = called("compare", "own", cwd=folder)
    assert compared.returncode == 0, compared.stderr
    assert f"code of my_ops.py = {sha256[:12]}" in " ".join(
        (compared.stdout + compared.stderr).split()
    )
    named = called("predict", mine, "--test", "2", "--plugin", "my_ops.py", cwd=folder)
    assert "was trained with another version of my_ops.py" in named.stderr


def test_two_workers_train_a_plugins_network_to_the_same_bits(folder, here, undrawn):
    (folder / "own.yaml").write_text(re.sub("  none: .*\n", "", SPEC), encoding="utf-8")
    run = ("run", "own.yaml", "--seeds", "2", "--plugin", "my_ops.py")
    done = in_a_process(*run, "-j", "2", "--results", "two", cwd=folder)
    assert done.returncode == 0, done.stderr
    one = called(*run, cwd=folder)
    assert one.returncode == 0, one.stderr
    assert len(_runs(folder)) == 2
    for name in _runs(folder):
        losses = [
            json.loads((folder / results / "own/runs" / name / "history.json").read_bytes())["loss"]
            for results in ("results", "two")
        ]
        assert losses[0] == losses[1]


ARCHITECTURE = """\
import keras
from involbench import architecture


@architecture()
def net(input_shape, num_classes, *, width: int = 2):
    images = keras.Input(input_shape)
    x = keras.layers.Flatten()(images)
    return keras.Model(images, keras.layers.Dense({})(x))
"""
DATASET = """\
import numpy as np
from involbench import dataset


@dataset()
def grey(*, copies: int = 4):
    images, labels = np.zeros((2 * copies, 5, 5), np.{}), np.arange(2 * copies) % 2
    return dict(x_train=images, y_train=labels, x_test=images, y_test=labels)
"""
HEAD = "import keras\nfrom involbench import operator\n\n"
MINE = "{architecture: plain, operator: mine, widths: [2]}"


@pytest.mark.parametrize(
    ("text", "model", "data", "message"),
    [
        ("1 / 0\n", MINE, "digits", r"my_ops\.py:1: ZeroDivisionError: division by zero$"),
        ("def mine(:\n", MINE, "digits", r"my_ops\.py:1: SyntaxError: "),
        ("raise SystemExit(0)\n", MINE, "digits", r"my_ops\.py:1: SystemExit"),
        ("import no_such_module\n", MINE, "digits", r"my_ops\.py:1: ModuleNotFoundError: No mod"),
        (
            HEAD + "@operator()\ndef none(channels, kernel_size, strides):\n    pass\n",
            MINE, "digits",
            r"my_ops\.py:4: the operator 'none' is already registered, at .*; choose another name",
        ),
        (
            HEAD + "@operator()\ndef mine(channels, kernel_size, strides, *, taps=3):\n    pass\n",
            MINE, "digits", r"my_ops\.py:4: mine: the keyword 'taps' needs a type",
        ),
        (
            HEAD + "@operator()\ndef mine(channels, kernel_size, strides, more):\n    pass\n",
            MINE, "digits", r"my_ops\.py:4: mine must take \(channels, kernel_size, strides, \*, ",
        ),
        (
            HEAD + "@operator()\ndef mine(channels, kernel_size, strides, *, taps: int = '3'):\n"
            "    pass\n",
            MINE, "digits", r"my_ops\.py:4: mine: the keyword 'taps' has the default '3': ",
        ),
        (
            HEAD + "@operator()\ndef mine(channels, kernel_size, strides):\n    pass\n",
            MINE, "digits", r"my_ops\.py:4: mine must return a Keras layer\. Received: None",
        ),
        (
            HEAD + "@operator()\ndef mine(channels, kernel_size, strides):\n"
            "    return keras.layers.Conv2D(channels, kernel_size)\n",
            MINE, "digits",
            r"my_ops\.py:4: mine must give images of shape \(32, 32, 2\) .*: \(30, 30, 2\)",
        ),
        (
            HEAD + "@operator()\ndef mine(channels, kernel_size, strides):\n"
            "    return keras.layers.Conv2D(channels, kernel_sizes)\n",
            MINE, "digits", r"own\.yaml:5:.*my_ops\.py:6: NameError: name 'kernel_sizes' is not",
        ),
        (
            HEAD + "@operator(check=lambda given, channels: 1 / 0)\n"
            "def mine(channels, kernel_size, strides):\n    pass\n",
            MINE, "digits", r"own\.yaml:5:.*my_ops\.py:4: ZeroDivisionError",
        ),
        (
            HEAD + "class Mine(keras.layers.Layer):\n    def __init__(self, rate):\n"
            "        super().__init__()\n\n    def call(self, x):\n        return x\n\n"
            "@operator(keeps_channels=True)\ndef mine(channels, kernel_size, strides):\n"
            "    return Mine(object())\n",
            MINE, "digits", r"the layer Mine can't be saved; give it a get_config ",
        ),
        (
            ARCHITECTURE.format("num_classes + 1"), "{architecture: net}", "digits",
            r"my_ops\.py:5: net must return a functional keras\.Model with logits of shape "
            r"\(None, 10\)\. Received: outputs of shape \[\(None, 11\)\]",
        ),
        (
            ARCHITECTURE.format("num_classes"), "{architecture: net, with: 3}", "digits",
            r"own\.yaml:5:.*models\.mine\.with: unknown key",
        ),
        (
            DATASET.format("float32"), "{architecture: plain, widths: [2]}", "grey",
            r"my_ops\.py:5: grey: x_train is float32; images must be uint8 from 0 to 255; "
            r"if they run from 0 to 1, store",
        ),
        (
            DATASET.format("uint8") + "    " , "{architecture: plain, widths: [2]}",
            "grey, copies: x", r"own\.yaml:3:.*data\.copies: expected a whole number, got",
        ),
    ],
)  # fmt: skip
def test_a_plugin_that_can_not_be_used_is_one_line_with_its_place(
    folder, here, eager, text, model, data, message
):
    (folder / "my_ops.py").write_text(text, encoding="utf-8")
    (folder / "own.yaml").write_text(
        f"name: own\nplugins: [my_ops.py]\ndata: {{dataset: {data}}}\n"
        f"models:\n  mine: {model}\ntraining: {{epochs: 1}}\n",
        encoding="utf-8",
    )
    done = called("run", "own.yaml", "--plugin", "my_ops.py", cwd=folder)
    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    assert re.search(message, errors[0]), done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there_or_has_the_name_of_another_is_refused(folder):
    missing = called("validate", "own.yaml", "--plugin", "other.py", cwd=folder)
    assert (missing.returncode, missing.stderr) == (2, "error: other.py: no such Python file\n")
    (folder / "more").mkdir()
    (folder / "more/my_ops.py").write_text("", encoding="utf-8")
    both = ("--plugin", "my_ops.py", "--plugin", "more/my_ops.py")
    refused = called("validate", "own.yaml", *both, cwd=folder)
    assert refused.returncode == 2
    assert "is imported already; rename one of the two files" in refused.stderr


FAILS = (
    HEAD
    + """\
class Mine(keras.layers.Layer):
    def call(self, x, training=None):
        if training:
            raise RuntimeError("no gradient")
        return x


@operator(keeps_channels=True)
def scaled(channels, kernel_size, strides, *, rate: int = 1):
    return Mine()
"""
)


def test_an_operator_that_fails_in_training_fails_its_trials_alone(folder, here, eager, undrawn):
    (folder / "my_ops.py").write_text(FAILS, encoding="utf-8")
    done = called("run", "own.yaml", "--plugin", "my_ops.py", cwd=folder)
    assert done.returncode == 1, done.stderr
    records = {
        record["trial"]["model"]: record
        for path in (folder / "results/own/runs").glob("*/run.json")
        for record in [json.loads(path.read_bytes())]
    }
    assert records["none"]["status"] == "finished"
    assert re.search(r"my_ops\.py:7: RuntimeError: .*no gradient", records["mine"]["error"], re.S)


METRIC = """\
from involbench import metric


@metric(title="mean confidence")
def confidence(probabilities):
    return {}
"""


@pytest.mark.parametrize(
    ("value", "code", "message"),
    [
        ("probabilities.max(axis=1).mean()", 0, ""),
        (
            "float('nan')",
            2,
            r"my_ops\.py:4: the metric confidence failed .*finite .* None.*nan$",
        ),
        ("probabilities", 2, r"my_ops\.py:4: the metric confidence failed .* of shape \(4, 2\)$"),
        ("probabilities.maximum()", 2, r"my_ops\.py:4: the metric confidence failed for .*cnn-s"),
    ],
)
def test_a_metric_is_computed_from_the_predictions_of_old_runs(folder, value, code, message):
    for model, sure in (("cnn", 0.625), ("inn", 0.875)):
        arrays = {"labels": np.zeros(4, int), "predicted": np.zeros(4, int)}
        probabilities = np.array([[sure, 1 - sure]] * 4, np.float16)
        predict(make_run(folder / "results", model, 0), **arrays, probabilities=probabilities)
    (folder / "my_ops.py").write_text(METRIC.format(value), encoding="utf-8")
    flags = ("--plugin", "my_ops.py", "-m", "confidence", "--json")
    done = called("compare", "digits", *flags, cwd=folder)
    assert done.returncode == code, done.stderr
    assert re.search(message, done.stderr, re.MULTILINE), done.stderr
    assert ("0.625" in done.stdout and "0.875" in done.stdout) == (not message)


def test_a_worker_runs_what_was_imported_and_not_the_file():
    """The file may have changed since, or be on another machine."""
    given = {"dataset": "grey", "copies": 5}
    with imported.as_recorded():
        data = DataSpec.model_validate(given)
    file = imported.PluginFile(Path("/gone/my_data.py"), DATASET.format("uint8").encode())
    with Worker(plugins=imported.Plugins((file,))) as worker:
        loaded = worker.call(load_data, lambda report: None, data)
        assert loaded.train_size == 10
        with imported.as_recorded():
            wrong = DataSpec.model_validate({**given, "copies": 0})
        with pytest.raises(DataError, match=r"/gone/my_data\.py:5: grey: x_train has shape"):
            worker.call(load_data, lambda report: None, wrong)


def _install(monkeypatch, load):
    """Let a package be installed that declares a plugin; returns the list of its imports."""
    imports = []

    def entry_points(group):
        assert group == "involbench.plugins"
        imports.append(group)
        return [SimpleNamespace(name="theirs", value="theirs", dist=None, load=load)]

    monkeypatch.setattr(imported, "entry_points", entry_points)
    return imports


def test_an_installed_plugin_is_imported_where_a_name_is_unknown(folder, monkeypatch):
    def load():
        @involbench.operator()
        def theirs(channels, kernel_size, strides):
            raise AssertionError

    imports = _install(monkeypatch, load)
    text = SPEC.replace("plugins: [my_ops.py]\n", "")
    (folder / "own.yaml").write_text(text.replace("{name: scaled, rate: 2}", "theirs"))
    (folder / "plain.yaml").write_text(text.replace("{name: scaled, rate: 2}", "none"))
    assert called("validate", "plain.yaml", cwd=folder).returncode == 0
    assert called("compare", cwd=folder).returncode == 2
    assert imports == []
    known = called("validate", "own.yaml", cwd=folder)
    assert known.returncode == 0, known.stderr
    assert len(imports) == 1
    schema = json.loads(called("schema", cwd=folder).stdout)
    assert "theirs" in schema["$defs"]["Plain"]["properties"]["operator"]["anyOf"][0]["enum"]


def test_an_installed_plugin_that_fails_is_left_out_with_a_warning(folder, monkeypatch):
    def load():
        raise ImportError("no such thing")

    _install(monkeypatch, load)
    (folder / "own.yaml").write_text(SPEC.replace("plugins: [my_ops.py]\n", ""))
    done = called("validate", "own.yaml", cwd=folder)
    assert done.returncode == 2
    assert "unknown operator 'scaled'" in done.stderr
    assert (
        "warning: the plugin theirs of the package theirs is left out: ImportError: no such thing"
        in done.stderr
    )


def test_the_cell_of_a_notebook_may_be_run_again(plugins):
    for _ in range(2):
        scope = {"__name__": "__main__"}
        exec("def mine(channels, kernel_size, strides):\n    pass\n", scope)
        involbench.operator()(scope["mine"])
    assert registry.operators()["mine"].build is scope["mine"]
    name, sha256 = imported.source_of(registry.operators()["mine"])
    assert name == "__main__"
    assert re.fullmatch("[0-9a-f]{64}", sha256)
