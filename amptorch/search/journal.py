"""Trials of a search in a file of a line each, written as they come, to go on from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .space import Values


@dataclass
class Trial:
    """What became of some values.

    Attributes:
        number: from 0 on.
        values: by name.
        score: what is made small; infinite where the trial failed.
        details: errors, and the values that were found for these.
        seconds: that it took.
        error: why it failed, or nothing.
    """

    number: int
    values: Values
    score: float
    details: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""


class Journal:
    """The file.

    Args:
        path: of the file; None keeps trials in memory only.
        about: what is searched, in plain values: a file about something else is refused.

    Raises:
        ValueError: the file is about another search, or is no journal.
    """

    def __init__(self, path: Path | None = None, about: Mapping[str, Any] | None = None) -> None:
        self.path = path
        self.known: list[Trial] = []
        head = {"about": json.loads(json.dumps(about or {}))}
        if path is None:
            return
        if path.is_file():
            self.known = _read(path, head)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(head) + "\n", encoding="utf-8")

    def find(self, number: int, values: Values) -> Trial | None:
        """What is known of this trial of a search, if it had the same values."""
        if number < len(self.known) and self.known[number].values == values:
            return self.known[number]
        return None

    def add(self, trial: Trial) -> None:
        """Write a trial; those of a search that went another way from here on are dropped."""
        if trial.number < len(self.known):
            self.known = self.known[: trial.number]
            self._rewrite()
        self.known.append(trial)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_line(trial))

    def _rewrite(self) -> None:
        if self.path is not None:
            head = self.path.read_text(encoding="utf-8").splitlines()[0]
            lines = "".join(_line(each) for each in self.known)
            self.path.write_text(f"{head}\n{lines}", encoding="utf-8")


def _line(trial: Trial) -> str:
    row = asdict(trial)
    row["score"] = trial.score if math.isfinite(trial.score) else None
    return json.dumps(row) + "\n"


def _read(path: Path, head: Mapping[str, Any]) -> list[Trial]:
    first, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    try:
        known = json.loads(first)
        rows = [json.loads(line) for line in lines]
    except json.JSONDecodeError as error:
        if not lines or error.doc != lines[-1]:
            raise ValueError(f"journal: {path} is no journal of a search: {error}") from error
        # A run that was killed while it wrote.
        path.write_text("".join(f"{line}\n" for line in [first, *lines[:-1]]), encoding="utf-8")
        return _read(path, head)
    if known != head:
        raise ValueError(
            f"journal: {path} is of another search: other data, configuration or options; give "
            "another folder, or remove it"
        )
    for row in rows:
        row["score"] = math.inf if row["score"] is None else row["score"]
    return [Trial(**row) for row in rows]
