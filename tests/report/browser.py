"""A headless Chromium that is told what to do, over a pipe: Chrome DevTools Protocol.

https://chromedevtools.github.io/devtools-protocol: JSON messages that end with a zero byte.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..profiling.chromium import program

OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--remote-debugging-pipe"),
)
START = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Page:
    """A page that is open.

    Attributes:
        messages: what stood on the console, of every level, and errors of scripts.
        requests: addresses asked for, but for the page and ``data:``.
    """

    def __init__(self, send: int, receive: int) -> None:
        self.send, self.receive = send, receive
        self.number, self.rest, self.session = 0, b"", None
        self.messages: list[str] = []
        self.requests: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        found = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method; its result."""
        self.number += 1
        message: dict[str, Any] = {"id": self.number, "method": method, "params": params}
        if self.session is not None:
            message["sessionId"] = self.session
        os.write(self.send, json.dumps(message).encode() + b"\0")
        for answer in self._answers():
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
        raise ConnectionError("Chromium has gone")

    def _answers(self) -> Iterator[dict[str, Any]]:
        while True:
            while b"\0" not in self.rest:
                part = os.read(self.receive, 1 << 20)
                if not part:
                    return
                self.rest += part
            whole, self.rest = self.rest.split(b"\0", 1)
            answer = json.loads(whole)
            self._note(answer.get("method", ""), answer.get("params", {}))
            yield answer

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.messages.append(json.dumps(params))
        if method == "Network.requestWillBeSent":
            address = params["request"]["url"]
            if not address.startswith("data:") and params.get("type") != "Document":
                self.requests.append(address)

    def open(self, file: Path, width: int, height: int = 900, dark: bool = False) -> None:
        """Show a file in a window of this size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.call("Page.navigate", url=file.resolve().as_uri())
        self.value(
            "document.readyState === 'complete' ? 0 : "
            "new Promise((done) => window.addEventListener('load', () => done(0)))"
        )

    def value(self, expression: str) -> Any:
        """What an expression gives."""
        found = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def mouse(self, kind: str, x: float, y: float) -> None:
        """A "mouseMoved", "mousePressed" or "mouseReleased" there."""
        button = "none" if kind == "mouseMoved" else "left"
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1)

    def screenshot(self, file: Path) -> None:
        """The whole page as a PNG file."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(b64decode(found["data"]))


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """An empty page; ``folder`` takes the browser's profile."""
    (to_read, send), (receive, to_write) = os.pipe(), os.pipe()
    # Out of the way of 3 and 4, from which the browser reads and to which it writes.
    ends = [fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in (to_read, to_write)]
    command = [str(program()), *OPTIONS, f"--user-data-dir={folder / 'profile'}", "about:blank"]
    process = subprocess.Popen(
        [sys.executable, "-c", START, *map(str, ends), *command],
        pass_fds=ends,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for each in (to_read, to_write, *ends):
        os.close(each)
    try:
        page = Page(send, receive)
        yield page
        page.session = None
        page.call("Browser.close")
        process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()
        os.close(send)
        os.close(receive)
