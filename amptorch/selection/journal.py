"""What a study has found so far, a line each, to go on from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


class Journal:
    """Plain values by name, in a file that a stop leaves whole but for the line it was at.

    Args:
        path: of the file; None keeps them in memory only.
        about: of the study, in plain values.

    Raises:
        ValueError: the file is of another study, or is none.
    """

    def __init__(self, path: Path | None, about: Mapping[str, Any]) -> None:
        self._path = path
        self._known: dict[str, Any] = {}
        head = json.dumps({"about": about})
        if path is None:
            return
        if not path.is_file():
            path.write_text(f"{head}\n", encoding="utf-8")
            return
        first, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
        if first != head:
            raise ValueError(
                f"--out: {path} is of another study: other data, pool or options; give another "
                "folder, or remove it"
            )
        for line in lines:
            self._read(line)

    def _read(self, line: str) -> None:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:  # killed while it wrote
            return
        self._known[row["name"]] = row["value"]

    def knows(self, name: str) -> bool:
        """Whether there is a value of this name."""
        return name in self._known

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """The value of a name, made where it is not known."""
        if name not in self._known:
            self._known[name] = json.loads(json.dumps(make()))
            self._write(name)
        return self._known[name]

    def _write(self, name: str) -> None:
        if self._path is None:
            return
        end = "" if self._path.read_bytes().endswith(b"\n") else "\n"
        line = json.dumps({"name": name, "value": self._known[name]})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{end}{line}\n")
