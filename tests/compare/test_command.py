"""`involbench compare` through its front door: a process, files in, text out."""

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

from .factory import make_experiment, make_run

GOLDEN = Path(__file__).parent / "golden"


def run_compare(
    cwd: Path, *arguments: str, **environment: str
) -> "subprocess.CompletedProcess[str]":
    plain = {
        key: value for key, value in os.environ.items() if key not in ("COLUMNS", "FORCE_COLOR")
    }
    return subprocess.run(
        [sys.executable, "-m", "involbench", "compare", *arguments],
        cwd=cwd,
        env={**plain, "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


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
    assert rounded(done.stdout) == rounded((GOLDEN / golden).read_text(encoding="utf-8"))


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
    assert "[2Jno memory at all" in said
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
            [sys.executable, "-m", "involbench", "compare"],
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
    make_run(collapsed / "results", "cnn", 0, training={"epochs": 2}, ended="2025-01-01")
    done = run_compare(collapsed, "--json")

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    document = json.loads(done.stdout, parse_constant=refuse)
    warning = "1 run of cnn with other settings left out: training.epochs 2, not 20"
    assert document["experiments"][0]["warnings"] == [warning]
    assert done.stderr == f"warning: digits: {warning}\n"


def test_csv_has_a_line_a_model_and_metric(collapsed: Path) -> None:
    rows = list(csv.DictReader(StringIO(run_compare(collapsed, "--csv").stdout)))
    assert len({(row["model"], row["metric"]) for row in rows}) == len(rows) == 3 * (6 + 7)
    inn = next(r for r in rows if (r["model"], r["metric"]) == ("inn", "test_accuracy"))
    assert (inn["n"], inn["n_collapsed"], inn["n_failed"], inn["pairs"]) == ("3", "1", "1", "3")
    assert float(inn["mean"]) == pytest.approx((0.47 + 0.472 + 0.1) / 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digit"], "no experiment 'digit' under results; did you mean digits?"),
        (["--json", "--csv"], "--json and --csv exclude each other: choose one"),
        (["--baseline", "cn"], "digits has no run of that model; did you mean cnn?"),
        (["--results", "nowhere"], "no results under nowhere, which does not exist"),
        (["-o", "nowhere/table.md"], "cannot write nowhere/table.md"),
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
    assert re.fullmatch(r" cnn +0 +n/a +n/a +n/a +baseline *", row)


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
