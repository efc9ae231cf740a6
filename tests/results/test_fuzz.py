"""Whatever lies in a results tree, list, show, compare and clean read it or say what is wrong.

INVOLBENCH_EXAMPLES says of how many contents of a file; `make torture` tries two thousand.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli import called, involbench
from tests.effort import examples
from tests.results.factory import make_experiment, make_run
from tests.results.tree import snapshot, unfinished

FILES = ("run.json", "run.json", "history.json", "parameters.json", "../../spec.yaml")
"""Half of the mutations are of a record, which everything reads."""
RUN = "inn-seed0"
"""The run whose files are changed."""
COMMANDS = {
    "list": [["list"], ["list", "digits"], ["list", "--json"]],
    "show": [["show", RUN], ["show", RUN, "--json"]],
    "compare": [["compare"], *(["compare", flag] for flag in ("--json", "--csv", "--md"))],
    "clean": [["clean", "--dry-run"], ["clean", "--dry-run", "--failed"]],
}

NUMBERS = st.sampled_from([0, -1, 10**30, -(10**30), 2**63, 1e308, -1e308, 5e-324, 10**400])
WORDS = st.sampled_from(
    ["", "x", "\x1b[31m", "\n", "../../..", "finished", "failed", "\ud800", "2026-01-01", "9" * 300]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)


def build(root: Path) -> None:
    """Three models, two seeds; one run failed, one was cut off."""
    make_experiment(root / "results", seeds=2)
    make_run(root / "results", "inn", 5, error="out of memory")
    unfinished(root / "results", "inn", 6)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pristine")
    build(root)
    return root


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a document, with that of the document itself."""
    inner: Any = value.items() if isinstance(value, dict) else []
    inner = enumerate(value) if isinstance(value, list) else inner
    return [path, *(deep for key, below in inner for deep in places(below, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


@st.composite
def texts(draw: st.DrawFn, text: bytes) -> bytes:
    """The file with another value somewhere, or other bytes, or cut off, or recoded."""
    kind = draw(st.sampled_from(["value", "value", "value", "key", "bytes", "cut", "code", "deep"]))
    if kind in ("value", "key") and text.startswith(b"{"):
        document = json.loads(text)
        everywhere = places(document)
        numbers = [path for path in everywhere if path[0:1] == ("metrics",)] or everywhere
        path = draw(st.sampled_from(everywhere) | st.sampled_from(numbers))
        new = draw(VALUES | NUMBERS)
        document = changed(document, path, {draw(WORDS): new} if kind == "key" else new)
        return json.dumps(document).encode()
    if kind == "cut":
        return text[: draw(st.integers(0, len(text)))]
    if kind == "code":
        return text.decode().encode(draw(st.sampled_from(["utf-16", "utf-32", "utf-8-sig"])))
    if kind == "deep":
        return draw(st.sampled_from([b"[", b'{"a":', b"- "])) * draw(st.sampled_from([99, 10**5]))
    start = draw(st.integers(0, len(text)))
    end = start + draw(st.integers(0, 9))
    return text[:start] + draw(st.binary(max_size=9)) + text[end:]


def in_place_of_a_file(kind: str, path: Path) -> None:
    """Put something else where a file was."""
    path.unlink(missing_ok=True)
    make: dict[str, Callable[[], Any]] = {
        "folder": path.mkdir,
        "loop": lambda: path.symlink_to(path.name),
        "dangling": lambda: path.symlink_to("nowhere"),
        "fifo": lambda: os.mkfifo(path),
        "zeros": lambda: path.symlink_to("/dev/zero"),
        "huge": lambda: os.truncate(os.open(path, os.O_CREAT | os.O_RDWR), 2**33),
        "nothing": lambda: None,
    }
    make[kind]()


def survives(root: Path, *commands: list[str]) -> None:
    """Right exit codes, nothing but whole lines on stderr, strict JSON, and no escapes."""
    done = {arguments[0]: called(*arguments, cwd=root) for arguments in commands}
    for result in done.values():
        faults = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
        assert len(faults) + len(warnings) == len(result.stderr.splitlines()), result
        assert len(faults) == (result.returncode != 0), result
        assert "\x1b" not in result.stdout + result.stderr, result
        if "--json" in result.args and result.returncode == 0:
            json.loads(result.stdout, parse_constant=pytest.fail)
    unread = f"{RUN}-" in "".join(
        line for line in done["list"].stderr.splitlines() if "/run.json: " in line
    )
    expected = {"list": 0, "show": 1 if unread else 0, "compare": 0, "clean": 0}
    assert {name: result.returncode for name, result in done.items()} == expected, done


VARIANTS = st.tuples(*map(st.sampled_from, COMMANDS.values()))
FAST = settings(
    max_examples=int(os.environ.get("INVOLBENCH_EXAMPLES", examples(150, 500))),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@FAST
@given(data=st.data(), name=st.sampled_from(FILES), commands=VARIANTS)
def test_any_content_in_any_file(
    pristine: Path, data: st.DataObject, name: str, commands: tuple[list[str], ...]
) -> None:
    victim = next(pristine.glob(f"results/digits/runs/{RUN}-*")) / name
    whole = victim.read_bytes()
    try:
        victim.write_bytes(data.draw(texts(whole)))
        survives(pristine, *commands)
    finally:
        victim.write_bytes(whole)


@pytest.mark.parametrize("kind", ["folder", "loop", "dangling", "fifo", "zeros", "huge", "nothing"])
@pytest.mark.parametrize("name", dict.fromkeys((*FILES, "log.txt", ".lock", "checkpoint", "plots")))
def test_anything_in_place_of_a_file(tmp_path: Path, name: str, kind: str) -> None:
    build(tmp_path)
    run = next(tmp_path.glob(f"results/digits/runs/{RUN}-*"))
    in_place_of_a_file(kind, run / name)
    if (name, kind) == ("run.json", "nothing"):
        survives(tmp_path, ["list"], ["show", RUN], ["compare"], ["clean", "--dry-run"])
        assert "unfinished" in called("show", RUN, cwd=tmp_path).stdout
        return
    for commands in zip(*COMMANDS.values(), strict=False):
        survives(tmp_path, *commands)


@pytest.mark.parametrize("kind", ["loop", "dangling", "fifo", "zeros", "huge"])
@pytest.mark.parametrize("name", ["results/digits/runs", "results/digits", "results"])
def test_anything_in_place_of_a_folder(tmp_path: Path, name: str, kind: str) -> None:
    build(tmp_path)
    make_run(tmp_path / "results", "cnn", 0, experiment="other")
    shutil.rmtree(tmp_path / name)
    in_place_of_a_file(kind, tmp_path / name)
    codes = {
        command: called(*variants[0], cwd=tmp_path).returncode
        for command, variants in COMMANDS.items()
    }
    looped = (name, kind) == ("results", "loop")
    gone = 1 if looped else 2
    whole = 0 if name != "results" else gone
    assert codes == {"list": whole, "show": gone, "compare": whole, "clean": whole}


def test_folders_without_end(tmp_path: Path) -> None:
    build(tmp_path)
    run = next(tmp_path.glob(f"results/digits/runs/{RUN}-*"))
    deep = run / "checkpoint"
    deep.mkdir(exist_ok=True)
    for _ in range(150):
        deep = deep / "a-folder"
        deep.mkdir()
    (deep / "loop").symlink_to(run)
    for commands in zip(*COMMANDS.values(), strict=False):
        survives(tmp_path, *commands)


@pytest.mark.parametrize("content", [b"", b"\xff" * 99, b"[" * 10**5, b'{"schema_version": 1e400}'])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_process_of_its_own_does_the_same(tmp_path: Path, content: bytes, command: str) -> None:
    build(tmp_path)
    victim = next(tmp_path.glob(f"results/digits/runs/{RUN}-*")) / "run.json"
    victim.write_bytes(content)
    before = snapshot(tmp_path)
    done = involbench(*COMMANDS[command][0], cwd=tmp_path)
    assert done.returncode == (1 if command == "show" else 0)
    (line,) = (line for line in done.stderr.splitlines() if "unfinished runs" not in line)
    assert "/run.json: damaged: not a whole JSON document" in line
    assert snapshot(tmp_path) == before
