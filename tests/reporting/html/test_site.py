"""`publish`: a site whose links lead somewhere, with the records and nothing that is not meant."""

from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.cli import called
from tests.reporting.html.page import ADDRESSES, Page
from tests.results.factory import make_experiment, make_run


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two experiments, one of them published, with files that are not for others."""
    make_experiment(tmp_path / "results", seeds=2)
    make_experiment(tmp_path / "results", "reference/other", seeds=2)
    for run in tmp_path.glob("results/digits/runs/*"):
        for name in ("model.keras", "log.txt", "mine.txt"):
            (run / name).write_text("private")
    return tmp_path


def test_the_index_leads_to_every_report_and_the_reports_to_every_record(results: Path) -> None:
    done = called("publish", "results", "-o", "site", "--title", "<Ours>", cwd=results)
    assert (done.returncode, done.stdout) == (
        0,
        "2 experiments with 12 runs written to site/index.html\n",
    )
    index = Page((results / "site/index.html").read_text())
    (title,) = index.all("h1")
    assert title.text == "<Ours>"
    text = index.root.text
    assert text.count("inn is 26.0 points less accurate than cnn") == 2
    pages = {"digits/report.html", "reference/other/report.html"}
    assert {unquote(a) for a in _addresses(index) if not a.startswith("#")} == pages
    for name in pages:
        folder = (results / "site" / name).parent
        links = _addresses(Page((results / "site" / name).read_text()))
        files = {unquote(link) for link in links if not link.startswith("#")}
        assert {"spec.yaml", "comparison.json", "comparison.csv"} <= files
        assert [file for file in files if not (folder / file).is_file()] == []
    every = {path.name for path in (results / "site").rglob("*") if path.is_file()}
    assert every == {
        *("index.html", "report.html", "spec.yaml", "comparison.json", "comparison.csv"),
        *("run.json", "history.json", "parameters.json"),
    }


def _addresses(page: Page) -> set[str]:
    nodes = page.every()
    found = {a for node in nodes for key, a in node.attributes.items() if key in ADDRESSES}
    return {address for address in found if address != "data:,"}


def test_a_folder_with_something_else_stays(results: Path) -> None:
    (results / "site").mkdir()
    (results / "site/CNAME").write_text("example.org")
    done = called("publish", "results", "-o", "site", cwd=results)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--output site: exists and is not empty; name a new folder" in done.stderr
    assert [path.name for path in (results / "site").iterdir()] == ["CNAME"]


def test_what_cannot_be_drawn_is_named_and_the_rest_is_published(results: Path) -> None:
    (run,) = results.glob("results/digits/runs/inn-seed0-*")
    (run / "history.json").write_text("{")
    make_run(results / "results", "cnn", 5, error="no memory")
    done = called("publish", "results", "-o", "site", cwd=results)
    assert done.returncode == 0
    assert "history.json" in (results / "site/digits/report.html").read_text()
    assert "1 failed" in Page((results / "site/index.html").read_text()).root.text
