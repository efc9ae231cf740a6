"""`involbench report`, through its front door."""

import json
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from tests.cli import called
from tests.reporting.html.conftest import REFERENCE, ROOT
from tests.reporting.html.page import Node, Page, table_rows
from tests.results import factory
from tests.results.factory import VERSIONS, make_experiment, make_run
from tests.results.tree import unfinished

CLASSES = tuple("0123456789")


def predict(run: Path, classes: int = 10, images: int = 60) -> None:
    """Predictions that are right half of the time."""
    rng = np.random.default_rng(len(run.name))
    labels = np.arange(images) % classes
    logits = rng.normal(size=(images, classes))
    logits[np.arange(images), labels] += 1.5
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    predicted = chances.argmax(axis=1)
    chances = chances.astype("float16")
    factory.predict(run, labels=labels, predicted=predicted, probabilities=chances)


def edit(run: Path, **changes: object) -> None:
    """Change a record by hand; `data` is changed, not replaced."""
    record = json.loads((run / "run.json").read_text())
    changes["data"] = {**(record["data"] or {}), **changes.get("data", {})} or None
    (run / "run.json").write_text(json.dumps({**record, **changes}))


def report(cwd: Path, *arguments: object) -> Page:
    done = called("report", *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return Page((cwd / done.stdout.splitlines()[0]).read_text())


def test_it_says_what_compare_says(published):
    done = called("compare", REFERENCE, "--md", cwd=ROOT)
    lines = [line[2:] for line in done.stdout.splitlines() if line.startswith("- ")]
    assert len(lines) == 7
    said = "".join(published.root.text.split())  # A link's text stands apart in it.
    for line in lines:
        assert "".join(line.replace("\\", "").split()) in said
    header = published.all("header")[0].text
    assert "as well as one of convolutions?" in header
    assert "Cost" not in header


def test_its_tables_hold_the_numbers_of_compare(published):
    done = called("compare", REFERENCE, "--json", cwd=ROOT)
    (experiment,) = json.loads(done.stdout)["experiments"]
    means, seeds = published.by_id("chart-seeds").all("table")
    every = {
        (row["model"], row["metric"]): row
        for row in table_rows(published.by_id("comparison").all("table")[-1])
    }
    for model, row in zip(experiment["models"], table_rows(means), strict=True):
        found = model["metrics"]["test_accuracy"]
        learned = model["learned"].get("test_accuracy", found)
        assert (row["model"], row["mean"], row["standard deviation"]) == (
            model["model"],
            learned["mean"],
            learned["sd"],
        )
        assert row["at chance"] == f"{model['n_collapsed']} of {model['n_finished']}"
        by_seed = {int(r["seed"]): r["%"] for r in table_rows(seeds) if r["model"] == row["model"]}
        assert by_seed == {int(seed): value for seed, value in found["by_seed"].items()}
        for name, summary in model["metrics"].items():
            if not name.endswith("_parameters"):
                shown = every[model["model"], name]
                assert (shown["mean"], shown["n"]) == (summary["mean"], summary["n"])
        difference = model["differences"].get("test_accuracy")
        if difference:
            shown = every[model["model"], "test_accuracy"]
            assert [shown["interval_low"], shown["interval_high"]] == difference["interval"]


def test_the_numbers_of_a_curve_are_those_of_the_history(published):
    (table,) = published.by_id("chart-accuracy-0").all("table")
    run = next((ROOT / "results" / REFERENCE).glob("runs/inn-seed1-*"))
    history = json.loads((run / "history.json").read_text())
    rows = table_rows(table)
    assert [row["inn seed 1 test"] for row in rows] == history["val_accuracy"]
    assert [row["inn seed 1 train"] for row in rows] == history["accuracy"]


def test_images_that_only_one_gets_right_are_counted(published):
    rows = table_rows(published.by_id("classes").all("table")[-1])
    assert [(row["model"], row["seed"]) for row in rows[:7]] == [
        *(("inn", seed) for seed in range(6)),
        ("control", 0),
    ]
    for row in rows:
        assert sum(row[k] for k in ("both right", "only model", "only baseline", "none")) == 10000
    accuracy = (rows[1]["both right"] + rows[1]["only model"]) / 10000
    (run,) = (ROOT / "results" / REFERENCE).glob("runs/inn-seed1-*/run.json")
    assert accuracy == json.loads(run.read_text())["metrics"]["test_accuracy"]


def test_each_chart_has_a_picture_and_its_numbers_folded(published):
    figures = published.all("figure")
    assert len(figures) == 12
    for figure in figures:
        (picture,) = figure.all("svg") + figure.all("img")
        said = picture.attributes.get("aria-label") or picture.attributes["alt"]
        assert said == figure.all("h3")[0].text
        (folded,) = figure.all("details")
        assert "open" not in folded.attributes
        assert all(table_rows(table) for table in folded.all("table"))


@pytest.mark.parametrize(
    ("chart", "labels"),
    [
        ("accuracy-0", ["epoch", "accuracy (%)", "chance (10%)"]),
        ("loss-0", ["epoch", "cross-entropy loss (nats)"]),
        ("seeds", ["test accuracy (%)"]),
        ("front-0", ["test accuracy (%)", "Pareto front"]),
        ("parameters", ["trainable parameters (logarithmic)", "operator 72"]),
        ("calibration-0", ["accuracy of those images (%)"]),
        ("confusion-1", ["true class", "predicted class", "share of the true class (%)"]),
        ("confusion-difference-1", ["difference (points)", "airplane"]),
    ],
)
def test_axes_have_names_and_units(published, chart, labels):
    text = published.by_id(f"chart-{chart}").all("svg")[0].text
    for label in labels:
        assert label in text


def test_nothing_comes_from_elsewhere(published):
    for script in published.all("script"):
        assert "src" not in script.attributes
    for node, address in published.addresses():
        inside = address.startswith(("#", "data:", "../")) or node.attributes.get("rel")
        assert inside, address
    for node in published.every():
        assert not any(key.startswith("on") for key in node.attributes)
        for value in node.attributes.values():
            assert "url(" not in value.replace("url(#", "")
    assert "@import" not in published.all("style")[0].text
    (policy,) = (n for n in published.all("meta") if "http-equiv" in n.attributes)
    rules = dict(rule.split(" ", 1) for rule in policy.attributes["content"].split("; "))
    assert rules == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "script-src": " ".join(map(_source, published.all("script")[1:])),
    }


