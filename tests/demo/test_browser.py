"""The page of `involbench demo` in a browser, from an upload to a click."""

import re
import signal
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from involbench.data import load_dataset
from involbench.optional_dependencies import missing
from tests.cli import spawn
from tests.reporting.html.browser import BROWSER, browser

pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium here"),
    pytest.mark.skipif(missing("demo") is not None, reason=f"demo {missing('demo')}"),
]
SECONDS = 60
TEXT = "document.body?.innerText ?? ''"
UPLOAD = "[role=tab]:nth-child(2)"
PICTURE = "document.querySelector('[alt^=\"The image\"]')"
KERNELS = "document.querySelector('.kernels svg')?.getAttribute('aria-label') ?? ''"


def wait_for(tab, script, wanted):
    """Wait until the value of a script contains a text."""
    found = ""
    for _ in range(SECONDS * 5):
        found = tab.run(script)
        if wanted in found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"{wanted!r} is not in {found!r}")


def upload(tab, path):
    """Choose a file in the tab for uploads."""
    wait_for(tab, "`${document.querySelector('input[type=file]')}`", "HTMLInput")
    found = tab.send("Runtime.evaluate", expression="document.querySelector('input[type=file]')")
    tab.send("DOM.setFileInputFiles", objectId=found["result"]["objectId"], files=[str(path)])


def test_from_an_upload_to_a_click(smoke, tmp_path):
    pixels = load_dataset("digits").x_test
    with np.load(next(smoke[0].glob("results/smoke/runs/cnn-seed0-*/predictions.npz"))) as kept:
        predicted, sure = kept["predicted"], kept["probabilities"].max(axis=1)
    Image.fromarray(pixels[5]).resize((96, 96), Image.Resampling.NEAREST).save(tmp_path / "5.png")
    (tmp_path / "text.png").write_text("no image")
    runs = "smoke/cnn-seed0", "smoke/inn-seed0"
    demo = spawn("demo", *runs, "--port", 0, "--results", smoke[0] / "results", cwd=tmp_path)
    try:
        url = demo.stdout.readline().split()[0]
        with browser(tmp_path / "profile") as tab:
            tab.look(1280)
            tab.send("Page.navigate", url=url)
            wait_for(tab, KERNELS, "row 16, column 16")
            assert "true class" in tab.run(TEXT)
            assert "no involution layer" in tab.run(TEXT)

            tab.click(UPLOAD)
            upload(tab, tmp_path / "5.png")
            text = wait_for(tab, TEXT, "Your image")
            (shown,) = re.findall(r"cnn-seed0-\w+\n+(\S+)\n+\1\n+(\d+)%", text)
            assert shown[0] == str(predicted[5])
            assert int(shown[1]) == pytest.approx(100 * sure[5], abs=3)

            tab.run(f"{PICTURE}.scrollIntoView({{block: 'center'}})")
            box = f"(({{x, y, width, height}}) => [x, y, width, height])({PICTURE}"
            left, top, width, side = tab.run(f"{box}.getBoundingClientRect())")
            left += (width - side) / 2  # It stands in the middle.
            tab.click_at(left + side * 3.5 / 32, top + side * 20.5 / 32)
            wait_for(tab, KERNELS, "row 20, column 3")

            tab.click("[aria-label=Clear]")
            upload(tab, tmp_path / "text.png")
            wait_for(tab, TEXT, "not a PNG, JPEG, WebP or BMP image")
            assert {urlsplit(each).netloc for each in tab.requests} <= {urlsplit(url).netloc, ""}
        demo.send_signal(signal.SIGINT)
        assert demo.wait(30) == 130
        assert demo.stderr.read().splitlines()[-1] == "stopped"
    finally:
        demo.kill()
        demo.wait()
