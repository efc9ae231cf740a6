"""Nothing that a results folder from a stranger holds reaches out of it, or hides its other runs.

`make torture` puts everything in the place of everything; each commit is held to a part of that.
"""

import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from tests.cli import called
from tests.effort import THOROUGH
from tests.results import hostile
from tests.results.hostile import KINDS, edit, header, in_time, npz, outside, resized, run_of, state

OF_A_RUN = (
    *("run.json", "history.json", "parameters.json", "predictions.npz", "kernels.npz"),
    *("model.keras", "log.txt", ".lock", "plots", "checkpoint", "export", "benchmark-model.json"),
    *("history.csv", ".model.tmp.keras", "."),
)
OF_THE_EXPERIMENT = ("spec.yaml", "comparison.json", "report.html", "plots", "images", "runs", ".")
COMMANDS = (
    ["list"],
    ["show", "inn-seed0"],
    ["compare", "--json"],
    ["clean", "--yes"],
    ["export-results", "--to", "csv", "-o", "table"],
    ["merge", "results", "-o", "merged"],
    ["report", "tiny"],
)


@pytest.fixture
def tree(good: Path, tmp_path: Path) -> Path:
    """A copy of the good tree, beside a folder that nothing may touch."""
    shutil.copytree(good, tmp_path, dirs_exist_ok=True)
    outside(tmp_path)
    return tmp_path


def survives(root: Path, *commands: list[str]) -> dict[str, subprocess.CompletedProcess]:
    """Each command ends in time and without a traceback, and outside all is as it was."""
    before, done = state(root / "outside"), {}
    for command in commands:
        with in_time():
            result = done[command[0]] = called(*command, cwd=root)
        assert result.returncode in (0, 1, 2), result
        assert "Traceback" not in result.stderr, result
        assert len(result.stderr) < 20_000, result
        assert state(root / "outside") == before, result
    return done


def victims() -> list[tuple[str, str]]:
    """What is replaced, and by what: all pairs, or for each commit links, and a kind more."""
    names = [*(f"run/{name}" for name in OF_A_RUN), *(f"tiny/{name}" for name in OF_THE_EXPERIMENT)]
    if THOROUGH:
        return list(product(names, KINDS))
    rest = [kind for kind in KINDS if kind != "a link"]
    others = [(name, rest[index % len(rest)]) for index, name in enumerate(names)]
    return [*((name, "a link") for name in names), *others]


@pytest.mark.parametrize(("name", "kind"), victims())
def test_nothing_reaches_out_and_the_other_run_is_shown(tree: Path, name: str, kind: str) -> None:
    place, _, below = name.partition("/")
    folder = run_of(tree, "inn") if place == "run" else tree / "results/tiny"
    path = next(folder.glob("images-*")) if below == "images" else folder / below
    other = run_of(tree, "cnn").name
    KINDS[kind](path, tree)
    done = survives(tree, *(COMMANDS if THOROUGH else COMMANDS[:-1]))  # Drawing takes long.
    if name not in ("tiny/runs", "tiny/."):
        assert done["list"].returncode == 0
        assert other in done["compare"].stdout
        assert "finished" in done["list"].stdout
    if "link" in kind and below in ("runs", ".", "run.json", "history.json"):
        assert "is a link" in "".join(result.stderr for result in done.values())


def test_a_report_follows_no_link(tree: Path) -> None:
    for path in (
        run_of(tree, "inn") / "kernels.npz",
        run_of(tree, "inn") / "predictions.npz",
        run_of(tree, "inn") / "history.json",
        tree / "results/tiny/report.html",
    ):
        KINDS["a link"](path, tree)
    done = survives(tree, ["report", "tiny"])["report"]
    assert done.returncode == 0
    assert {"kernels.npz: is a link", "predictions.npz: is a link", "history.json: is a link"} <= {
        part.rpartition("/")[2] for part in done.stderr.replace(";", "\n").splitlines()
    }
    page = tree / "results/tiny/report.html"
    assert not page.is_symlink()
    assert "precious" not in page.read_text()


