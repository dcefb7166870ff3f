"""A headless Chromium that tells what a page says on its console and asks the network for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--enable-logging=stderr", "--dump-dom", "--host-resolver-rules=MAP * ~NOTFOUND"),
)
CONSOLE = re.compile(r":CONSOLE[:(]\d+\)?\] (.*)")
# What the browser wants for itself, not for a page.
NO_PAGE = "not an origin"


def program() -> str | None:
    """Where Chromium is, if anywhere."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


@dataclass
class Visit:
    """What happened while a page was open.

    Attributes:
        console: messages of every level.
        requests: addresses that the page asked for, its own and other files not counted.
        dom: the page as it was in the end.
    """

    console: list[str]
    requests: list[str]
    dom: str


def visit(page: Path, folder: Path) -> Visit:
    """Open a file with a new profile in ``folder``; works without a network."""
    log = folder / "net.json"
    options = [*OPTIONS, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}"]
    done = subprocess.run(
        [str(program()), *options, page.resolve().as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return Visit(CONSOLE.findall(done.stderr), _requests(log), done.stdout)


def _requests(log: Path) -> list[str]:
    content = json.loads(log.read_text(encoding="utf-8"))
    start = content["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    events = [each.get("params", {}) for each in content["events"] if each["type"] == start]
    return [each["url"] for each in events if each.get("initiator", NO_PAGE) != NO_PAGE]
