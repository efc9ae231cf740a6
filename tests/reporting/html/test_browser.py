"""The report in a browser: nothing is complained of, fetched, sticks out or can't be read."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import axe_core_python
import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
AXE = Path(axe_core_python.__file__).parent / "axe.min.js"
MEASURE = """<!DOCTYPE html><body>{frames}<pre id="found"></pre><script>
onload = async () => {{
  const axe = await (await fetch("axe.min.js")).text(), found = [];
  for (const frame of document.querySelectorAll("iframe")) {{
    const page = frame.contentDocument, root = page.documentElement, view = frame.contentWindow;
    page.querySelectorAll("details").forEach(folded => folded.open = true);
    const wide = [...page.querySelectorAll("svg, img")].filter(
      picture => picture.getBoundingClientRect().right > root.clientWidth);
    const fetched = view.performance.getEntriesByType("resource").map(entry => entry.name);
    const guarded = page.querySelector("meta[http-equiv=Content-Security-Policy]") !== null;
    let violations = [];
    if (!guarded) {{
      view.eval(axe);
      violations = (await view.axe.run({{resultTypes: ["violations"], {rules}}})).violations;
    }}
    found.push({{guarded,
      wide: root.scrollWidth - root.clientWidth, pictures: wide.length, fetched,
      shown: page.querySelectorAll("figure > svg").length,
      high: page.querySelector("#chart-seeds svg").getBoundingClientRect().height,
      background: view.getComputedStyle(page.body).backgroundColor,
      violations: violations.map(({{id, impact, nodes}}) =>
        [impact, id, nodes.length, nodes[0].html.slice(0, 200)]),
    }});
  }}
  document.getElementById("found").textContent = JSON.stringify(found);
}};
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_complaint_and_no_horizontal_scroll(published_file, scheme, tmp_path):
    shutil.copy(published_file, tmp_path)
    shutil.copy(AXE, tmp_path)
    # The page lets no script of others in, so that axe gets a copy that does.
    open_page = re.sub(r"<meta http-equiv=.Content-Security.*?>", "", published_file.read_text())
    (tmp_path / "open.html").write_text(open_page)
    frames = "".join(
        f'<iframe src="{page}.html" style="border:0;height:900px;width:{width}px"></iframe>'
        for page, width in (("report", 360), ("report", 1280), ("open", 1280))
    )
    # Only the colours depend on the scheme.
    rules = "" if scheme == "light" else 'runOnly: ["color-contrast", "link-in-text-block"]'
    (tmp_path / "measure.html").write_text(MEASURE.format(frames=frames, rules=rules))
    done = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            *("--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'profile'}"),
            f"--blink-settings=preferredColorScheme={int(scheme == 'light')}",
            *("--virtual-time-budget=20000", "--dump-dom", (tmp_path / "measure.html").as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "CONSOLE" not in done.stderr, done.stderr
    (found,) = re.findall(r'<pre id="found">(.+?)</pre>', done.stdout)
    pages = json.loads(html.unescape(found))
    assert [page["guarded"] for page in pages] == [True, True, False]
    for page in pages:
        assert (page["wide"], page["pictures"], page["shown"]) == (0, 0, 12)
        assert page["high"] > 100
        assert page["fetched"] == []
        brightness = sum(map(int, re.findall(r"\d+", page["background"])[:3])) / 3
        assert (brightness > 128) == (scheme == "light")
        assert [v for v in page["violations"] if v[0] in ("serious", "critical")] == []