@pytest.mark.usefixtures("here", "eager")
@pytest.mark.parametrize(
    ("name", "target"),
    [
        *(("checkpoint", "data"), ("log.txt", "file"), ("log.txt", None), (".lock", "file")),
        (".", "data"),
    ],
)
def test_a_trial_that_would_be_written_elsewhere_fails_alone(
    tree: Path, name: str, target: str | None
) -> None:
    run = run_of(tree, "inn")
    (run / "run.json").unlink()
    hostile.clear(run / name)
    if target is None:
        os.mkfifo(run / name)
    else:
        (run / name).symlink_to(tree / "outside" / target)
    done = survives(tree, ["run", "tiny.yaml"])["run"]
    assert done.returncode == 1, done.stderr
    assert (f"{run.relative_to(tree) / name}: is a link" if target else name) in done.stderr
    assert "cnn    1" in done.stdout


@pytest.mark.usefixtures("here", "eager")
def test_run_replaces_links_where_it_writes_whole_files(tree: Path) -> None:
    run = run_of(tree, "inn")
    (run / "run.json").unlink()
    names = ("history.json", "model.keras", "parameters.json", ".model.tmp.keras")
    for name in (*names, "plots"):
        hostile.clear(run / name)
        (run / name).symlink_to(tree / "outside" / ("plots" if name == "plots" else "file"))
    done = survives(tree, ["run", "tiny.yaml"])["run"]
    assert done.returncode == 0, done.stderr
    assert "/plots: is a link" in done.stderr
    assert json.loads((run / "run.json").read_text())["status"] == "finished"
    assert not any((run / name).is_symlink() for name in names[:3])


@pytest.mark.usefixtures("here", "eager")
def test_kernels_and_export_write_nothing_elsewhere(tree: Path) -> None:
    run = run_of(tree, "inn")
    for name in ("plots", "export"):
        hostile.clear(run / name)
        (run / name).symlink_to(tree / "outside/data")
    formats = ["export", "inn-seed0", "--format", "saved_model", "--test", "2"]
    done = survives(tree, ["kernels", "inn-seed0", "--test", "2"], formats)
    assert all("is a link" in result.stderr for result in done.values()), done


