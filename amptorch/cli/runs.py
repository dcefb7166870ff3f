"""Runs that a command names: a checkpoint folder, a saved potential, or a folder of a committee."""

from __future__ import annotations

import json
from pathlib import Path

from ..potentials.loading import load
from ..potentials.potential import Potential

COMMITTEE = "committee.json"


def open_runs(name: str | Path) -> list[Potential]:
    """The potential at a path, its members where it is their mean, or those of a committee.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: it is not of a kind that is known.
    """
    path = Path(name)
    if not (path / COMMITTEE).is_file():
        return load(path).members()
    members = json.loads((path / COMMITTEE).read_text(encoding="utf-8"))["members"]
    return [load(path / member) for member in members]
