"""README.md and the pages of docs/ are true: their code runs, their links lead somewhere."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from involbench.data import load_dataset
from tests.project.pages import PAGES, ROOT, blocks, execute

MOST_WORDS = 800
VALUES = {
    "README.md": {"model.output_shape": (None, 10), "layer.kernel_size": (7, 7)},
    "docs/how-to/python.md": {"len(table)": 4, "model.output_shape": (None, 10)},
    "docs/how-to/use-the-layer.md": {"outputs.shape": (None, 32, 32, 64)},
    "docs/explanation/involution.md": {
        "result[0, 1, 1, 0]": 45,
        "result[0, 0, :2, 0].tolist()": [12, 21],
    },
    "docs/explanation/verdicts.md": {"round(result.estimate, 3)": 0.06, "result.p < 0.05": True},
}
"""Page -> what its Python has computed at the end."""


@pytest.fixture(scope="session")
def prepared(once, smoke):
    """A folder with a few images and the runs of `smoke`."""

    def fill(folder):
        rng = np.random.default_rng(0)
        for part, label in (("train", "cat"), ("train", "dog"), ("test", "cat"), ("test", "dog")):
            (folder / "images" / part / label).mkdir(parents=True)
            for index in range(4):
                pixels = rng.integers(0, 256, (32, 32, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"images/{part}/{label}/{index}.png")
        shutil.copytree(smoke[0] / "results", folder / "results")

    return once("reader", fill)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)])
@pytest.mark.usefixtures("here", "eager", "undrawn", "plugins")
def test_the_code_of_a_page_runs(page, prepared, tmp_path, monkeypatch):
    monkeypatch.setenv("INVOLBENCH_CACHE", str(tmp_path / "cache"))
    folder = shutil.copytree(prepared, tmp_path / "reader")
    names = {}
    for block in blocks(page):
        if block.reason is None:
            execute(block, folder, names)
    for expression, value in VALUES.get(page, {}).items():
        assert eval(expression, names) == value, expression


def test_what_no_test_runs_says_why():
    reasons = {block.reason for page in PAGES for block in blocks(page)} - {None}
    assert reasons <= {
        "needs a Ray cluster",
        "needs a Slurm cluster",
        "needs the published weights",
        "starts a server",
        "takes many minutes",
    }


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().split()) <= MOST_WORDS


def test_keras_loads_the_network_of_a_run(prepared, tmp_path):
    (block,) = (
        each for each in blocks("docs/how-to/use-the-layer.md") if "load_model" in each.text
    )
    folder = shutil.copytree(prepared, tmp_path / "reader")
    images = load_dataset("digits").x_test[:50]
    np.save(folder / "images.npy", images / np.float32(255))
    # In a process that has imported nothing else of involbench.
    program = f"""{block.text}
import numpy as np
logits = model(np.load("images.npy"))
np.save("probabilities.npy", keras.ops.convert_to_numpy(keras.ops.softmax(logits)))
"""
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True)
    (run,) = folder.glob("results/smoke/runs/inn-seed0-*")
    with np.load(run / "predictions.npz") as kept:
        expected = kept["probabilities"][: len(images)]
    np.testing.assert_allclose(np.load(folder / "probabilities.npy"), expected, atol=1e-4)


def test_make_targets_exist():
    for target in ("run", "test", "lint", "help", "site", "docs", "clean"):
        subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=True)


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_shows_and_names_exist(page):
    path = ROOT / page
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
    page = (ROOT / "docs/commands.md").read_text()
    assert {name for name in names if f"involbench {name}" not in page} == set()
