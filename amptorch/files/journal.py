"""Rows of plain values in a file of a line each, written as they come, to go on from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class Lines:
    """The file; its first line says what it is of.

    Args:
        path: of the file, which is made where there is none; None keeps nothing.
        about: what it is of, in plain values.
        where: for errors, the argument that names it.
        what: for errors, what it is a journal of.
        otherwise: for errors, what may be different.

    Attributes:
        rows: that the file had. A last line that is cut, of a run that was killed while it wrote,
            is taken off.

    Raises:
        ValueError: the file is about something else, or is no journal.
    """

    def __init__(
        self, path: Path | None, about: Mapping[str, Any], where: str, what: str, otherwise: str
    ) -> None:
        self._path, self._head = path, json.dumps({"about": about})
        self.rows: list[Row] = []
        if path is None:
            return
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            self.write(())
            return
        known, self.rows = self._read(path, where, what)
        if known != json.loads(self._head):
            raise ValueError(
                f"{where}: {path} is of another {what}: other data, {otherwise}; give another "
                "folder, or remove it"
            )

    def _read(self, path: Path, where: str, what: str) -> tuple[Any, list[Row]]:
        text = path.read_text(encoding="utf-8")
        first, *lines = text.splitlines() or [""]
        try:
            found = json.loads(first), [json.loads(line) for line in lines]
            if not text.endswith("\n"):
                path.write_text(f"{text}\n", encoding="utf-8")
            return found
        except json.JSONDecodeError as error:
            if not lines or error.doc != lines[-1]:
                raise ValueError(f"{where}: {path} is no journal of a {what}: {error}") from error
        whole = "".join(f"{line}\n" for line in [first, *lines[:-1]])
        path.write_text(whole, encoding="utf-8")
        return self._read(path, where, what)

    def write(self, rows: Iterable[Row]) -> None:
        """These rows in place of those that there are."""
        if self._path is not None:
            lines = [self._head, *map(json.dumps, rows)]
            self._path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def add(self, row: Row) -> None:
        """One more row."""
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
