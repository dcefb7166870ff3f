"""``input.nn``: a keyword and its arguments a line, in any order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ....errors import nearest

NAME = "input.nn"
_OTHER_NAMES = {
    "symfunction": "symfunction_short",
    "nnp_generation": "nnp_type",
    "nnp_gen": "nnp_type",
    "nnp_type_gen": "nnp_type",
}
_SEVERAL = ("symfunction_short", "atom_energy")
_OF_AN_ELEMENT = (
    "element_hidden_layers_short",
    "element_nodes_short",
    "element_activation_short",
)
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    """A line of the file.

    Attributes:
        where: file and number of the line, for errors.
        keyword: as the file spells it.
        words: what follows it.
    """

    where: str
    keyword: str
    words: tuple[str, ...]

    def number(self, index: int) -> float:
        """A word as a number, read as far as it is one, as n2p2 reads it: 5.0d0 is 5."""
        found = _NUMBER.match(self.word(index))
        if found is None:
            raise ValueError(f"{self.where}: expected a number, got {self.word(index)!r}")
        return float(found[0])

    def integer(self, index: int) -> int:
        """A word as a whole number."""
        return int(self.number(index))

    def word(self, index: int) -> str:
        """A word that must be there."""
        if index >= len(self.words):
            raise ValueError(
                f"{self.where}: {self.keyword} needs {index + 1} arguments, got {len(self.words)}"
            )
        return self.words[index]


class Settings:
    """The lines of a file by keyword.

    Args:
        path: of the file.

    Raises:
        ValueError: a keyword twice that may stand once, or keywords that are not supported.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[str, list[Line]] = {}
        for line in _lines_of(path):
            keyword = _OTHER_NAMES.get(line.keyword, line.keyword)
            known = self._lines.setdefault(keyword, [])
            if known and keyword in _ALL and keyword not in _SEVERAL:
                raise ValueError(f"{line.where}: {line.keyword} stands in the file twice")
            if known and known[0].keyword != line.keyword:
                raise ValueError(
                    f"{line.where}: {line.keyword} and {known[0].keyword} mean the same, expected "
                    "one of them in a file"
                )
            known.append(line)
        self._check()

    def _check(self) -> None:
        for keyword in _OF_AN_ELEMENT:
            for line in self.several(keyword):
                raise ValueError(
                    f"{line.where}: {keyword} is not supported: versions of n2p2 read it in "
                    "different ways, expected the global keywords alone"
                )
        kind = self.optional("nnp_type")
        if kind is not None and kind.word(0) not in ("2G-HDNNP", "2"):
            raise ValueError(
                f"{kind.where}: expected {kind.keyword} 2G-HDNNP, got {kind.word(0)!r}: other "
                "kinds are not supported"
            )

    def several(self, keyword: str) -> list[Line]:
        """All lines of a keyword."""
        return self._lines.get(keyword, [])

    def optional(self, keyword: str) -> Line | None:
        """The line of a keyword."""
        return next(iter(self.several(keyword)), None)

    def has(self, keyword: str) -> bool:
        """Whether a keyword is given."""
        return keyword in self._lines

    def line(self, keyword: str) -> Line:
        """The line of a keyword that must be there."""
        found = self.optional(keyword)
        if found is None:
            hint = nearest(keyword, self._lines)
            raise ValueError(f"{self.path}: the keyword {keyword} is missing; {hint}")
        return found

    def number(self, keyword: str, default: float) -> float:
        """The number of a keyword."""
        found = self.optional(keyword)
        return default if found is None else found.number(0)


_ALL = {
    "number_of_elements",
    "elements",
    "cutoff_type",
    "global_hidden_layers_short",
    "global_nodes_short",
    "global_activation_short",
    "scale_symmetry_functions",
    "center_symmetry_functions",
    "scale_symmetry_functions_sigma",
    "scale_min_short",
    "scale_max_short",
    "mean_energy",
    "conv_energy",
    "conv_length",
    "normalize_nodes",
    "nnp_type",
}
"""Keywords that are looked at, but for those of an element."""


def _lines_of(path: Path) -> Iterator[Line]:
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        words = re.split(r"[#!]", text, maxsplit=1)[0].split()
        if words:
            yield Line(f"{path}, line {number}", words[0], tuple(words[1:]))
