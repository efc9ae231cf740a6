"""The report in a browser, with real keys and clicks: what it shows, and that nothing is wrong."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe_core_python
import pytest

from tests.cli import called
from tests.reporting.html.browser import BROWSER, Tab, browser
from tests.reporting.html.conftest import REFERENCE, ROOT
from tests.results.factory import make_run

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
FIRST_TABLE = "#comparison table"
CURVES = "#chart-accuracy-0 .plot"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture
def page(tab: Tab, published_file: Path) -> Iterator[Tab]:
    """The report of the published results, 1,280 pixels wide; it must not complain."""
    tab.complaints.clear()
    tab.open(published_file, 1280)
    yield tab
    assert tab.complaints == []


def violations(tab: Tab, within: str = "html", rules: str = "") -> list[Any]:
    """The serious faults that axe finds. Of rows and runs that are alike, it sees the first three.

    `rules` are options of `axe.run`.
    """
    tab.run(f"{AXE}; null")
    tab.run(
        "document.querySelectorAll('tbody tr:nth-of-type(n+4), details.run:nth-of-type(n+4),"
        " .picture svg > *').forEach(each => each.remove())"
    )
    script = f"axe.run('{within}', {{resultTypes: ['violations'], {rules}}})"
    found = json.loads(tab.run(f"{script}.then(found => JSON.stringify(found.violations))"))
    return [
        (each["id"], [node["html"][:200] for node in each["nodes"][:3]])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


def texts(tab: Tab, selector: str) -> list[str]:
    """The text of each element."""
    found = f"[...document.querySelectorAll({json.dumps(selector)})]"
    return list(tab.run(f"{found}.map(each => each.textContent.trim())"))


def names(tab: Tab) -> list[str]:
    """The models in the rows of the first table."""
    return texts(tab, f"{FIRST_TABLE}:first-of-type tbody th")[:3]


def readout(tab: Tab) -> str:
    """The values below the first chart."""
    return texts(tab, "#chart-accuracy-0 .readout")[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_fault_at_any_width(page: Tab, published_file: Path, scheme: str) -> None:
    page.requests.clear()
    for width in (360, 768, 1280, 1920):
        page.open(published_file, width, scheme)
        page.run("document.querySelectorAll('details').forEach(each => each.open = true)")
        root = "document.documentElement"
        assert page.run(f"{root}.scrollWidth - {root}.clientWidth") == 0
        right = "Math.max(...[...document.querySelectorAll('canvas, figure')].map("
        right += "each => each.getBoundingClientRect().right))"
        assert page.run(f"{right} <= {root}.clientWidth")
        assert page.run("document.querySelectorAll('.drawn .plot canvas').length") == 9
        brightness = page.run("getComputedStyle(document.body).backgroundColor")
        assert (int(re.findall(r"\d+", brightness)[0]) > 128) == (scheme == "light")
        if scheme == "light" and width in (360, 1280):
            assert violations(page) == []
    if scheme == "dark":  # Only the colours depend on the scheme.
        assert violations(page, rules="runOnly: ['color-contrast', 'link-in-text-block']") == []
    fetched = {address for address in page.requests if not address.startswith("data:")}
    assert fetched == {published_file.as_uri()}


def test_a_record_in_a_dialog_has_no_fault(page: Tab) -> None:
    page.run("openRecord(document.querySelector('details.run').dataset.run)")
    assert violations(page, "dialog") == []


def test_a_table_is_sorted_by_click_and_by_keys(page: Tab) -> None:
    assert names(page) == ["cnn", "inn", "control"]
    header = f"{FIRST_TABLE} th:nth-child(6)"  # Trainable parameters.
    page.click(f"{header} button")
    assert names(page) == ["control", "inn", "cnn"]
    page.key("Enter")
    assert names(page) == ["cnn", "inn", "control"]
    assert page.run(f"document.querySelector('{header}').ariaSort") == "descending"
    page.key(" ")
    assert page.run(f"document.querySelector('{header}').ariaSort") is None
    page.key("Tab", "Enter")
    assert page.run("document.activeElement.textContent") == "operator"
    assert names(page) == ["control", "inn", "cnn"]


def test_a_column_of_text_is_sorted_as_text(page: Tab) -> None:
    page.click(f"{FIRST_TABLE} th:first-child button")
    assert names(page) == ["cnn", "control", "inn"]


def test_rows_are_filtered_by_words(page: Tab) -> None:
    page.run("document.querySelectorAll('#chart-seeds details').forEach(each => each.open = true)")
    page.click("#chart-seeds .filter input")
    page.key(*"inn 3")
    shown = texts(page, "#chart-seeds .scroll:last-of-type tbody tr:not([hidden])")
    assert len(shown) >= 1
    assert all("inn" in row and "3" in row for row in shown)
    count = texts(page, "#chart-seeds output")[0]
    assert count == f"{len(shown)} of 18 rows"


def test_keys_in_a_chart_give_the_values_of_the_history(page: Tab) -> None:
    run = next((ROOT / "results" / REFERENCE).glob("runs/cnn-seed0-*"))
    history = json.loads((run / "history.json").read_text())["val_accuracy"]
    page.run(f"document.querySelector('{CURVES}').focus()")
    page.key("ArrowRight")
    first = f"cnn seed 0: epoch 1, accuracy {100 * history[0]:.2f}%. Click or Enter: {run.name}"
    assert readout(page) == first
    page.key("ArrowRight")
    assert f"epoch 2, accuracy {100 * history[1]:.2f}%" in readout(page)
    page.key("ArrowDown")
    assert readout(page).startswith("cnn seed 1: epoch 2,")
    page.key("Escape")
    assert readout(page) == ""
    page.key("ArrowRight", "Enter")
    assert texts(page, "dialog[open] h2") == [run.name]
    assert f"{100 * history[-1]:.2f}% test accuracy" in texts(page, "dialog .record")[0]
    page.key("Escape")
    assert page.run("document.querySelector('dialog').open") is False
    assert page.run(f"document.activeElement.matches('{CURVES}')")


def test_the_mouse_finds_a_point_and_a_click_its_record(page: Tab) -> None:
    page.run("document.querySelector('#chart-seeds').scrollIntoView({block: 'center'})")
    page.run("document.querySelector('#chart-seeds .plot').focus()")
    page.key("ArrowRight")
    found = texts(page, "#chart-seeds .readout")[0]
    assert re.match(r"cnn seed 0: test accuracy 7\d\.\d\d%\. Click or Enter: cnn-seed0-", found)
    box = "document.querySelector('#chart-seeds .dot').getBoundingClientRect()"
    x, y = page.run(f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({box})")
    page.key("Escape")
    page.move_to(x + 1, y)
    assert texts(page, "#chart-seeds .readout") == [found]
    page.click_at(x + 1, y)
    assert texts(page, "dialog[open] h2")[0].startswith("cnn-seed0-")


def test_models_and_seeds_are_switched_off_in_all_charts(page: Tab) -> None:
    page.click(".switches label:nth-of-type(1) input")  # cnn
    page.click(".switches fieldset:nth-of-type(2) label:nth-of-type(1) input")  # Seed 0
    frame = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    page.run(frame)
    for chart, first in (("accuracy-0", "inn seed 2"), ("seeds", "inn seed 1"), ("front-0", "inn")):
        page.run(f"document.querySelector('#chart-{chart} .plot').focus()")
        page.key("ArrowRight")
        assert texts(page, f"#chart-{chart} .readout")[0].startswith(f"{first}: ")
    hidden = "getComputedStyle(document.getElementById('chart-confusion-0')).display"
    assert page.run(hidden) == "none"
    page.click(".switches fieldset:nth-of-type(1) button")  # All.
    page.run(frame)
    assert page.run(hidden) != "none"


def test_a_run_in_a_table_opens_its_record(page: Tab) -> None:
    page.run("document.querySelectorAll('#chart-seeds details').forEach(each => each.open = true)")
    page.click("#chart-seeds .run-name")
    assert texts(page, "dialog[open] h2")[0].startswith("cnn-seed0-")
    page.click("dialog > button")
    assert page.run("document.querySelector('dialog').open") is False


def test_print_and_no_scripts_show_the_pictures(page: Tab, published_file: Path) -> None:
    pictures = "[...document.querySelectorAll('.picture')].filter(each => each.offsetHeight > 100)"
    assert page.run(f"{pictures}.length") == 5  # Those that no script draws.
    page.look(1280, media="print")
    assert page.run(f"{pictures}.length") == 12
    assert page.run("document.querySelector('.interactive').offsetHeight") == 0
    page.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.open(published_file, 360)
        assert page.run(f"{pictures}.length") == 12
        assert page.run("document.querySelectorAll('button, canvas').length") == 0
    finally:
        page.send("Emulation.setScriptExecutionDisabled", value=False)


def test_hostile_text_stays_text_and_runs_nothing(tab: Tab, tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><!--<script>\"'&\u2028"
    for seed in range(2):
        for model in ("cnn", "inn"):
            run = make_run(tmp_path / "results", model, seed)
            record = json.loads((run / "run.json").read_text())
            record["argv"], record["data"]["class_names"] = [evil], [evil] * 10
            record["trial"]["model"] = f"{model}{evil}" if model == "inn" else model
            (run / "run.json").write_text(json.dumps(record))
    done = called("report", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    tab.complaints.clear()
    tab.open(tmp_path / done.stdout.strip(), 360)
    assert tab.run("document.querySelectorAll('#chart-accuracy-0 canvas').length") > 0
    assert tab.run("document.scripts.length") == 5
    tab.run("openRecord(document.querySelector('details.run').dataset.run)")
    assert "</script><script>alert(1)" in texts(tab, "dialog .record")[0]
    assert tab.complaints == []
