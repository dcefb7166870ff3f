"""Tables of a report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Table:
    """Rows of text under a header; a cell ``[words](target)`` is a link."""

    header: list[str]
    rows: list[list[str]]
