"""Well-formed records, specs and benchmarks with hostile values: every command survives them.

INVOLBENCH_EXAMPLES says how many mutations; `make torture` tries two thousand.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli import called
from tests.effort import examples

from .hostile import in_time, outside, run_of, state
from .test_fuzz import VALUES, changed, places

HOSTILE = st.sampled_from(
    [
        *("../../../outside", "/dev/zero", "/", "outside/file", "a\x1b]0;x\x07", "=1", "\u202egnp"),
        *(10**15, -(10**15), 2**31, 1e-320, "9" * 400, ["x"] * 300, {"x": {"y": {"z": [[]]}}}),
        *([12_000, 12_000, 3], "2026-13-45T99:99:99+99:00", "finished", "${HOME}", "%s%n"),
    ]
)
FILES = st.sampled_from(
    [
        *("run.json",) * 4,
        *("history.json", "parameters.json", "benchmark-model.json"),
        *("../../spec.yaml", "../../comparison.json"),
    ]
)
QUICK = (
    ["list"],
    ["list", "tiny", "--json"],
    ["show", "inn-seed0"],
    ["compare"],
    ["compare", "--json"],
    ["claims", "tiny"],
    ["clean", "--yes", "--dry-run"],
    ["validate", "results/tiny/spec.yaml"],
    ["export-results", "--to", "csv", "-o", "table"],
)
SLOW = st.sampled_from(
    [
        ["report", "tiny"],
        ["run", "tiny.yaml"],
        ["run", "results/tiny/spec.yaml", "--dry-run"],
        ["predict", "inn-seed0", "--test", "2"],
        ["kernels", "inn-seed0", "--test", "2"],
        ["export", "inn-seed0", "--format", "saved_model", "--test", "2"],
        ["bench", "model", "inn-seed0", "--repeats", "1"],
        ["params", "results/tiny/spec.yaml"],
        ["export-results", "--to", "tensorboard", "-o", "events"],
        ["clean", "--yes", "--failed"],
    ]
)


def mutated(draw: st.DrawFn, content: str, name: str) -> str:
    """The document with another value at one place, or with one key more or of another name."""
    document: Any = yaml.safe_load(content) if name.endswith("yaml") else json.loads(content)
    path = draw(st.sampled_from(places(document)[1:]))
    document = changed(document, path, draw(HOSTILE | VALUES))
    if name.endswith("yaml"):
        return yaml.safe_dump(document, allow_unicode=True)
    return json.dumps(document)


@settings(
    max_examples=int(os.environ.get("INVOLBENCH_EXAMPLES", examples(10, 300))),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data(), name=FILES, slow=SLOW)
@pytest.mark.usefixtures("here", "eager")
def test_every_command_survives_any_value(
    good: Path, tmp_path: Path, data: st.DataObject, name: str, slow: list[str]
) -> None:
    root = tmp_path / "tree"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(good, root)
    before = state(outside(root))
    victim = run_of(root, "inn") / name
    if victim.exists():
        content = data.draw(st.composite(mutated)(victim.read_text(), name))
        victim.write_text(content, errors="surrogatepass")
    for command in (*QUICK, slow):
        with in_time():
            done = called(*command, cwd=root)
        assert done.returncode in (0, 1, 2), done
        assert "Traceback" not in done.stderr, done
        assert "\x1b" not in done.stdout + done.stderr, done
        assert state(root / "outside") == before, done
        if command == ["compare", "--json"]:
            assert run_of(root, "cnn").name in done.stdout
