"""`involbench compare` through its front door: files in, text out.

In a process of its own where that matters: where something is set for it, or a terminal reads it.
"""

import csv
import json
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest

from tests.cli import COMMAND, called
from tests.results.factory import ROLES, VERSIONS, make_experiment, make_run

HELD_OUT = {"dataset": "digits", "validation": 0.1}
GOLDEN = Path(__file__).parent / "golden"


def run_compare(
    cwd: Path, *arguments: str, **environment: str
) -> "subprocess.CompletedProcess[str]":
    if not environment:
        return called("compare", *arguments, cwd=cwd)
    return subprocess.run(
        [*COMMAND, "compare", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal that runs the tests says nothing of the one that a test is about."""
    for name in ("COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def collapsed(tmp_path: Path) -> Path:
    """Three models, three seeds, of which inn's last collapsed, and one failed run."""
    for seed in range(3):
        for model in ("cnn", "inn", "control"):
            make_run(tmp_path / "results", model, seed, collapsed=(model, seed) == ("inn", 2))
    make_run(tmp_path / "results", "inn", 3, error="ValueError: no memory", fingerprint=None)
    (tmp_path / "results" / "digits" / "spec.yaml").write_text(
        "models: {cnn: {}, inn: {}, control: {}}\nbaseline: cnn\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("flags", "golden"),
    [
        ([], "compare.txt"),
        (["--md"], "compare.md"),
        (["--csv"], "compare.csv"),
        (["--json"], "compare.json"),
    ],
)
def test_output_is_the_golden_one(collapsed: Path, flags: list[str], golden: str) -> None:
    done = run_compare(collapsed, *flags)
    assert (done.returncode, done.stderr) == (0, "")
    # `test_expand` holds ids, which change with every RESULT_VERSION.
    ids = r"(?<=-seed\d-)[0-9a-f]{8}"
    assert re.search(ids, done.stdout) or "--json" not in flags
    printed = rounded(re.sub(ids, "HASH", done.stdout))
    assert printed == rounded((GOLDEN / golden).read_text(encoding="utf-8"))


def rounded(text: str) -> str:
    """Without the last digits of long numbers, which differ between processors."""
    return re.sub(r"\d\.\d{12,}(e-?\d+)?", lambda number: f"{float(number[0]):.9g}", text)


def test_text_keeps_to_80_columns_without_escapes(collapsed: Path) -> None:
    lines = run_compare(collapsed).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in "".join(lines)


def test_an_error_cannot_command_the_terminal(tmp_path: Path) -> None:
    make_run(tmp_path / "results", "cnn", 0, error="\x1b[2Jno memory\a\nat all")
    said = run_compare(tmp_path).stdout
    assert r"\x1b[2Jno memory\x07 at all" in said
    assert not {"\x1b", "\a"} & set(said)


@pytest.mark.parametrize(
    ("environment", "decorated"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1"}, False)],
)
def test_a_terminal_gets_decoration_unless_switched_off(
    collapsed: Path, environment: dict[str, str], decorated: bool
) -> None:
    mine, theirs = pty.openpty()
    with os.fdopen(mine, "rb", buffering=0) as screen:
        process = subprocess.Popen(
            [*COMMAND, "compare"],
            cwd=collapsed,
            env={"PATH": os.environ["PATH"], "TERM": "xterm", "LANG": "C.UTF-8", **environment},
            stdout=theirs,
        )
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # Linux ends a terminal with EIO
            while chunk := screen.read(4096):
                shown += chunk
        assert process.wait() == 0
    assert b"73.20" in shown
    assert (b"\x1b[" in shown) == decorated


def test_json_is_one_strict_document_even_with_warnings(collapsed: Path) -> None:
    make_run(collapsed / "results", "cnn", 3, device="GPU")
    done = run_compare(collapsed, "--json")

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    document = json.loads(done.stdout, parse_constant=refuse)
    unlike = "device CPU (cnn seed 0, 1 and 2, inn, control); GPU (cnn seed 3)"
    warning = f"runs from different environments: {unlike}"
    assert document["experiments"][0]["warnings"] == [warning]
    assert done.stderr == f"warning: digits: {warning}\n"


def test_csv_has_a_line_a_model_and_metric(collapsed: Path) -> None:
    rows = list(csv.DictReader(StringIO(run_compare(collapsed, "--csv").stdout)))
    assert len({(row["model"], row["metric"]) for row in rows}) == len(rows) == 3 * (7 + 7)
    inn = next(r for r in rows if (r["model"], r["metric"]) == ("inn", "test_accuracy"))
    assert (inn["n"], inn["n_collapsed"], inn["n_failed"], inn["pairs"]) == ("3", "1", "1", "2")
    assert float(inn["mean"]) == pytest.approx((0.47 + 0.472 + 0.1) / 3)
    assert (inn["learned"], float(inn["learned_mean"])) == ("2", pytest.approx(0.471))
    assert (inn["design"], inn["level"]) == ("two arms", str(1 - 0.05 / 3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digit"], "no experiment 'digit' under results; did you mean 'digits'?"),
        (["--json", "--csv"], "--json and --csv exclude each other: choose one"),
        (["--baseline", "cn"], "digits has no run of that model; did you mean 'cnn'?"),
        (["--results", "nowhere"], "no results under nowhere, which does not exist"),
        (["-o", "nowhere/table.md"], "cannot write nowhere/table.md"),
        (["--metric", "test_los"], "no run has that metric; did you mean 'test_loss'?"),
        (["--metric", "macs"], "--metric macs: no run has that metric\n"),
        (["--sort-by", "size"], "--sort-by size: no run has that metric; expected one of"),
        (
            ["-m", "epochs_to"],
            "add the accuracy to reach, a fraction, such as epochs_to@",
        ),
        (["-m", "epochs_to@val_accuracy=0.9"], "no run reached the accuracy"),
        (["-m", "seconds_to@val_accuracy=70"], "a fraction, such as seconds_to@val_accuracy=0.7"),
        (["--against", "elsewhere"], "--against elsewhere: it has no experiment digits"),
        (["--against", "results", "--csv"], "--against has no CSV; use --json or --md"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(
    collapsed: Path, arguments: list[str], message: str
) -> None:
    done = run_compare(collapsed, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_experiment_is_named_or_pointed_to(collapsed: Path) -> None:
    make_experiment(collapsed / "results", "reference/published")
    everything = run_compare(collapsed).stdout
    assert "published" not in everything
    for name in ("reference/published", "results/reference/published"):
        assert run_compare(collapsed, name).stdout.startswith("reference/published\n")
    inside = run_compare(collapsed / "results" / "digits", ".").stdout
    assert inside.startswith("digits\n")


def test_output_file_holds_what_would_be_printed(collapsed: Path) -> None:
    done = run_compare(collapsed, "--md", "-o", "table.md")
    assert (done.returncode, done.stdout) == (0, "")
    assert (collapsed / "table.md").read_text() == (GOLDEN / "compare.md").read_text()


def test_output_file_of_tables_is_plain(collapsed: Path) -> None:
    run_compare(collapsed, "-o", "table.txt", FORCE_COLOR="1", COLUMNS="200")
    assert (collapsed / "table.txt").read_text() == (GOLDEN / "compare.txt").read_text()


def test_nothing_finished_is_said_without_numbers(tmp_path: Path) -> None:
    make_run(tmp_path / "results", "cnn", 0, error="RuntimeError: boom")
    done = run_compare(tmp_path)
    assert done.returncode == 0
    assert "No finished run" in done.stdout
    assert "cnn seed 0 failed: RuntimeError: boom" in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.startswith(" cnn"))
    assert re.fullmatch(r" cnn +0 +n/a +baseline +n/a +n/a +n/a *", row)


def test_an_experiment_without_runs_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "results" / "new" / "runs").mkdir(parents=True)
    done = run_compare(tmp_path)
    assert done.returncode == 0
    assert "No finished run" in done.stdout


def test_compare_needs_no_deep_learning_framework(collapsed: Path) -> None:
    poison = collapsed / "poison"
    poison.mkdir()
    for name in ("tensorflow", "keras", "jax", "torch"):
        (poison / f"{name}.py").write_text(f"raise SystemExit('{name} was imported')")
    path = os.pathsep.join([str(poison), os.environ.get("PYTHONPATH", "")])
    probe = subprocess.run(
        [sys.executable, "-c", "import keras"], env={**os.environ, "PYTHONPATH": path}
    )
    assert probe.returncode == 1, "the poison does not work"
    done = run_compare(collapsed, PYTHONPATH=path)
    assert (done.returncode, done.stderr) == (0, "")


def test_six_seeds_give_a_verdict_in_a_sentence(tmp_path: Path) -> None:
    make_experiment(tmp_path / "results", seeds=7)
    for seed in range(7):
        make_run(tmp_path / "results", "cnn", seed, experiment="near", accuracy=0.5 + 0.01 * seed)
        make_run(
            tmp_path / "results",
            "inn",
            seed,
            experiment="near",
            accuracy=0.5 + 0.01 * seed + 0.01 * (-1) ** seed,
        )
    said = " ".join(run_compare(tmp_path, "digits").stdout.split())
    assert "▼ -26.0 [-26.6, -25.4]" in said
    assert (
        "inn is 26.0 points less accurate than cnn, 95% interval 25.4 to 26.6, 7 seeds; "
        "it has 24 times fewer parameters, with 66 in the operator and 13,002 in the dense head."
    ) in said
    near = " ".join(run_compare(tmp_path, "near").stdout.split())
    assert re.search(
        r"inn and cnn cannot be told apart in test accuracy: \+0\.1 points, "
        r"95% interval -\d\.\d to \d\.\d, 7 seeds "
        r"\(enough to find \d\.\d points four times in five\);",
        near,
    )
    assert "~ +0.14 [" in near


def test_verdicts_hold_for_all_comparisons_together(tmp_path: Path) -> None:
    make_experiment(tmp_path / "results", seeds=6)
    said = " ".join(run_compare(tmp_path).stdout.split())
    assert "Verdicts and intervals are corrected for the 2 comparisons (Holm)." in said
    # Paired, six seeds are too few for two verdicts together, and the correlation is printed.
    paired = " ".join(run_compare(tmp_path, "--paired").stdout.split())
    assert "less accurate than cnn in 6 seeds, paired: too few for a verdict" in paired
    assert "inn and cnn, test accuracy: correlation of the seeds 1.00." in paired
    assert "difference from cnn in points, paired by seed: ▲ better" in paired
    page = called("report", "digits", "--paired", "--output", "r.html", cwd=tmp_path)
    assert page.returncode == 0, page.stderr
    assert "correlation of the seeds 1.00." in (tmp_path / "r.html").read_text()


def test_a_difference_within_the_margin_is_equivalent(tmp_path: Path) -> None:
    for seed in range(6):
        for model, step in (("cnn", 0.002), ("inn", -0.002), ("control", 0.002)):
            accuracy = 0.7 + step * (seed - 2.5) - 0.01 * (model == "control")
            make_run(tmp_path / "results", model, seed, accuracy=accuracy)
    spec = tmp_path / "results/digits/spec.yaml"
    spec.write_text("models: {cnn: {}, inn: {}, control: {}}\nbaseline: cnn\nmargin: 0.02\n")
    said = " ".join(run_compare(tmp_path).stdout.split())
    assert re.search(
        r"inn and cnn are equivalent within 2\.0 points in test accuracy: [+-]0\.0 points, 95% "
        r"interval -0\.\d to 0\.\d, 6 seeds;",
        said,
    )
    assert "6 seeds, but equivalent within 2.0 points; it has" in said
    assert "≈" in said
    tighter = run_compare(tmp_path, "--margin", "0.001", "--json")
    (experiment,) = json.loads(tighter.stdout)["experiments"]
    inn = experiment["models"][1]["differences"]
    assert (experiment["margin"], inn["test_accuracy"]["equivalent"]) == (0.001, False)
    assert (inn["test_accuracy"]["verdict"], inn["test_loss"]["equivalent"]) == ("undecided", None)
    refused = run_compare(tmp_path, "--margin", "2")
    assert refused.returncode == 2
    assert "--margin 2: expected a fraction above 0 and below 1; write 0.02" in refused.stderr


def test_the_primary_comparison_is_tested_first(tmp_path: Path) -> None:
    """Four against four can decide one comparison, but none of two together."""
    for seed in range(4):
        for model, accuracy in (("cnn", 0.7), ("inn", 0.5), ("control", 0.4)):
            make_run(tmp_path / "results", model, seed, accuracy=accuracy + seed / 100)
    spec = tmp_path / "results/digits/spec.yaml"
    stated = "models: {cnn: {}, inn: {}, control: {}}\nbaseline: cnn\n"
    spec.write_text(stated)
    assert run_compare(tmp_path).stdout.count("▼") == 1  # in the legend
    spec.write_text(f"{stated}primary: control\n")
    shown = run_compare(tmp_path)
    assert shown.stdout.count("▼") == 3
    for run in (tmp_path / "results/digits/runs").glob("control-*3-*/run.json"):
        run.write_text(run.read_text().replace("0.43", "0.93"))
    gated = " ".join(run_compare(tmp_path).stdout.split())
    why = "no verdict, because the primary comparison, that of control, has none"
    assert f"inn, test accuracy: {why}." in gated
    assert "inn and cnn: no verdict on the test accuracy: -20.0 points, 4 seeds" in gated


def test_other_metrics_sorting_and_what_is_equal(collapsed: Path) -> None:
    shown = run_compare(collapsed, "-m", "test_loss", "--sort-by", "test_accuracy").stdout
    names = [
        line.split()[0] for line in shown.splitlines() if re.match(r" ?(cnn|inn|control) +3", line)
    ]
    assert names == ["cnn", "inn", "control"]  # by the runs that learned
    assert "control's test loss is 0.716 higher than cnn's" in " ".join(shown.split())


def test_only_changed_leaves_out_what_is_equal(tmp_path: Path) -> None:
    for model in ("cnn", "inn", "control"):
        for seed in range(2):
            accuracy = 0.5 if model == "inn" else 0.4
            folder = make_run(tmp_path / "results", model, seed, accuracy=accuracy)
            if model != "inn":  # of one size
                counts = '{"total":1,"trainable":1,"non_trainable":0,"by_role":{},"layers":[]}'
                (folder / "parameters.json").write_text(counts)
    done = run_compare(tmp_path, "--only-changed")
    assert done.stderr == "digits: control left out: equal to cnn\n"
    head, _, *rows = done.stdout.splitlines()[1:5]
    assert re.split("  +", head.strip()) == [
        *("model", "accuracy %", "difference [95%]", "trainable", "operator", "s/epoch")
    ]
    assert [row.split()[0] for row in rows] == ["cnn", "inn"]


def test_what_has_not_ended_is_named(tmp_path: Path) -> None:
    for seed in range(6):
        ended = make_run(tmp_path / "results", "cnn", seed)
        (ended / "run.json").unlink() if seed else None
    (ended.parent / "notes").mkdir()  # Not a run's.
    done = run_compare(tmp_path)
    cut = [path.name for path in sorted(ended.parent.glob("cnn-*"))[1:4]]
    said = f"digits: left out unfinished runs: {', '.join(cut)} and 2 more"
    assert said in " ".join(done.stderr.split())


def test_only_changed_shows_what_has_lost_a_seed(tmp_path: Path) -> None:
    for tree, seeds in (("old", 2), ("new", 1)):
        for seed in range(seeds):
            make_run(tmp_path / tree, "cnn", seed)
            make_run(tmp_path / tree, "inn", 0, accuracy=0.5) if not seed else None
    done = run_compare(tmp_path, "--results", "new", "--against", "old", "--only-changed")
    assert re.search(r"cnn +2/1 ", done.stdout)
    assert not re.search(r"inn +1/1 ", done.stdout)


def test_two_trees_show_each_model_then_and_now(tmp_path: Path) -> None:
    for seed in range(6):
        for tree, gain, keras in (("old", 0.0, "3.11.0"), ("new", 0.02, "3.12.0")):
            for model in ("cnn", "inn"):
                moved = gain + 0.001 * seed + 1e-5 if model == "inn" and gain else 0.0
                versions = {**VERSIONS, "keras": keras}
                make_run(tmp_path / tree, model, seed, accuracy=0.5 + moved, versions=versions)
    make_run(tmp_path / "old", "control", 0, versions={**VERSIONS, "keras": "3.11.0"})
    done = run_compare(tmp_path, "--results", "new", "--against", "old", "-m", "test_accuracy")
    lines = done.stdout.splitlines()
    assert lines[0] == "digits, against old"
    assert re.search(r"inn +6/6 +50.00 ± 0.00 +52.25 ± 0.19 +▲ \+2.25 \[2.0", done.stdout)
    assert "inn now is 2.3 points more accurate than inn then" in " ".join(done.stdout.split())
    assert "control: only in old" in done.stderr
    assert "run in another environment: keras 3.11.0 then, 3.12.0 now" in done.stderr
    changed = run_compare(
        tmp_path, "--results", "new", "--against", "old", "--only-changed", "--json"
    )
    (experiment,) = json.loads(changed.stdout)["against"]
    (inn,) = experiment["models"]
    assert inn["changes"]["test_accuracy"]["verdict"] == "higher"
    shown = run_compare(tmp_path, "--results", "new", "--against", "old", "--only-changed", "--md")
    assert "| cnn |" not in shown.stdout
    assert "| inn | 6/6 |" in shown.stdout


def test_two_trees_say_what_was_made_otherwise(tmp_path: Path) -> None:
    for tree, epochs in (("old", 20), ("new", 100)):
        make_run(tmp_path / tree, "inn", 0, training={"epochs": epochs})
    done = run_compare(tmp_path, "--results", "new", "--against", "old")
    assert "inn has other settings than then: training.epochs 100, not 20" in done.stderr


def test_against_another_tree_lost_seeds_are_named_and_new_experiments_passed_over(
    tmp_path: Path,
) -> None:
    for seed in range(6):
        make_run(tmp_path / "old", "inn", seed)
        make_run(tmp_path / "new", "inn", seed, collapsed=seed in (1, 4))
        make_run(tmp_path / "new", "inn", seed, experiment="later")
    make_run(tmp_path / "old", "inn", 6, error="ValueError: no memory")
    done = run_compare(tmp_path, "--results", "new", "--against", "old")
    assert (done.returncode, "warning: later: not in old" in done.stderr) == (0, True)
    said = " ".join(done.stdout.split())
    assert (
        "inn then, seed 6 failed. inn now, seeds 1, 4 collapsed: their accuracy never left chance; "
        "not in the changes."
    ) in said


def test_seeds_without_a_value_are_said_with_those_that_have_one(tmp_path: Path) -> None:
    for seed in range(12):
        reached = 0.2 if seed in (1, 3) else 0.4
        make_run(tmp_path / "results", "cnn", seed, data=HELD_OUT)
        make_run(tmp_path / "results", "inn", seed, data=HELD_OUT, accuracy=reached)
    done = run_compare(tmp_path, "-m", "epochs_to@val_accuracy=0.3")
    said = " ".join(done.stdout.split())
    never = "inn has no time to 30% validation accuracy because it never reached it"
    assert f"{never}: seeds 1, 3." in said
    assert "no verdict, because 2 of 12 seeds of inn never reached the accuracy." in said
    assert "(10) ~ " in said
    assert "in brackets, the seeds behind a value, if fewer" in said


def test_collapsed_runs_are_a_share_beside_the_accuracy_of_the_others(tmp_path: Path) -> None:
    for seed in range(8):
        make_run(tmp_path / "results", "cnn", seed, accuracy=0.7)
        make_run(tmp_path / "results", "inn", seed, collapsed=seed < 3, accuracy=0.45 + seed / 100)
        make_run(tmp_path / "results", "control", seed, collapsed=True)
    done = run_compare(tmp_path)
    said = " ".join(done.stdout.split())
    assert (
        "inn: 3 of 8 runs never left chance (interval 9 to 76%), cnn: 0 of 8 (0 to 37%); p 0.2, no "
        "verdict on these shares. Of the others, inn is 20.0 points less accurate than cnn, 95% "
        "interval 1"
    ) in said
    assert "5 and 8 seeds; it has 24 times fewer parameters" in said
    assert (
        "control: 8 of 8 runs never left chance (interval 63 to 100%), cnn: 0 of 8 (0 to 37%); "
        "p < 0.001, control collapses more often. Of the others, control and cnn have no test "
        "accuracy to compare;"
    ) in said
    assert "inn seeds 0, 1, 2 collapsed: their accuracy never left chance (10.0%); counted" in said
    assert re.search(r"inn 8 50\.00 ± 1\.58 \(5\) ▼ -20\.0 \[-2.*, -1.*\] 3 of 8", said)
    gap = " ".join(run_compare(tmp_path, "-m", "generalization_gap").stdout.split())
    assert "Of the runs that learned, inn's generalization gap is" in gap
    share = " ".join(run_compare(tmp_path, "-m", "collapsed").stdout.split())
    assert "p 0.2, no verdict on these shares." in share


def test_what_is_unusual_of_several_models_is_said_once(tmp_path: Path) -> None:
    for seed in range(15):
        for model in ("cnn", "inn", "control"):
            make_run(tmp_path / "results", model, seed)
    said = " ".join(run_compare(tmp_path).stdout.split())
    assert "control, inn, test accuracy: p is from 16,384" in said
    assert said.count("splits of the runs") == 1


def test_a_mean_difference_of_nothing_is_in_words_and_few_digits(tmp_path: Path) -> None:
    for seed, gain in enumerate((0.1, -0.1)):
        make_run(tmp_path / "results", "cnn", seed, data=HELD_OUT, accuracy=0.5)
        make_run(tmp_path / "results", "inn", seed, data=HELD_OUT, accuracy=0.5 + gain)
    said = " ".join(run_compare(tmp_path).stdout.split())
    assert "inn and cnn have the same mean test accuracy" in said
    metric = "epochs_to@val_accuracy=0.2"
    same = run_compare(tmp_path, "--against", "results", "-m", metric)
    assert re.search(r" = \+0\.0\b", same.stdout)


def test_markdown_shows_stars_as_they_are(tmp_path: Path) -> None:
    claim = {"says": "*much* <b>better", "source": "a|b", "metric": "test_loss"}
    spec = {"models": {}, "claims": [{**claim, "greater": "cnn", "lesser": "inn"}]}
    make_run(tmp_path / "results", "cnn", 0)
    (tmp_path / "results/digits/spec.yaml").write_text(json.dumps(spec))
    assert r"\*much\* \<b>better (a\|b)" in run_compare(tmp_path, "--md").stdout


def test_a_share_too_small_to_say_is_said_as_a_number(tmp_path: Path) -> None:
    for model, count in (("cnn", 319_178), ("inn", 319_198)):
        folder = make_run(tmp_path / "results", model, 0)
        roles = '"by_role":{"operator":1},"layers":[]'
        counts = f'{{"total":{count},"trainable":{count},"non_trainable":0,{roles}}}'
        (folder / "parameters.json").write_text(counts)
    assert "it has 20 more parameters" in " ".join(run_compare(tmp_path).stdout.split())


def test_equal_models_are_called_equal(tmp_path: Path) -> None:
    for model in ("cnn", "inn"):
        for seed in range(2):
            make_run(tmp_path / "results", model, seed, accuracy=0.5)
    done = run_compare(tmp_path)
    assert "= +0.00" in done.stdout
    assert "inn and cnn are equal in test accuracy, 2 seeds; inn has 24 times" in done.stdout


def test_a_name_stays_whole_where_narrower_columns_give_it_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ROLES, "depthwise", ROLES["cnn"])
    plain = {"architecture": "plain", "operator": "depthwise"}
    for seed in range(6):
        noise = 0.01 * (seed * seed % 5)
        make_run(tmp_path / "results", "cnn", seed, accuracy=0.7 + noise)
        make_run(tmp_path / "results", "depthwise", seed, accuracy=0.5 - noise, architecture=plain)
    lines = run_compare(tmp_path).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    row = next(line for line in lines if line.startswith("depthwise "))
    assert re.fullmatch(r"depthwise 6 48.33 ± .* 319,178 +28,320 +8.2 *", row)


def test_coordinates_too_long_for_the_table_stand_below_it(tmp_path: Path) -> None:
    for seed in range(6):
        make_run(tmp_path / "results", "cnn", seed)
        for ratio in (1, 2):
            point = {
                "models.inn.operator.reduction_ratio": ratio,
                "models.inn.operator.kernel_activation": "softmax",
            }
            make_run(
                *(tmp_path / "results", "inn", seed),
                architecture={"architecture": "keras_io_inn", "reduction_ratio": ratio},
                point=point,
            )
    lines = run_compare(tmp_path).stdout.splitlines()
    assert [line[:7] for line in lines[3:6]] == ["cnn    ", "inn (1)", "inn (2)"]
    assert lines[6:8] == [
        " (1) reduction_ratio=1 kernel_activation=softmax",
        " (2) reduction_ratio=2 kernel_activation=softmax",
    ]
    said = " ".join(" ".join(lines).split())
    assert said.count("24 times fewer parameters") == 1


def test_a_header_folds_before_a_name_does(tmp_path: Path) -> None:
    for seed in range(6):
        for model in ("cnn", "control"):
            noise = 0.01 * (seed * seed % 5)
            make_run(
                tmp_path / "results", model, seed, measured={"accuracy_drop@noise=0.08": noise}
            )
    lines = run_compare(tmp_path, "-m", "accuracy_drop@noise=0.08").stdout.splitlines()
    assert lines[1].split() == ["drop", "%"]
    assert lines[2].split()[:3] == ["model", "n", "@noise=0.08"]
    assert lines[5].startswith("control 6 ")


def test_collapsed_and_failed_runs_are_a_line_a_model(tmp_path: Path) -> None:
    for seed in range(10):
        make_run(tmp_path / "results", "cnn", seed)
        make_run(tmp_path / "results", "inn", seed, collapsed=seed % 3 == 0)
    for seed in (10, 11, 12):
        error = "OSError: no space" if seed > 10 else "ValueError: no memory"
        make_run(tmp_path / "results", "inn", seed, error=error)
    said = " ".join(run_compare(tmp_path).stdout.split())
    collapsed = "inn seeds 0, 3, 6, 9 collapsed: their accuracy never left chance (10.0%);"
    assert f"{collapsed} counted in shares, times and sizes only." in said
    assert "inn seed 10 failed: ValueError: no memory inn seeds 11, 12 failed: OSError" in said


def test_of_very_many_models_with_collapsed_runs_there_is_one_line(tmp_path: Path) -> None:
    for size in range(1, 8):
        data, point = {"dataset": "digits", "train_size": size}, {"data.train_size": size}
        for seed in range(2):
            make_run(tmp_path / "results", "cnn", seed, collapsed=True, data=data, point=point)
    said = " ".join(run_compare(tmp_path).stdout.split())
    assert "14 runs collapsed: their accuracy never left chance; counted in" in said


def test_several_folders_are_read_as_one(collapsed: Path) -> None:
    whole = run_compare(collapsed, "--json").stdout
    (collapsed / "b/digits/runs").mkdir(parents=True)
    for number, run in enumerate(sorted((collapsed / "results/digits/runs").iterdir())):
        if number % 2:
            run.rename(collapsed / "b/digits/runs" / run.name)
        elif number % 4:  # Begun there too, by a job that was cut off.
            (collapsed / "b/digits/runs" / run.name).mkdir()
    for order in (("b", "results"), ("results", "b", "results")):
        folders = [word for folder in order for word in ("--results", folder)]
        done = run_compare(collapsed, "--json", *folders)
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout) == json.loads(whole)
    missing = run_compare(collapsed, "x", "--results", "b", "--results", "c")
    assert missing.returncode == 2
    assert "no experiment 'x' under b and c; expected one of digits" in missing.stderr