def _source(script: Node) -> str:
    """How a policy names a script, by its text."""
    (text,) = script.parts
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def test_the_library_stands_in_the_page_with_its_licence(published):
    library = published.all("script")[1].parts[0]
    assert "Copyright (c) 2022 Leon Sorokin" in library
    assert "uPlot (v1.6.32)" in library
    assert "Charts drawn by uPlot 1.6.32 (MIT licence)." in published.all("footer")[0].text


def test_facts_of_the_runs_are_in_the_header(published):
    rows = published.all("header")[0].all("dl")[0]
    names, values = ([each.text for each in rows.all(tag)] for tag in ("dt", "dd"))
    assert dict(zip(names, values, strict=True)) == {
        "Data": "cifar10-jpeg",
        "Images": "50,000 training, validated on test images, 10,000 test; 32x32x3, 10 classes",
        "Models": "cnn, inn, control",
        "Epochs": "20",
        "Seeds": "6 of each model",
        "Date": "2026-11-23",
        "Versions": "involbench 0.1.0, keras 3.15.1, tensorflow 2.21.0, numpy 2.4.6",
        "Device": "CPU (AMD EPYC, 1 core)",
    }


def test_the_numbers_of_the_script_are_those_of_the_histories(published):
    data = json.loads(published.by_id("data").parts[0])
    assert data["models"] == {name: name for name in ("cnn", "inn", "control")}
    test, train = data["charts"]["accuracy-0"]
    run = next((ROOT / "results" / REFERENCE).glob("runs/inn-seed1-*"))
    history = json.loads((run / "history.json").read_text())
    for panel, curve in ((test, history["val_accuracy"]), (train, history["accuracy"])):
        (line,) = (each for each in panel["lines"] if each["runs"] == [run.name])
        assert (line["name"], line["model"], line["seeds"]) == ("inn at chance", "inn", [1])
        assert line["y"] == pytest.approx(curve, rel=1e-5)