def test_clean_stays_inside_where_a_folder_is_swapped_for_a_link_meanwhile(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(tree, "inn")
    (run / "run.json").unlink()
    (run / "checkpoint").mkdir()
    names = [f"{index:05d}-0000000.npz" for index in range(20)]
    for name in names:
        (run / "checkpoint" / name).touch()
        (tree / "outside/data" / name).write_text("precious")
    unlink, swapped = os.unlink, []

    def swap(path: str, *, dir_fd: int | None = None) -> None:
        unlink(path, dir_fd=dir_fd)
        if path in names and not swapped:
            swapped.append(path)
            (run / "checkpoint").rename(tree / "away")
            (run / "checkpoint").symlink_to(tree / "outside/data")

    monkeypatch.setattr(os, "unlink", swap)
    done = survives(tree, ["clean", "--yes"])["clean"]
    assert swapped
    assert done.returncode == 1
    assert "is a link" in done.stderr


def test_links_to_the_whole_disk_are_named_and_not_walked(tree: Path) -> None:
    for index in range(50):
        (tree / f"results/tiny/runs/inn-seed{index}-00000000").symlink_to("/")
    done = survives(tree, ["list"])["list"]
    assert done.stderr.count("is a link") == 50
    assert "finished" in done.stdout


def test_mlflow_is_sent_no_file_from_elsewhere(tree: Path) -> None:
    pytest.importorskip("mlflow", reason="an extra of involbench that is not installed")
    (tree / "outside/id_rsa").write_text("private")
    for model in ("cnn", "inn"):
        hostile.clear(run_of(tree, model) / "plots")
    run_of(tree, "cnn").joinpath("plots").symlink_to(tree / "outside")
    plots = run_of(tree, "inn") / "plots"
    plots.mkdir()
    (plots / "good.png").write_text("a plot")
    (plots / "a.txt").symlink_to(tree / "outside/id_rsa")
    done = survives(tree, ["export-results", "--to", "mlflow", "-o", (tree / "mlruns").as_uri()])
    assert done["export-results"].stderr.count("is a link") == 2
    sent = {path.name for path in (tree / "mlruns").rglob("artifacts/**/*") if path.is_file()}
    assert sent == {"good.png"}


def damaged_arrays(whole: bytes) -> dict[str, bytes]:
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 255
    nested = "(" * 3000 + ")" * 3000
    many = b"PK\5\6" + b"\0" * 8 + (2**31).to_bytes(4, "little") + b"\0" * 6
    return {
        "a flipped byte": bytes(flipped),
        "an unknown method": npz(header("(2,)") + b"\0" * 16, method=77),
        "encrypted": npz(header("(2,)") + b"\0" * 16, flags=1),
        "of 10^15 numbers": npz(header(f"({10**15},)")),
        "of no bytes each": npz(header(f"({25 * 10**7},)", "<U0")),
        "a nested header": npz(header(nested)),
        "a broken header": npz(header("(2,")),
        "a header of text": npz(header("'('")),
        "of less than nothing": npz(header("(-1, -8)") + b"\0" * 64),
        "of objects": npz(header("(1,)", "|O") + b"cos\nsystem\n(S'x'\ntR."),
        "of fields": npz(header("(1,)", "V8") + b"\0" * 8),
        "another file": npz(b"hello"),
        "not an archive": b"PK",
        "a list without end": many,
    }


@pytest.mark.parametrize("name", damaged_arrays(b"xxx"))
def test_damaged_arrays_cost_their_run_alone(tree: Path, name: str) -> None:
    for file in ("predictions.npz", "kernels.npz"):
        path = run_of(tree, "inn") / file
        path.write_bytes(damaged_arrays(path.read_bytes())[name])
    done = survives(tree, ["compare", "--json"], *([["report", "tiny"]] if THOROUGH else []))
    assert done["compare"].returncode == 0
    (model,) = (
        each
        for each in json.loads(done["compare"].stdout)["experiments"][0]["models"]
        if each["model"] == "inn"
    )
    assert model["metrics"]["test_accuracy"]["n"] == 1
    assert "predictions.npz" in done["compare"].stderr


HUGE = "9" * 6000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r["data"].update(input_shape=[12_000, 12_000, 3]), "pixels a side"),
        (lambda r: r["data"].update(test_size=-1), "data.test_size"),
        (lambda r: r["metrics"].update(test_accuracy=7), "between 0 and 1"),
        (lambda r: r["trial"].update(model="cnn"), "its trial is of cnn"),
        (lambda r: r["trial"].update(seed=4), "its trial is of inn, seed 4"),
        (lambda r: r["trial"].update(point={"x": "HUGE"}), "run.json"),
        (lambda r: r["trial"]["training"].update(epochs="HUGE"), "run.json"),
        (lambda r: r["files"].update({"model.keras": "HUGE"}), "run.json"),
    ],
)
def test_a_record_is_not_believed(tree: Path, change: Callable, said: str) -> None:
    run = run_of(tree, "inn")
    edit(run, change)
    (run / "run.json").write_text((run / "run.json").read_text().replace('"HUGE"', HUGE))
    done = survives(tree, ["compare"], ["list"], ["show", "inn-seed0"])
    assert said in done["compare"].stderr
    assert done["list"].returncode == done["compare"].returncode == 0
    assert done["show"].returncode == 1


@pytest.mark.parametrize("count", ["1" + 400 * "0", "-5", str(2**63)])
def test_a_count_that_no_network_has_costs_its_file_alone(tree: Path, count: str) -> None:
    path = run_of(tree, "inn") / "parameters.json"
    total = json.loads(path.read_text())["trainable"]
    path.write_text(path.read_text().replace(f'"trainable": {total}', f'"trainable": {count}', 1))
    done = survives(tree, ["compare"], ["show", "inn-seed0"], COMMANDS[4])["compare"]
    assert done.returncode == 0
    assert "parameters.json: not a record of this version: trainable: " in done.stderr


def test_a_history_of_other_epochs_is_not_believed(tree: Path) -> None:
    run = run_of(tree, "inn")
    history = json.loads((run / "history.json").read_text())
    (run / "history.json").write_text(json.dumps({k: v * 50 for k, v in history.items()}))
    done = survives(tree, COMMANDS[4])["export-results"]
    assert "it has 100 epochs; the run has 2" in done.stderr


