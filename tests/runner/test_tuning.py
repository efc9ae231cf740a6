"""`tune`: its trials are trained and listed apart, and what they choose trains the experiment."""

import json
import re
import shutil

import pytest

import involbench
from involbench.runner import tuning
from tests.cli import called
from tests.in_process import eagerly, in_this_process

RATE = "training.optimizer.learning_rate"
SPEC = f"""\
name: tuned
data: {{dataset: digits, train_size: 100, validation: 0.3, image_size: 8}}
models:
  wide: {{architecture: plain, operator: none, widths: [8]}}
  narrow: {{architecture: plain, operator: none, widths: [2]}}
training: {{epochs: 2, batch_size: 35}}
seeds: 1
tune:
  {RATE}: [1e-9, 0.1]
  seeds: [7, 8]
"""
EQUAL = SPEC.replace("[1e-9, 0.1]", "[1e-11, 1e-12]").replace("[7, 8]", "[7]")
"""Candidates that change no prediction, so that their means are equal."""

pytestmark = pytest.mark.usefixtures("here", "eager", "undrawn")


def run(folder, *options, text=SPEC, code=0):
    (folder / "x.yaml").write_text(text)
    done = called("run", "x.yaml", *options, cwd=folder)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def trained(done):
    """How many trials a command had to train, each time it began to."""
    return [int(n) for n in re.findall(r"^(\d+) trials? to run", done.stderr, re.MULTILINE)]


def records(folder, name="tuned"):
    paths = sorted((folder / "results" / name / "runs").glob("*/run.json"))
    return {path.parent.name: json.loads(path.read_text()) for path in paths}


def choices(folder):
    text = (folder / "results/tuned/tuning/choices.json").read_text()
    return {each["model"]: each for each in json.loads(text)["choices"]}


def rate(record):
    return record["trial"]["training"]["optimizer"]["learning_rate"]


@pytest.fixture(scope="module")
def equal(tmp_path_factory):
    """A folder where `EQUAL` was run, and what that printed."""
    folder = tmp_path_factory.mktemp("equal")
    with in_this_process(), eagerly(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("involbench.api.run.write_run_plots", lambda run_dir: None)
        return folder, run(folder, text=EQUAL)


@pytest.fixture
def copied(equal, tmp_path):
    """A copy of that folder, to go on in."""
    return shutil.copytree(equal[0], tmp_path / "copy")


def best_rates(folder):
    """For each model, the rate with the most right answers after the last epoch."""
    right = {}
    for run_id, record in records(folder, "tuned/tuning").items():
        path = folder / "results/tuned/tuning/runs" / run_id / "history.json"
        accuracy = json.loads(path.read_text())["val_accuracy"][-1]
        of_model = right.setdefault(record["trial"]["model"], {})
        rate_ = rate(record)
        of_model[rate_] = of_model.get(rate_, 0) + round(accuracy * 30)
    return {model: max(sums, key=lambda r: (sums[r], -r)) for model, sums in right.items()}


def test_each_model_is_trained_with_its_best_candidate(tmp_path):
    first = run(tmp_path)
    assert trained(first) == [8, 2]
    tried, final = records(tmp_path, "tuned/tuning"), records(tmp_path)
    assert {record["trial"]["seed"] for record in tried.values()} == {7, 8}
    assert all(record["trial"]["candidate"] == {RATE: rate(record)} for record in tried.values())
    best = best_rates(tmp_path)
    assert {record["trial"]["model"]: rate(record) for record in final.values()} == best
    assert set(best.values()) != {1e-9}
    for record in final.values():
        trial = record["trial"]
        assert (trial["seed"], trial["tuned"]) == (0, {RATE: best[trial["model"]]})
        assert "candidate" not in trial
        # Its id is that of a trial that a spec gives this rate.
        options = ("--no-tune", "-S", f"{RATE}={rate(record)}")
        assert record["run_id"] in run(tmp_path, "-n", *options).stdout
    for model, choice in choices(tmp_path).items():
        assert choice["values"] == {RATE: best[model]} and len(choice["candidates"]) == 2
        assert f"{model}: {RATE} = {best[model]} is the best of 2 candidates" in first.stderr

    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("results/**/run.json")}
    again, more = run(tmp_path), run(tmp_path, "--seeds", "2")
    assert (trained(again), trained(more)) == ([0, 0], [0, 2])
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())
    assert {rate(record) for record in records(tmp_path).values()} == set(best.values())

    # Elsewhere, the folder alone tells all of it.
    shutil.copytree(tmp_path / "results", tmp_path / "moved")
    compared = called("compare", "tuned", "--json", "--results", "moved", cwd=tmp_path)
    (experiment,) = json.loads(compared.stdout)["experiments"]
    assert [(each["model"], each["n_finished"]) for each in experiment["models"]] == [
        ("wide", 2),
        ("narrow", 2),
    ]
    assert {each["model"]: each["tuned"][RATE] for each in experiment["models"]} == best
    table = called("compare", "tuned", "--md", cwd=tmp_path).stdout
    assert re.search(rf"\| wide .*\| {best['wide']} \|", table) and "learning rate" in table
    assert "other settings" not in compared.stderr + table

    listed = called("list", cwd=tmp_path).stdout
    assert re.search(r"^ *tuned +4 ", listed, re.MULTILINE)
    assert re.search(r"^ *tuned/tuning +8 ", listed, re.MULTILINE)
    one = next(iter(tried))
    shown = called("show", one, cwd=tmp_path).stdout
    assert f"tuned/tuning/{one}" in shown and re.search(rf"candidate +{RATE} = ", shown)
    called("report", "tuned", cwd=tmp_path)
    page = (tmp_path / "results/tuned/report.html").read_text()
    assert '<section id="tuning">' in page and f"{best['wide']} (chosen)" in page


