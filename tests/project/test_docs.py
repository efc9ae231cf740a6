"""What programs make in docs/ is what they would make now."""

from benchmarks import findings, packages_doc, recompute_findings
from tests.cli import called
from tests.project.pages import ROOT
from tests.reporting.html.page import Page


def test_the_findings_are_not_stale():
    made = findings.files()
    for path, content in made.items():
        assert path.read_bytes() == content, f"{path}: run `make docs`"
    assert {*findings.PAGES.iterdir()} == {*made} - {findings.DOCUMENT}


def test_the_tables_of_findings_follow_from_the_records_without_involbench(tmp_path, capsys):
    """All of them: `python benchmarks/recompute_findings.py`."""
    name = "cifar10-jpeg"
    assert recompute_findings.main([name]) == 0
    assert "32 cells compared, 0 differ" in capsys.readouterr().out
    page = (findings.PAGES / f"{name}.md").read_text()
    for printed, other in (("-26.2 [", "-26.3 ["), ("45.27 ±", "45.28 ±"), ("▼ -28.4", "▲ -28.4")):
        (tmp_path / f"{name}.md").write_text(page.replace(printed, other))
        assert recompute_findings.main([name], tmp_path) == 1


def test_the_list_of_packages_is_not_stale():
    assert packages_doc.document() == packages_doc.DOCUMENT.read_text(), "run `make docs`"


def test_the_sample_report_says_what_a_report_says_now(tmp_path):
    done = called("report", "reference/cifar10-jpeg", "-o", tmp_path / "report.html", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    made, published = (
        Page(path.read_text())
        for path in (tmp_path / "report.html", ROOT / "docs/sample-report.html")
    )
    for tag in ("h1", "h2", "h3", "li", "figcaption", "table"):
        told = [node.text for node in made.all(tag)]
        assert told == [node.text for node in published.all(tag)], "run `make docs`"
