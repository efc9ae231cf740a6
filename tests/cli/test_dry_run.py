"""What `run -n` and `validate --build` find before anything is trained: all of it, and where."""

import json
import re

import pytest

from tests.cli import called

SPEC = """\
name: checked
data: {dataset: digits, train_size: 100, image_size: 8, validation: test}
models:
  cnn: {architecture: plain, operator: none, widths: [4]}
  inn: {architecture: plain, operator: none, widths: [5]}
training: {epochs: 1, batch_size: 50}
seeds: 2
"""
FAULTS = """\
sweep:
  training.optimizer:
    - sgd
    - {name: adam, clipnorm: 1, clipvalue: 1}
    - lamb
    - {name: nadam, gradient_accumulation_steps: 1}
    - {name: muon, use_ema: true, ema_momentum: 2}
  models.inn.widths: [[5], [6, 6, 6, 6, 6]]
"""


def spec(folder, text=SPEC):
    (folder / "x.yaml").write_text(text)
    return "x.yaml"


def messages(done):
    """What was refused: each message's first line."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    lines = (line.removeprefix("error: ") for line in done.stderr.splitlines())
    return [line for line in lines if re.match(r"x\.yaml:|--set", line)]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("command", [["run", "-n"], ["run"], ["validate", "--build"]], ids=" ".join)
def test_every_fault_of_a_sweep_is_found_at_once(tmp_path, command):
    found = messages(called(*command, spec(tmp_path, SPEC + FAULTS), cwd=tmp_path))
    assert [line.partition(": ")[0] for line in found] == [
        "x.yaml:11:7",
        "x.yaml:13:7",
        "x.yaml:14:7",
        "x.yaml:15:28",
    ]
    for line, words in zip(
        found,
        (
            "sweep.training.optimizer[1]: keras refuses adam: Only one of `clipnorm`, `clipvalue`",
            "sweep.training.optimizer[3]: keras refuses nadam: `gradient_accumulation_steps` must",
            "sweep.training.optimizer[4]: keras refuses muon: `ema_momentum` must be in the range",
            "sweep.models.inn.widths[1]: with [6, 6, 6, 6, 6], models.inn: plain cannot be built "
            "for 8x8x3 images: `widths` has 5 stages",
        ),
        strict=True,
    ):
        assert words in line
    assert not (tmp_path / "results").exists()


@pytest.mark.usefixtures("here")
def test_what_is_wrong_without_a_sweep_stands_at_its_own_key(tmp_path):
    text = SPEC.replace("batch_size: 50", "batch_size: 50, optimizer: {use_ema: true}")
    override = "training.optimizer.ema_momentum=-1"
    done = called("run", "-n", spec(tmp_path, text), "-S", override, cwd=tmp_path)
    (line,) = messages(done)
    assert line.startswith("x.yaml:6:") and "training.optimizer: keras refuses adam" in line


@pytest.mark.usefixtures("here")
def test_images_that_are_missing_or_too_few_do_not_hide_what_cannot_be_built(tmp_path):
    text = SPEC.replace("widths: [5]", "widths: [5, 5, 5, 5, 5]") + (
        "sweep: {data.train_size: [10, 5000000]}\n"
    )
    found = messages(called("run", "-n", spec(tmp_path, text), cwd=tmp_path))
    assert [line.partition(": ")[0] for line in found] == ["x.yaml:5:8", "x.yaml:8:31"]
    assert "models.inn: plain cannot be built" in found[0]
    assert "a subset of 5000000 images cannot be taken" in found[1]

    folder = text.replace("dataset: digits", "dataset: folder, path: nowhere")
    found = messages(called("validate", "--build", spec(tmp_path, folder), cwd=tmp_path))
    assert len(found) == 1
    assert found[0].startswith("x.yaml:2:") and "data.path: nowhere: no such" in found[0]


@pytest.mark.usefixtures("here")
def test_a_budget_that_no_width_meets_is_found_beside_the_rest(tmp_path):
    matched = "{name: involution, group_channels: 64}, match: {parameters: cnn}}"
    text = SPEC.replace("none, widths: [5]}", matched) + (
        "sweep: {training.optimizer: [adam, {name: adam, clipnorm: 1, global_clipnorm: 2}]}\n"
    )
    for command in (["run", "-n"], ["validate", "--build"]):
        found = messages(called(*command, spec(tmp_path, text), cwd=tmp_path))
        assert [line.partition(": ")[0] for line in found] == ["x.yaml:5:87", "x.yaml:8:36"]
        assert "models.inn.match: no width is within 2% of cnn; the nearest" in found[0]
        assert "keras refuses adam" in found[1]


@pytest.mark.usefixtures("here")
def test_weights_that_no_memory_holds_are_refused_without_being_made(tmp_path):
    width = "models.cnn.widths=[2000000000]"
    done = called("validate", "--build", spec(tmp_path), "-S", width, cwd=tmp_path)
    (line,) = messages(done)
    assert line.startswith(f"--set {width}: ") or line.startswith("x.yaml:4:")
    assert "GiB of memory; make it narrower" in line


@pytest.mark.usefixtures("here", "eager", "undrawn")
def test_a_dry_run_says_how_long_earlier_runs_took(tmp_path):
    override = ("-S", "training.optimizer={name: lamb, learning_rate: 0.01}")
    first = called("run", "-n", spec(tmp_path), *override, cwd=tmp_path)
    assert "time: not known; no earlier run has these settings\n" in first.stderr
    done = called("run", "x.yaml", *override, "--seeds", 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    records = [json.loads(p.read_text()) for p in tmp_path.glob("results/checked/runs/*/run.json")]
    assert [record["trial"]["training"]["optimizer"]["name"] for record in records] == ["lamb"] * 2
    for index, record in enumerate(sorted(records, key=lambda each: each["run_id"])):
        path = tmp_path / "results" / "checked" / "runs" / record["run_id"] / "run.json"
        path.write_text(json.dumps({**record, "seconds": 100 + 50 * index}))
    again = called("run", "-n", "x.yaml", *override, "--seeds", 3, cwd=tmp_path)
    assert again.stdout.count("to run") == 4
    assert "time: about 8 min 20 s for 4 trials, one after another; earlier runs " in again.stderr
    other = called("run", "-n", "x.yaml", *override, "-S", "models.inn.widths=[7]", cwd=tmp_path)
    assert "time: at least 1 min 40 s; 2 of 3 trials have settings that no" in other.stderr
    rest = called("run", "-n", "x.yaml", *override, "--seeds", 1, cwd=tmp_path)
    assert "time:" not in rest.stderr


@pytest.mark.usefixtures("here")
def test_validate_builds_only_when_asked_and_goes_on_after_a_bad_file(tmp_path):
    spec(tmp_path, SPEC.replace("widths: [5]", "widths: [5, 5, 5, 5, 5]"))
    (tmp_path / "good.yaml").write_text(SPEC)
    plain = called("validate", "x.yaml", "good.yaml", cwd=tmp_path)
    assert (plain.returncode, plain.stdout.count(": ok, ")) == (0, 2)
    built = called("validate", "--build", "x.yaml", "good.yaml", cwd=tmp_path)
    assert built.stdout.startswith("good.yaml: ok, 4 trials")
    assert len(messages(built)) == 1


@pytest.mark.usefixtures("here")
def test_short_trainings_are_named_before_they_start(tmp_path):
    steps = SPEC.replace("validation: test", "validation: 0.2").replace("epochs: 1", "epochs: 30")
    done = called("run", spec(tmp_path, steps), "-n", cwd=tmp_path)
    # 80 of 100 images in batches of 50: two steps, thirty times.
    assert "warning: cnn, inn: training steps in all: 60 (2 an epoch), too few" in done.stderr
    longer = steps.replace("batch_size: 50", "batch_size: 20")
    assert "training steps" not in called("run", spec(tmp_path, longer), "-n", cwd=tmp_path).stderr
