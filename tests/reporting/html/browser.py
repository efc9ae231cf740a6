"""A headless Chromium that is driven over a pipe: real keys and clicks, and what its console says.

The Chrome DevTools Protocol over `--remote-debugging-pipe`: JSON messages that end with a null
byte, on the file descriptors 3 and 4.
"""

import json
import os
import shutil
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import F_DUPFD_CLOEXEC, fcntl
from itertools import count
from pathlib import Path
from select import select
from signal import SIGKILL
from typing import Any

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
_KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowLeft": 37, "ArrowUp": 38}
_KEYS |= {"ArrowRight": 39, "ArrowDown": 40, "Home": 36, "End": 35}
_TEXTS = {"Enter": "\r", " ": " "}
_TIMEOUT = 60


class Tab:
    """One page of the browser."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._numbers, self._read = count(1), b""
        self._session: str | None = None
        self._loaded = False
        self.complaints: list[str] = []
        """Console messages, uncaught errors and what the browser itself logs."""
        self.requests: list[str] = []
        """Everything that was fetched, the page too."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command and its answer."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._read:
            assert select([self._answers], [], [], _TIMEOUT)[0], "the browser does not answer"
            self._read += os.read(self._answers, 1 << 20)
        line, self._read = self._read.split(b"\0", 1)
        message = json.loads(line)
        match message.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded":
                self.complaints.append(json.dumps(message["params"])[:1000])
            case "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
        return message

    def open(self, path: Path, width: int, scheme: str = "light", media: str = "screen") -> None:
        """Open a file in a window of a width."""
        self.look(width, scheme, media)
        self._loaded = False
        self.send("Page.navigate", url=path.resolve().as_uri())
        while not self._loaded:
            self._next()

    def close(self) -> None:
        """End the browser, with all its processes."""
        self._session = None
        self.send("Browser.close")

    def look(self, width: int, scheme: str = "light", media: str = "screen") -> None:
        """Change the width of the window, the colour scheme, or the medium."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", media=media, features=features)

    def run(self, script: str) -> Any:
        """The value of an expression; a promise is awaited."""
        found = self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def key(self, *names: str) -> None:
        """Press keys, one after the other; a letter types itself."""
        for name in names:
            text = _TEXTS.get(name) or (name if len(name) == 1 else "")
            key = {"key": name, "windowsVirtualKeyCode": _KEYS.get(name, 0)}
            self.send(
                "Input.dispatchKeyEvent", type="keyDown", **key, **({"text": text} if text else {})
            )
            self.send("Input.dispatchKeyEvent", type="keyUp", **key)

    def click(self, selector: str) -> None:
        """Click into the middle of the first such element, where it must be visible."""
        box = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const b = e.getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2] })()"
        )
        self.click_at(*box)

    def move_to(self, x: float, y: float) -> None:
        """Move the mouse."""
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click_at(self, x: float, y: float) -> None:
        """Click at a point of the window."""
        self.move_to(x, y)
        button = {"x": x, "y": y, "button": "left", "clickCount": 1}
        self.send("Input.dispatchMouseEvent", type="mousePressed", **button)
        self.send("Input.dispatchMouseEvent", type="mouseReleased", **button)

    def picture(self) -> bytes:
        """A PNG of the whole page."""
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        return b64decode(shot["data"])


@contextmanager
def browser(profile: Path) -> Iterator[Tab]:
    """Start Chromium with an empty profile and give its page."""
    assert BROWSER is not None
    (commands, write), (read, answers) = os.pipe(), os.pipe()
    # Out of the way of 3 and 4.
    ours = [fcntl(end, F_DUPFD_CLOEXEC, 10) for end in (commands, write, read, answers)]
    for end in (commands, write, read, answers):
        os.close(end)
    null = [(os.POSIX_SPAWN_OPEN, end, os.devnull, os.O_RDWR, 0) for end in (0, 1, 2)]
    pipes = [(os.POSIX_SPAWN_DUP2, ours[0], 3), (os.POSIX_SPAWN_DUP2, ours[3], 4)]
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run")
    pipe = "--remote-debugging-pipe"
    arguments = [BROWSER, *options, pipe, f"--user-data-dir={profile}", "about:blank"]
    process = os.posix_spawn(BROWSER, arguments, os.environ, file_actions=[*null, *pipes])
    try:
        tab = Tab(ours[1], ours[2])
        yield tab
        tab.close()
    finally:
        with suppress(ProcessLookupError):
            os.kill(process, SIGKILL)
        os.waitpid(process, 0)
        for end in ours:
            os.close(end)