def test_limits_are_named_and_can_be_raised(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(tree, "inn")
    edit(run, lambda record: record["data"].update(input_shape=[5000, 5, 3]))
    assert "INVOLBENCH_LIMITS=4" in survives(tree, ["list"])["list"].stderr
    monkeypatch.setenv("INVOLBENCH_LIMITS", "4")
    assert survives(tree, ["list"])["list"].stderr == ""
    monkeypatch.setenv("INVOLBENCH_LIMITS", "lots")
    assert "expected a number" in survives(tree, ["list"])["list"].stderr


@pytest.mark.parametrize(
    "text",
    [
        f"a: 0x{'f' * 6000}\nclaims: [{{says: x, source: y, metric: z, ratio: 0x{'f' * 6000}}}]\n",
        "training: {epochs: 0x" + "f" * 6000 + "}\n",
        "sweep: {0x" + "f" * 6000 + ": [0x" + "f" * 6000 + "]}\n",
        "[" * 100_000,
        "- " * 100_000,
        "a: &a [1, 1]\nb: &b [*a, *a]\n" + "c: [*b, *b]\n" * 3000,
        pytest.param("{" + "a: 1, " * 40_000 + "}", marks=pytest.mark.thorough),
    ],
    ids=["hex claim", "hex epochs", "hex sweep", "deep", "deep block", "aliases", "many"],
)
def test_a_spec_that_cannot_be_read_costs_itself_alone(tree: Path, text: str) -> None:
    (tree / "results/tiny/spec.yaml").write_text(text)
    (tree / "results/tiny/bad.yaml").write_text(text)
    commands = COMMANDS[:5] if THOROUGH else (["list"], ["compare"])
    done = survives(tree, *commands, ["validate", "results/tiny/bad.yaml"])
    assert done["list"].returncode == done["compare"].returncode == 0
    assert "finished" in done["list"].stdout
    assert done["validate"].returncode == 2


@pytest.mark.usefixtures("here", "eager")
@pytest.mark.parametrize("kind", ["another shape", "too large", "another file", "no archive"])
def test_weights_are_checked_before_they_are_unpacked(tree: Path, kind: str) -> None:
    import h5py

    run = run_of(tree, "inn")
    path = run / "model.keras"
    weights = tree / "model.weights.h5"
    with zipfile.ZipFile(path) as archive:
        weights.write_bytes(archive.read("model.weights.h5"))
    with h5py.File(weights, "a") as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
        shape = file[names[0]].shape
        del file[names[0]]
        match kind:
            case "another shape":
                file[names[0]] = np.zeros((3, 3))
            case "too large":
                file.create_dataset(names[0], (2**20, 2**13), "f4", compression="gzip")
            case "another file":
                external = [(tree / "outside/file", 0, h5py.h5f.UNLIMITED)]
                file.create_dataset(names[0], shape, "f4", external=external)
    if kind == "no archive":
        path.write_bytes(b"PK")
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(weights, "model.weights.h5")
    resized(run, "model.keras")
    done = survives(tree, ["predict", "inn-seed0", "--test", "2"])["predict"]
    assert done.returncode == 2
    assert "model.keras: damaged" in done.stderr


@pytest.mark.usefixtures("here", "eager")
def test_checkpoints_that_claim_too_much_are_not_believed(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from involbench.training.checkpoint import Checkpoints

    run = run_of(tree, "cnn")
    history = (run / "history.json").read_text()
    (run / "run.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "clear", lambda self: None)
        assert called("run", "tiny.yaml", cwd=tree).returncode == 0
    (run / "run.json").unlink()
    with np.load(max((run / "checkpoint").glob("*.npz"))) as file:
        whole = dict(file)
    claims = {"99 epochs": {"epoch": 99}, "1 epoch": {"epoch": 1}, "a step": {"step": 1}}
    for number, claim in enumerate([*claims.values(), None], start=5):
        arrays = {
            **whole,
            "state": np.array(json.dumps(json.loads(str(whole["state"])) | (claim or {}))),
        }
        if claim is None:
            arrays["variables00000"] = np.zeros(2**24)
        hostile.save(run / f"checkpoint/{number:05d}-0000000.npz", **arrays)
    done = survives(tree, ["run", "tiny.yaml"])["run"]
    assert done.returncode == 0, done.stderr
    record = json.loads((run / "run.json").read_text())
    assert record["status"] == "finished"
    refused = [note for note in record["notes"] if ".npz: damaged" in note]
    assert len(refused) == 4
    assert any(
        "it is of epoch 99, step 0; the training has 2 epochs of 2 steps" in n for n in refused
    )
    now, then = json.loads((run / "history.json").read_text()), json.loads(history)
    assert now["val_loss"] == then["val_loss"]
