"""Trials of a search in a file of a line each, written as they come, to go on from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..files.journal import Lines
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
        self._lines = Lines(path, about or {}, "journal", "search", "configuration or options")
        self.known = [_trial(row) for row in self._lines.rows]

    def find(self, number: int, values: Values) -> Trial | None:
        """What is known of this trial of a search, if it had the same values."""
        if number < len(self.known) and self.known[number].values == values:
            return self.known[number]
        return None

    def add(self, trial: Trial) -> None:
        """Write a trial; those of a search that went another way from here on are dropped."""
        if trial.number < len(self.known):
            self.known = self.known[: trial.number]
            self._lines.write(map(_row, self.known))
        self.known.append(trial)
        self._lines.add(_row(trial))


def _row(trial: Trial) -> dict[str, Any]:
    return {**asdict(trial), "score": trial.score if math.isfinite(trial.score) else None}


def _trial(row: dict[str, Any]) -> Trial:
    return Trial(**{**row, "score": math.inf if row["score"] is None else row["score"]})
