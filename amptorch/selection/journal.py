"""What a study has found so far, a line each, to go on from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..files.journal import Lines


class Journal:
    """Plain values by name, in a file that a stop leaves whole but for the line it was at.

    Args:
        path: of the file; None keeps them in memory only.
        about: of the study, in plain values.

    Raises:
        ValueError: the file is of another study, or is none.
    """

    def __init__(self, path: Path | None, about: Mapping[str, Any]) -> None:
        self._lines = Lines(path, about, "--out", "study", "pool or options")
        self._known: dict[str, Any] = {row["name"]: row["value"] for row in self._lines.rows}

    def knows(self, name: str) -> bool:
        """Whether there is a value of this name."""
        return name in self._known

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """The value of a name, made where it is not known."""
        if name not in self._known:
            self._known[name] = json.loads(json.dumps(make()))
            self._lines.add({"name": name, "value": self._known[name]})
        return self._known[name]
