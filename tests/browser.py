"""A headless Chromium that a test looks and clicks through, by the DevTools protocol over two pipes."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# A page is drawn without a graphics card, by Chromium's own software.
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--use-gl=angle", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe",
)  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome")
MAX_SECONDS = 60.0


def chromium() -> str | None:
    """The program; None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One page; what it says on its console, and what it wanted to load, is kept."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._out, self._in, self._buffer, self._number = to_browser, from_browser, b"", 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol, and its answer."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        content = memoryview(json.dumps(message).encode() + b"\0")
        while content:
            content = content[os.write(self._out, content) :]
        until = time.monotonic() + MAX_SECONDS
        while True:
            answer = self._received(until)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def _received(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0.0, until - time.monotonic()))
            assert ready, f"Chromium said nothing for {MAX_SECONDS:g} s"
            piece = os.read(self._in, 1 << 20)
            assert piece, "Chromium has ended"
            self._buffer += piece
        content, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(content)
        return message

    def open(self, url: str | Path) -> None:
        """Go to an address or a file."""
        self.call("Page.navigate", url=Path(url).resolve().as_uri() if isinstance(url, Path) else url)

    def ask(self, expression: str) -> Any:
        """The value of an expression of JavaScript, also of a promise; an exception fails the test."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """The value of an expression once it is true."""
        until = time.monotonic() + MAX_SECONDS
        while time.monotonic() < until:
            if value := self.ask(f"(() => {{ try {{ return {expression}; }} catch {{ return null; }} }})()"):
                return value
            time.sleep(0.05)
        raise AssertionError(f"never true: {expression}; the page said {self.said}")

    def looks(self, width: int = 1200, height: int = 800, dark: bool = False) -> None:
        """The size of the window, and whether its user prefers dark pages."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.call("Emulation.setEmulatedMedia", features=scheme)

    def picture(self) -> bytes:
        """What is seen, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """An event of the mouse: mouseMoved, mousePressed, mouseReleased, mouseWheel."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, x: float, y: float) -> None:
        """Press and release the left button."""
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, x, y, button="left", clickCount=1)

    def wheel(self, x: float, y: float, down: float) -> None:
        """Turn the wheel."""
        self.mouse("mouseWheel", x, y, deltaX=0, deltaY=down)

    @property
    def said(self) -> list[str]:
        """Errors and warnings: of the console, of scripts, of what the page's policy refused."""
        found = []
        for event in self.events:
            method, details = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append(str(details["exceptionDetails"])[:1000])
            elif method == "Runtime.consoleAPICalled" and details["type"] in ("error", "warning"):
                found.append(
                    " ".join(str(one.get("value", one.get("description"))) for one in details["args"])
                )
            elif method == "Log.entryAdded" and details["entry"]["level"] in ("error", "warning"):
                found.append(details["entry"]["text"])
        return found

    @property
    def loaded(self) -> list[str]:
        """Every address that was asked for, but what is in the page itself."""
        found = [
            e["params"]["request"]["url"]
            for e in self.events
            if e.get("method") == "Network.requestWillBeSent"
        ]
        return [url for url in found if not url.startswith(("data:", "blob:"))]


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A Chromium with one empty page; it is ended afterwards."""
    program = chromium()
    assert program is not None
    read_commands, write_commands = os.pipe()
    read_answers, write_answers = os.pipe()
    # Chromium reads commands from 3 and writes answers to 4; whoever becomes Chromium puts the pipes there
    place = "import os, sys; import fcntl; "
    place += "high = [fcntl.fcntl(int(n), fcntl.F_DUPFD, 10) for n in sys.argv[1:3]]; "
    place += "[os.dup2(n, at) for n, at in zip(high, (3, 4))]; os.execv(sys.argv[3], sys.argv[3:])"
    arguments = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(
        [sys.executable, "-c", place, str(read_commands), str(write_answers), *arguments],
        pass_fds=(read_commands, write_answers), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(read_commands)
    os.close(write_answers)
    try:
        yield Page(write_commands, read_answers)
    finally:
        process.kill()
        process.wait()
        os.close(write_commands)
        os.close(read_answers)
