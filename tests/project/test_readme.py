"""README.md and docs/commands.md are true to the letter: their commands run, in order."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from involbench.data import load_dataset
from tests.cli import COMMAND, called
from tests.effort import THOROUGH

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGE = (ROOT / "docs/commands.md").read_text()
MOST_WORDS = 800


def blocks(language: str, text: str) -> list[str]:
    """The code in one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


FIRST = [line for block in blocks("sh", README) for line in block.splitlines()]
COMMANDS = [line for block in blocks("sh", PAGE) for line in block.splitlines()]
PYTHON = blocks("python", PAGE)


def shorter(command: str) -> str:
    """What to add, since training and timing as long as the README says takes CI too long."""
    if command.startswith("involbench bench"):
        small = {
            "model": " --batch 1 --step-batch 1",
            "export": " --threads 1 --format litert --test 20",
            "operator": " --shape 2,8,8,4,3,2",
        }
        return " --repeats 2" + small.get(command.split()[2], "")
    if command.startswith("involbench export "):
        return " --test 20"
    if command.startswith("involbench run") and "--dry-run" not in command:
        few = "" if "data.path" in command else " -S data.train_size=100"
        return ("" if "--seeds" in command else " --seeds 1") + few + " -S training.epochs=1"
    return ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An empty folder as a user has it, with the experiments and some images."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "experiments", folder / "experiments")
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (folder / "images" / part / name).mkdir(parents=True)
            for index in range(4):
                pixels = rng.integers(0, 256, (32, 32, 3), np.uint8)
                Image.fromarray(pixels).save(folder / "images" / part / name / f"{index}.png")
    return folder


def test_commands_are_found():
    assert len([command for command in COMMANDS if command.startswith("involbench ")]) >= 9
    assert len(README.split()) <= MOST_WORDS


@pytest.mark.usefixtures("here", "eager", "undrawn")
def test_the_question_of_the_readme_is_answered(folder, tmp_path):
    shutil.copytree(folder / "images", tmp_path / "images")
    (spec,) = blocks("yaml", README)
    (tmp_path / "pets.yaml").write_text(spec)
    commands = [command for command in FIRST if command.startswith("involbench ")]
    assert len(commands) == 2
    for command in commands:
        whole = command + " -S training.epochs=1 --seeds 1" * (" run " in command)
        done = called(*shlex.split(whole)[1:], cwd=tmp_path)
        assert done.returncode == 0, (command, done.stderr)
    assert (tmp_path / "results/pets/report.html").exists()


@pytest.mark.usefixtures("here", "eager", "undrawn")
def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = blocks("python", README)
    names = {}
    exec(block.replace('"seeds=4"', '"seeds=1", "training.epochs=1"'), names)
    assert names["model"].output_shape == (None, 10)
    assert names["layer"].kernel_size == (7, 7)


def alone(command: str) -> bool:
    """Whether it needs nothing that a command before it has made."""
    return bool(re.match("involbench bench (operator|step|model keras_io)", command))


def wants_a_shell(command: str) -> bool:
    """Whether only a shell can do it, or it is to show that the installed command is found."""
    return THOROUGH or not command.startswith("involbench ") or command == "involbench compare"


def in_a_shell(command: str, folder: Path) -> subprocess.CompletedProcess:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("which", ["those that follow from each other", "those that stand alone"])
@pytest.mark.usefixtures("here", "eager", "undrawn")
def test_commands_run(folder, which, monkeypatch):
    monkeypatch.setenv("INVOLBENCH_CACHE", str(folder / "cache"))
    for command in COMMANDS:
        if command.startswith("make ") or alone(command) != which.endswith("alone"):
            continue
        whole = command + shorter(command)
        if wants_a_shell(command):
            done = in_a_shell(whole, folder)
        else:
            done = called(*shlex.split(whole, comments=True)[1:], cwd=folder)
        assert done.returncode == 0, (command, done.stderr)
        assert done.stdout or "--output" in command, command


def test_the_table_that_it_shows_is_what_compare_prints():
    command, shown = re.search(
        r"^\$ (involbench compare .*?)\n(.*?)^```", README, re.M | re.S
    ).groups()
    done = subprocess.run(
        [*COMMAND, *command.split()[1:]], cwd=ROOT, capture_output=True, text=True, check=True
    )
    printed = [line.rstrip() for line in done.stdout.rstrip().splitlines()]
    assert shown.rstrip().splitlines() == printed


def test_its_python_runs():
    names = {}
    exec(PYTHON[0], names)
    assert names["model"].output_shape == (None, 32, 32, 64)


def test_its_python_loads_the_network_of_a_run(smoke, tmp_path):
    shutil.copytree(smoke[0] / "results", tmp_path / "results")
    (run,) = tmp_path.glob("results/smoke/runs/inn-seed0-*")
    images = load_dataset("digits").x_test[:50]
    np.save(tmp_path / "images.npy", images / np.float32(255))
    # In a process that has imported nothing else of involbench.
    program = f"""{PYTHON[1].replace("<run>", run.name)}
import numpy as np
logits = model(np.load("images.npy"))
np.save("probabilities.npy", keras.ops.convert_to_numpy(keras.ops.softmax(logits)))
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    with np.load(run / "predictions.npz") as kept:
        expected = kept["probabilities"][: len(images)]
    np.testing.assert_allclose(np.load(tmp_path / "probabilities.npy"), expected, atol=1e-4)


def test_make_targets_exist():
    targets = {command.split()[1] for command in FIRST if command.startswith("make ")}
    assert targets == {"run", "test"}
    for target in targets | {"lint", "help", "clean"}:
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True)
        assert done.returncode == 0, target


@pytest.mark.parametrize(
    "page", ["README.md", *sorted(p.name for p in (ROOT / "docs").glob("*.md"))]
)
def test_files_that_it_shows_and_names_exist(page):
    path = ROOT / page if page == "README.md" else ROOT / "docs" / page
    text = path.read_text()
    links = re.findall(r"\]\(((?!http)[^)\s]+)\)|<img src=\"([^\"]+)", text)
    for link in (link or picture for link, picture in links):
        name, _, heading = link.partition("#")
        target = path.parent / name if name else path
        assert target.is_file(), link
        assert not heading or heading in _anchors(target), link
    for module in re.findall(r"python -m\sbenchmarks\.(\w+)", text):
        assert (ROOT / f"benchmarks/{module}.py").is_file()


def _anchors(page: Path) -> set[str]:
    """What GitHub makes of its headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def _name(command):
    return command.name or command.callback.__name__.replace("_", "-")


def test_every_command_is_named():
    from involbench.cli import _register_commands, app

    _register_commands()
    names = {_name(command) for command in app.registered_commands}
    for group in (registered.typer_instance for registered in app.registered_groups):
        commands = group.registered_commands
        names |= {f"{group.info.name} {_name(command)}" for command in commands}
    assert {name for name in names if f"involbench {name}" not in PAGE} == set()


def test_every_architecture_and_dataset_is_named():
    from involbench.registry import architectures, datasets

    assert len(architectures()) >= 9
    for name in (*architectures(), *datasets()):
        assert f"`{name}`" in PAGE, name