def test_a_lost_trial_of_tune_alone_is_trained_again(copied):
    before, final = choices(copied), records(copied)
    (copied / "results/tuned/tuning/choices.json").unlink()
    lost = next((copied / "results/tuned/tuning/runs").iterdir())
    (lost / "run.json").unlink()
    assert f"tuned/tuning/runs/{lost.name}" in called("clean", "tuned", cwd=copied).stdout
    shutil.rmtree(lost)
    assert trained(run(copied, text=EQUAL)) == [1, 0]
    assert (choices(copied), records(copied)) == (before, final)


def test_of_equal_candidates_the_first_is_chosen_and_an_edge_is_a_warning(equal, copied):
    chosen = {model: choice["values"] for model, choice in choices(copied).items()}
    assert chosen == {model: {RATE: 1e-11} for model in ("wide", "narrow")}
    words = f"wide: the best candidate is at the edge of the grid of `tune`, {RATE} = 1e-11"
    assert words in equal[1].stderr
    # With steps beyond the edge, it is one no more: of equal ones, it still is the first.
    more = run(copied, "-S", "tune.extend=true", text=EQUAL)
    assert trained(more) == [0, 2, 0]
    assert "at the edge" not in more.stderr
    for choice in choices(copied).values():
        assert choice["values"] == {RATE: 1e-11}
        assert [each["values"][RATE] for each in choice["candidates"]] == [1e-11, 1e-12, 1e-10]


def test_steps_beyond_an_edge_end_with_a_warning(copied, monkeypatch):
    monkeypatch.setattr(tuning, "_MOST_STEPS", 0)
    done = run(copied, "-S", "tune.extend=true", text=EQUAL)
    assert trained(done) == [0, 0] and "at the edge of the grid" in done.stderr


def test_a_candidate_that_diverges_loses(tmp_path):
    text = EQUAL.replace("[1e-11, 1e-12]", "[1e30, 1e-12]")
    run(tmp_path, text=text)
    assert {rate(record) for record in records(tmp_path).values()} == {1e-12}
    for choice in choices(tmp_path).values():
        lost, kept = choice["candidates"]
        assert (lost["by_seed"], lost["mean"]) == ({"7": None}, None)
        assert kept["mean"] is not None


def test_a_model_without_a_usable_candidate_is_not_trained(tmp_path):
    text = EQUAL.replace("[1e-11, 1e-12]", "[1e30, 1e31]")
    done = run(tmp_path, text=text, code=1)
    assert "2 trials cannot be trained yet: no candidate has a result" in done.stderr
    assert records(tmp_path) == {}