def test_all_differences_of_confusion_have_one_colour_scale(published):
    for place in (1, 2):
        chart = published.by_id(f"chart-confusion-difference-{place}").all("svg")[0]
        words = chart.text.replace("\N{MINUS SIGN}", "-").split()
        assert words[-7:] == ["-40", "-20", "0", "20", "40", "difference", "(points)"]


def test_what_a_picture_refers_to_is_in_it(published):
    for picture in published.all("svg"):
        inside = {node.attributes.get("id") for node in picture.every()}
        used = {
            node.attributes["href"][1:] for node in picture.all("use") if "href" in node.attributes
        }
        assert used
        assert used <= inside


def test_links_lead_to_the_files_of_the_runs(tmp_path):
    folder = make_experiment(tmp_path / "results").rename(tmp_path / "results" / "two words#1")
    page = report(tmp_path, "two words#1")
    linked = {a.attributes["href"] for a in page.by_id("runs").all("a")}
    assert "spec.yaml" in linked
    assert len([a for a in linked if a.endswith("history.json")]) == 9
    assert all((folder / a).is_file() for a in linked)


def test_dark_ink_is_the_pages(published):
    texts = published.by_id("chart-seeds").all("text")
    assert texts
    assert all("var(--ink)" in n.attributes["style"] for n in texts if "chance" not in n.text)


@pytest.fixture
def sick(tmp_path):
    """Whatever can be wrong with a run, in one experiment."""
    results = tmp_path / "results"
    runs = {}
    for seed in range(3):
        for model in ("cnn", "inn"):
            collapsed = (model, seed) == ("inn", 2)
            runs[model, seed] = make_run(results, model, seed, collapsed=collapsed)
            predict(runs[model, seed])
    make_run(results, "inn", 3, error="ValueError: no memory", fingerprint=None)
    unfinished(results, "inn", 4)
    (runs["cnn", 0] / "history.json").write_text("[")
    (runs["cnn", 1] / "predictions.npz").write_bytes(b"PK")
    (runs["inn", 0] / "predictions.npz").unlink()
    (runs["inn", 1] / "parameters.json").unlink()
    damaged = make_run(results, "cnn", 5)
    (damaged / "run.json").write_text("{")
    return tmp_path


def test_runs_that_ended_alike_are_a_line_after_what_is_unfair(tmp_path):
    for seed in range(10):
        make_run(tmp_path / "results", "cnn", seed)
        changes = {"versions": {**VERSIONS, "keras": "2"}} if seed == 9 else {}
        make_run(tmp_path / "results", "inn", seed, collapsed=True, **changes)
    (first, *_, last) = report(tmp_path, "digits").by_id("care").all("li")
    assert "keras" in first.text
    assert last.text.startswith("inn-seed0-")
    assert last.text.endswith(" and 2 more: finished, collapsed, 20 of 20 epochs.")


def test_sick_runs_are_named_and_counted_and_what_is_missing_is_said(sick):
    done = called("report", cwd=sick)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    page = Page((sick / done.stdout.strip()).read_text())
    assert "8 runs: 1 failed, 5 finished, 1 finished and collapsed, 1 unfinished." in page.root.text
    care = page.by_id("care").text
    for said in (
        "inn-seed2-",
        "finished, collapsed",
        "failed, 0 of 20 epochs: ValueError: no memory",
        "unfinished, 7 of",
        "history.json: damaged: not a whole JSON document (left out of the plots)",
        "predictions.npz: damaged",
        "predictions.npz of 1 finished run is missing (left out of confusion and calibration)",
        "run.json: damaged",
    ):
        assert said in care, said
    for warning in done.stderr.splitlines():
        assert warning.removeprefix("warning: digits: ") in care
    runs = page.by_id("runs").text
    assert "model.keras of 6 finished runs was removed or never published" in runs
    assert "collapsed" in page.by_id("chart-seeds").text
    (table,) = page.by_id("chart-accuracy-0").all("table")
    assert "cnn seed 1 train" in table_rows(table)[0]
    assert "cnn seed 0 train" not in table_rows(table)[0]
    assert "3 seeds" not in page.by_id("chart-confusion-0").text


