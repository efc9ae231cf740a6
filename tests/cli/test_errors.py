"""Every fault is a line that begins with `error: `, on stderr."""

import pytest

from tests.cli import called


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("run --fast", "no such option: --fast"),
        ("run -j x", "invalid value for '-j' / '--jobs': "),
        ("run --device tpu", "invalid value for --device: 'tpu' is none of auto, cpu, gpu"),
        ("run --executor slurm", "invalid value for '--executor': 'slurm' is not one of"),
        ("run --shard 5/3", "invalid value for --shard: '5/3' is not a part"),
        ("run --seeds 0", "invalid value for '--seeds': "),
        ("trian", "no such command 'trian'"),
        ("comprae", "no such command 'comprae'"),
        ("export --format onnx", "missing argument 'RUN'"),
        ("bench modle", "no such command 'modle'"),
    ],
)
def test_wrong_arguments_are_one_line_that_names_the_help(command, said, tmp_path):
    done = called(*command.split(), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {said}")
    assert line.endswith(" --help` lists what is possible")


def test_several_faults_of_a_spec_are_a_line_each(tmp_path):
    (tmp_path / "two.yaml").write_text(
        "name: two\ndata: {dataset: digits, trainsize: 9}\n"
        "models: {a: {architecture: keras_io_cnn}}\ntraining: {epochs: many}\n"
    )
    done = called("validate", "two.yaml", "absent.yaml", cwd=tmp_path)
    assert done.returncode == 2
    said = [line for line in done.stderr.splitlines() if not line.startswith("  ")]
    assert [line.split(": ")[:3] for line in said] == [
        ["error", "two.yaml:2:25", "data.trainsize"],
        ["error", "two.yaml:4:20", "training.epochs"],
        ["error", "absent.yaml", "no such file; did you mean two.yaml?"],
    ]


@pytest.mark.parametrize("command", ["", "bench"])
def test_nothing_asked_for_shows_the_help(command, tmp_path):
    done = called(*command.split(), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: involbench")
    assert "error" not in done.stderr
