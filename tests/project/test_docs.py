"""What programs make in docs/ is what they would make now."""

from benchmarks import findings, packages_doc
from tests.cli import called
from tests.project.pages import ROOT
from tests.reporting.html.page import Page


def test_the_findings_are_not_stale():
    assert findings.document() == findings.DOCUMENT.read_text(), "run `make docs`"


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