def test_names_are_text_and_never_markup(tmp_path):
    evil = "<script>alert(1)</script>"
    name = "<b>bold & \"quoted\" 'name' with many more letters, so that there are eighty of th"
    results = tmp_path / "results"
    runs = [
        make_run(results, "cnn", 0),
        make_run(results, "inn", 0),
    ]
    for run in runs:
        predict(run)
        edit(
            run,
            data={"class_names": [evil, "$x", "\\frac{$", "猫\x1b[2J", *CLASSES[4:]]},
            versions={"keras": evil},
            argv=[evil],
        )
    make_run(results, "control", 0, error=f"{evil}\nmore")
    (results / "digits").rename(results / name)
    (results / name / "spec.yaml").write_text(
        f"# Is {evil} a question?\nmodels: {{cnn: {{}}, inn: {{}}}}\nclaims:\n"
        f"- {{says: '{evil}', source: 'javascript:alert(1)', metric: test_accuracy,"
        " greater: cnn, lesser: inn}\n"
        "- {says: more, source: 'https://example.org/a', metric: test_accuracy,"
        " greater: cnn, lesser: inn}\n"
    )
    page = report(tmp_path, name)
    assert page.all("b") + page.all("i") == []
    data = json.loads(page.by_id("data").parts[0])
    assert data["models"] == {"cnn": "cnn", "inn": "inn", "control": "control"}
    assert len(page.all("script")) == 5
    assert page.all("h1")[0].text == name
    assert f"Is {evil} a question?" in page.all("header")[0].text
    assert f"{evil} (javascript:alert(1))" in page.by_id("answer").text
    assert not [address for _, address in page.addresses() if "javascript" in address]
    (source,) = page.by_id("answer").all("a")
    assert source.text == source.attributes["href"] == "https://example.org/a"
    assert "$x \\frac{$ 猫\\x1b[2J 4" in page.by_id("chart-confusion-0").all("svg")[0].text
    assert f"failed, 0 of 20 epochs: {evil} more" in page.by_id("care").text


def test_a_sweep_has_its_curve_and_models_keep_their_colours(tmp_path):
    for size, gain in ((100, 0.1), (1000, -0.1)):
        for seed in range(3):
            for model, more in (("cnn", 0.0), ("inn", gain)):
                run = make_run(
                    tmp_path / "results",
                    model,
                    seed,
                    accuracy=0.5 + more + 0.001 * seed,
                    data={"dataset": "digits", "train_size": size},
                    point={"data.train_size": size},
                )
                if seed == 0:
                    predict(run)
    page = report(tmp_path)
    chart = page.by_id("chart-sweep-0")
    assert "data.train_size" in chart.all("svg")[0].text
    rows = table_rows(chart.all("table")[0])
    assert [row["data.train_size"] for row in rows] == [100, 1000] * 2
    assert [row["mean"] for row in rows] == pytest.approx([0.501, 0.501, 0.601, 0.401])
    assert "inn and cnn cross in test accuracy" in page.by_id("answer").text
    fronts = [table_rows(page.by_id(f"chart-front-{place}").all("table")[0]) for place in (0, 1)]
    assert [sorted(row["%"] for row in rows) for rows in fronts] == [
        pytest.approx([0.501, 0.601]),
        pytest.approx([0.401, 0.501]),
    ]
    for place in ("accuracy-0", "accuracy-1", "calibration-1", "sweep-0"):
        drawn = str([n.attributes for n in page.by_id(f"chart-{place}").every()])
        assert {c for c in ("#0072b2", "#d55e00", "#009e73") if c in drawn} == {
            "#0072b2",
            "#d55e00",
        }


def test_a_sweep_of_one_model_is_drawn_against_the_baseline(tmp_path):
    make_run(tmp_path / "results", "cnn", 0, accuracy=0.5)
    for size, accuracy in ((3, 0.4), (5, 0.6)):
        make_run(
            tmp_path / "results",
            "inn",
            0,
            accuracy=accuracy,
            architecture={"architecture": "keras_io_inn", "kernel_size": size},
            point={"models.inn.kernel_size": size},
        )
    chart = report(tmp_path).by_id("chart-sweep-0")
    rows = table_rows(chart.all("table")[0])
    swept = [(row["model"], row["models.inn.kernel_size"], row["mean"]) for row in rows]
    assert swept == [("inn", 3, 0.4), ("inn", 5, 0.6), ("cnn", "any", 0.5)]
    assert "cnn" in chart.all("svg")[0].text


