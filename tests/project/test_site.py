"""The documentation builds as a site that needs no other host, and its reference is whole."""

import json
import os
import re
import subprocess
import sys

import pytest

from involbench.cli import _register_commands, app
from involbench.comparison.metrics import METRICS
from involbench.registry import architectures, datasets, operators
from tests.project.pages import ROOT

pytest.importorskip("mkdocs", reason="an extra of involbench that is not installed")


@pytest.fixture(scope="module")
def site(once):
    """The site, built as `make site` does; a warning is an error."""

    def build(folder):
        command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", folder]
        environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    return once("site", build)


def test_no_page_loads_anything_from_another_host(site):
    pages = [*site.rglob("*.html")]
    assert len(pages) > 40
    loading = re.compile(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=[\"']?(https?:)?//")

    for page in pages:
        found = loading.search(page.read_text(encoding="utf-8"))
        assert found is None, (page, found)
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//", style.read_text(encoding="utf-8")), style


def test_search_finds_every_command_key_and_registered_name(site):
    index = json.loads((site / "search/search_index.json").read_text(encoding="utf-8"))
    _register_commands()
    commands = [command.name or command.callback.__name__ for command in app.registered_commands]
    keys = json.loads((ROOT / "involbench/spec/schema.json").read_text(encoding="utf-8"))
    names = {
        "reference/cli.html": [name.replace("_", "-") for name in commands],
        "reference/spec.html": [*keys["properties"], *keys["$defs"]["TrainingSpec"]["properties"]],
        "reference/python.html": ["Involution2D", "build_model", "two_sample", "plot_accuracy"],
        "reference/architectures.html": [*architectures()],
        "reference/operators.html": [*operators()],
        "reference/datasets.html": [*datasets()],
        "reference/metrics.html": [*METRICS],
    }
    for page, expected in names.items():
        entries = [each for each in index["docs"] if each["location"].startswith(page)]
        text = " ".join(f"{each['title']} {each['text']}" for each in entries)
        assert [name for name in expected if name not in text] == [], page
