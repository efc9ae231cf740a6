"""README.md and the pages of docs/, and how a test runs the code that they show."""

import contextlib
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cli import called

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md")))
_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>.+?) -->\n)?"
    r'^```(?P<language>\w*)(?: title="(?P<file>[^"]+)")?\n(?P<text>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
_SPEC = {
    "name": "fragment",
    "data": {"dataset": "digits"},
    "models": {
        "cnn": {"architecture": "plain"},
        "inn": {"architecture": "plain", "operator": "involution"},
        "resnet": {"architecture": "resnet"},
    },
    "sweep": {"data.train_size": [500, 5000]},
}
"""What a block is validated with that shows a part of a spec."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    file: str | None
    """The name under which the reader saves it: its title."""
    reason: str | None
    """Why no test runs it, in a comment before it."""


def blocks(page: str) -> list[Block]:
    """All blocks of a page, in order."""
    found = _BLOCK.finditer((ROOT / page).read_text())
    return [Block(m["language"], m["text"], m["file"], m["reason"]) for m in found]


def commands(text: str) -> list[str]:
    """The commands of a shell block, of which a backslash continues one on the next line."""
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def execute(block: Block, folder: Path, names: dict[str, Any]) -> None:
    """Do what a reader does with a block: save it, or run it, in the time that a test has.

    Args:
        block: It is not one of those with a reason.
        folder: The current folder of the reader.
        names: The variables of the Python blocks before it.
    """
    if block.file:
        path = folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
        if ".github" in block.file:
            steps = next(iter(yaml.safe_load(block.text)["jobs"].values()))["steps"]
            lines = [line for step in steps for line in commands(step.get("run", ""))]
            for line in (line for line in lines if line.startswith("involbench ")):
                _command(line, folder)
        return
    match block.language:
        case "sh":
            for line in commands(block.text):
                _command(line, folder)
        case "python":
            with contextlib.chdir(folder):
                exec(_shorter_python(block.text), names)
        case "yaml":
            spec = _SPEC | yaml.safe_load(block.text)
            (folder / "fragment.yaml").write_text(yaml.safe_dump(spec))
            done = called("validate", "fragment.yaml", cwd=folder)
            assert done.returncode == 0, (block.text, done.stderr)
        case "console":
            _assert_prints(block.text)
        case language:
            assert language == "text", f"no test knows how to run {language!r}:\n{block.text}"


def _command(line: str, folder: Path) -> None:
    if line.startswith("make "):
        subprocess.run([*line.split(), "--dry-run"], cwd=ROOT, check=True, capture_output=True)
        return
    assert line.startswith("involbench "), line
    done = called(*shlex.split(line + _shorter(line, folder), comments=True)[1:], cwd=folder)
    assert done.returncode == 0, (line, done.stderr)
    assert done.stdout or "--output" in line, line


def _assert_prints(text: str) -> None:
    """The block shows a command in a clone of the repository, and all that it prints."""
    command, _, shown = text.removeprefix("$ ").partition("\n")
    done = called(*command.split()[1:], cwd=ROOT)
    assert [line.rstrip() for line in done.stdout.rstrip().splitlines()] == shown.splitlines()


def _shorter(command: str, folder: Path) -> str:
    """What to add to a command, since training and timing as long as a reader takes too long."""
    _, kind, name, *_ = [*command.split(), ""]
    match kind:
        case "bench":
            small = {
                "model": " --batch 1 --step-batch 1",
                "export": " --threads 1 --format litert --test 20",
                "operator": " --shape 2,8,8,4,3,2",
            }
            return " --repeats 2" + small.get(name, "")
        case "export":
            return " --test 20"
        case "run" if "--dry-run" not in command:
            spec = folder / name
            images = "data.path" in command or (spec.is_file() and "folder" in spec.read_text())
            few = "" if images else " -S data.train_size=100"
            return ("" if "--seeds" in command else " --seeds 1") + few + " -S training.epochs=1"
    return ""


def _shorter_python(text: str) -> str:
    few = '"seeds=1", "training.epochs=1", "data.train_size=50"'
    return text.replace('"seeds=4"', few)
