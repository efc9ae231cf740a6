"""The notebooks of examples/ run as they stand, and show what is committed."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

from tests.project.pages import ROOT

nbformat = pytest.importorskip("nbformat", reason="for developers only")
nbclient = pytest.importorskip("nbclient", reason="for developers only")

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
SHORTER = {
    '"epochs": 10': '"epochs": 3',  # With fewer, networks are at chance, without an accuracy.
    '"seeds": 6': '"seeds": 1',
}


def kinds_of_outputs(notebook) -> list[list[str]]:
    """What each cell shows: text, tables, pictures."""
    return [
        [output.get("name", "+".join(sorted(output.get("data", ["error"])))) for output in outputs]
        for outputs in (cell.outputs for cell in notebook.cells if cell.cell_type == "code")
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_is_committed(path: Path, tmp_path, monkeypatch):
    pytest.importorskip("pandas", reason="an extra of involbench that is not installed")
    monkeypatch.delenv("MPLBACKEND", raising=False)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", programs)  # Of `!involbench`.
    notebook = nbformat.read(path, 4)
    committed = kinds_of_outputs(notebook)
    assert any("image/png" in kind for kinds in committed for kind in kinds)
    for cell in notebook.cells:
        for usual, shorter in SHORTER.items():
            cell.source = cell.source.replace(usual, shorter)
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=place).execute()
    assert kinds_of_outputs(notebook) == committed
    assert [*tmp_path.glob("results/*/runs/*/run.json")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_small_and_names_no_folder_of_its_author(path: Path):
    text = path.read_text()
    assert len(text) < 200_000
    texts = re.sub(r'"image/png": "[^"]*"', "", text)
    assert not re.search(r"/(home|root|work|tmp|Users)/", texts)
    assert "execution" not in json.loads(text)["metadata"]


def test_there_are_notebooks():
    assert "quickstart" in {path.stem for path in NOTEBOOKS}