def test_shards_tune_first_and_then_train_what_is_chosen(tmp_path):
    first = run(tmp_path, "--shard", "1/2", text=EQUAL)
    assert trained(first) == [2, 0]
    assert (
        "1 trial cannot be trained yet: 2 trials of tune have not ended; then run" in first.stderr
    )
    assert not (tmp_path / "results/tuned/tuning/choices.json").exists()
    assert trained(run(tmp_path, "--shard", "2/2", text=EQUAL)) == [2, 1]
    assert trained(run(tmp_path, "--shard", "1/2", text=EQUAL)) == [0, 1]
    assert len(records(tmp_path)) == 2 and trained(run(tmp_path, text=EQUAL)) == [0, 0]


def test_a_dry_run_lists_the_trials_of_tune_apart(tmp_path, copied):
    match = "match: {parameters: wide, tolerance: 0.5}"
    text = EQUAL.replace("operator: none, widths: [2]", f"operator: none, {match}")
    assert text != EQUAL
    before = run(tmp_path, "-n", text=text)
    lines = before.stdout.splitlines()
    assert [re.sub("-[0-9a-f]{8}", "", line) for line in lines] == [
        *(f"tuning/{model}-seed7  to run" for model in ("wide", "wide", "narrow", "narrow")),
        "wide seed 0  to run after tuning",
        "narrow seed 0  to run after tuning",
    ]
    assert not (tmp_path / "results").exists()
    done = called("validate", "x.yaml", cwd=tmp_path)
    assert "2 trials (2 models, 1 seed), after 4 trials of tune (2 candidates, 1 seed)" in (
        done.stdout
    )
    lines = run(copied, "-n", text=EQUAL).stdout.splitlines()
    assert [line.split("  ")[1] for line in lines] == ["finished"] * 6
    assert [line.partition("  ")[0] for line in lines[4:]] == sorted(records(copied))[::-1]


def test_the_values_of_the_spec_are_used_without_tune(copied):
    plain = ("--no-tune", "-S", f"{RATE}=1e-12")
    assert trained(run(copied, *plain, text=EQUAL)) == [2]
    untuned = [each for each in records(copied).values() if rate(each) == 1e-12]
    assert len(untuned) == 2 and not any("tuned" in each["trial"] for each in untuned)
    stated = json.loads((copied / "results/tuned/comparison.json").read_text())["other_settings"]
    assert [each["model"] for each in stated[0]["models"]] == ["wide", "narrow"]


def test_each_point_of_a_sweep_has_its_own_choice(tmp_path):
    narrow = "  narrow: {architecture: plain, operator: none, widths: [2]}\n"
    text = EQUAL.replace(narrow, "") + "sweep: {data.train_size: [50, 100]}\n"
    assert trained(run(tmp_path, text=text)) == [4, 2]
    document = json.loads((tmp_path / "results/tuned/tuning/choices.json").read_text())
    points = [each["point"] for each in document["choices"]]
    assert points == [{"data.train_size": 50}, {"data.train_size": 100}]
    assert all(record["trial"]["tuned"] for record in records(tmp_path).values())


def test_python_tunes_alike(tmp_path):
    spec = {
        "name": "tuned",
        "data": {"dataset": "digits", "train_size": 50, "validation": 0.3, "image_size": 8},
        "models": {"only": {"architecture": "plain", "operator": "none", "widths": [2]}},
        "training": {"epochs": 1, "batch_size": 25},
        "tune": {RATE: [1e-11, 1e-12], "seeds": [7]},
    }
    experiment = involbench.run(spec, results=tmp_path, progress=False)
    assert experiment.compare().models[0].tuned == {RATE: 1e-11}
    assert len(experiment.runs) == 1


@pytest.mark.parametrize("command", [["run", "-n"], ["run"], ["validate", "--build"]], ids=" ".join)
def test_a_candidate_that_keras_refuses_is_named_before_anything_is_trained(tmp_path, command):
    candidates = "training.optimizer: [sgd, {name: adam, use_ema: true, ema_momentum: 2}]"
    (tmp_path / "x.yaml").write_text(re.sub(f"{RATE}: .*", candidates, EQUAL))
    done = called(*command, "x.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "x.yaml:9:29: tune.training.optimizer[1]: keras refuses adam: `ema_mom" in done.stderr
    assert not (tmp_path / "results").exists()