def test_one_run_of_one_epoch_and_a_hundred_classes(tmp_path):
    run = make_run(tmp_path / "results", "cnn", 0, training={"epochs": 1})
    predict(run, classes=100, images=300)
    edit(run, data={"class_names": [f"class {k}" for k in range(100)]})
    page = report(tmp_path)
    assert "there is nothing to compare it with" in page.by_id("answer").text
    (table,) = page.by_id("chart-confusion-0").all("table")
    assert len(table_rows(table)) == 150
    assert len(table_rows(page.by_id("chart-loss-0").all("table")[0])) == 1


def test_histories_of_unequal_length_and_without_validation_are_drawn_as_they_are(tmp_path):
    for seed, length in enumerate((3, 5)):
        for model in ("cnn", "inn"):
            run = make_run(tmp_path / "results", model, seed, training={"epochs": 5})
            history = json.loads((run / "history.json").read_text())
            kept = {
                name: row[:length]
                for name, row in history.items()
                if model == "cnn" or "val_" not in name
            }
            (run / "history.json").write_text(json.dumps(kept))
    page = report(tmp_path)
    for chart in ("chart-accuracy-0", "chart-loss-0"):
        (table,) = page.by_id(chart).all("table")
        rows = table_rows(table)
        titles = {title for title in rows[0] if title.startswith("inn")}
        assert titles == {"inn seed 0 train", "inn seed 1 train"}
        assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5]
        known = [isinstance(row["inn seed 0 train"], float) for row in rows]
        assert known == [True] * 3 + [False] * 2
        assert page.by_id(chart).all("svg")


def test_many_seeds_stay_small_and_their_means_are_in_the_table(tmp_path):
    for seed in range(30):
        for model in ("cnn", "inn", "control"):
            make_run(tmp_path / "results", model, seed, training={"epochs": 40})
    done = called("report", cwd=tmp_path)
    path = tmp_path / done.stdout.strip()
    assert path.stat().st_size < 2_000_000
    page = Page(path.read_text())
    (table,) = page.by_id("chart-accuracy-0").all("table")
    assert list(table_rows(table)[0])[:3] == ["epoch", "cnn test, mean", "cnn train, mean"]
    assert page.by_id("chart-accuracy-0").all("img")


def test_nothing_to_show_is_said(tmp_path):
    (tmp_path / "results" / "digits" / "runs").mkdir(parents=True)
    page = report(tmp_path, "digits")
    assert "No finished run: nothing to compare yet." in page.by_id("answer").text
    assert page.all("figure") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["digit"], "no experiment 'digit' under results; did you mean 'digits'?"),
        ([], "name an experiment: digits, more"),
        (
            ["digits", "more"],
            "name a file for the report of several experiments with --output FILE",
        ),
        (["digits", "--format", "gif"], "--format gif: expected one of png, svg, pdf"),
        (["digits", "-o", "results"], "results is a folder: name a file with --output FILE"),
        (["digits", "-o", "no/where.html"], "cannot write no/where.html: No such file"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, arguments, said):
    for name in ("digits", "more"):
        (tmp_path / "results" / name / "runs").mkdir(parents=True)
    done = called("report", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {said}")
    assert len(done.stderr.splitlines()) == 1


def test_charts_as_files_and_the_browser(tmp_path, monkeypatch):
    make_run(tmp_path / "results", "cnn", 0)
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: bool(opened.append(address)))
    done = called("report", "--format", "pdf", "--open", "-o", "here.html", cwd=tmp_path)
    assert done.stdout.splitlines() == ["here.html", "here-charts"]
    assert {path.name for path in (tmp_path / "here-charts").iterdir()} == {
        *("accuracy-0.pdf", "loss-0.pdf", "seeds.pdf", "parameters.pdf")
    }
    assert (tmp_path / "here-charts" / "seeds.pdf").read_bytes().startswith(b"%PDF")
    assert opened == [(tmp_path / "here.html").as_uri()]
    assert "--open: found no browser; open here.html in one" in done.stderr


def test_the_same_results_give_the_same_page(tmp_path):
    run = make_run(tmp_path / "results", "cnn", 0)
    predict(run)
    texts = []
    for _ in range(2):
        report(tmp_path)
        texts.append((tmp_path / "results" / "digits" / "report.html").read_text())
    assert texts[0] == texts[1]
