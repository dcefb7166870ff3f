"""A report as text for terminals and for ``grep``."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from .sections import Section, Table, verdict_tables
from .words import Report

WIDTH = 100
GAP = "  "


def page(title: str, sections: Sequence[Section]) -> str:
    """The whole text; images are left out."""
    parts = [_underlined(title, "=")]
    for section in sections:
        if not (section.text or section.tables):
            continue
        parts += [_underlined(section.heading, "-")] if section.heading else []
        parts += [_wrapped(each) for each in section.text]
        parts += [table(each) for each in section.tables]
    return "\n\n".join(parts) + "\n"


def summary(report: Report) -> str:
    """The errors of a report and what to know before trusting them."""
    parts = [table(each) for each in verdict_tables(report)]
    parts += [_wrapped(f"! {each}") for each in report["warnings"]]
    return "\n\n".join(parts)


def table(content: Table) -> str:
    """Columns under their header: the first to the left, others to the right. What is wider than a
    terminal goes on below, beside its first column."""
    columns = list(zip(content.header, *content.rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    blocks: list[list[int]] = [[0]]
    for place in range(1, len(columns)):
        used = sum(widths[each] + len(GAP) for each in [*blocks[-1], place])
        if used > WIDTH and len(blocks[-1]) > 1:
            blocks.append([0])
        blocks[-1].append(place)
    return "\n\n".join(
        _block([columns[each] for each in block], [widths[each] for each in block])
        for block in blocks
    )


def _block(columns: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
    head, *rows = (_line(row, widths) for row in zip(*columns, strict=True))
    return "\n".join([head, "-" * len(head), *(row.rstrip() for row in rows)])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.rjust(width) if place else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return GAP.join([first, *others])


def _underlined(words: str, with_: str) -> str:
    return f"{words}\n{with_ * len(words)}"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent="  ")
