"""The report in a browser: nothing is complained of, nothing sticks out."""

import json
import re
import shutil
import subprocess

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
WIDTHS = (360, 1280)
MEASURE = """<!DOCTYPE html><body>{frames}<pre id="found"></pre><script>
onload = () => {{
  const found = [...document.querySelectorAll("iframe")].map(frame => {{
    const page = frame.contentDocument, root = page.documentElement;
    page.querySelectorAll("details").forEach(folded => folded.open = true);
    const wide = [...page.querySelectorAll("svg, img")].filter(
      picture => picture.getBoundingClientRect().right > root.clientWidth);
    return {{wide: root.scrollWidth - root.clientWidth, pictures: wide.length,
      shown: page.querySelectorAll("figure > svg").length,
      high: page.querySelector("#chart-seeds svg").getBoundingClientRect().height}};
  }});
  document.getElementById("found").textContent = JSON.stringify(found);
}};
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_no_complaint_and_no_horizontal_scroll(published_file, tmp_path):
    shutil.copy(published_file, tmp_path)
    frames = "".join(
        f'<iframe src="report.html" style="border:0;height:900px;width:{width}px"></iframe>'
        for width in WIDTHS
    )
    (tmp_path / "measure.html").write_text(MEASURE.format(frames=frames))
    done = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            *("--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'profile'}"),
            *("--virtual-time-budget=5000", "--dump-dom", (tmp_path / "measure.html").as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "CONSOLE" not in done.stderr, done.stderr
    (found,) = re.findall(r'<pre id="found">(.+?)</pre>', done.stdout)
    for page in json.loads(found):
        assert (page["wide"], page["pictures"], page["shown"]) == (0, 0, 11)
        assert page["high"] > 100
