"""A report as Markdown; pictures are links to files beside it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from amptorch.report.markdown import table

from . import content
from .parts import Listing, Section, Table

if TYPE_CHECKING:
    from .document import Report


def page(report: Report) -> str:
    """The whole text."""
    parts = [f"# {report.title}", f"**{content.verdict(report)}.**"]
    checks = [
        f"- {'passed' if each.passed else '**FAILED**'}: {content.checked(each)}"
        for each in report.checks
    ]
    parts += ["\n".join(checks)] if checks else []
    parts.append("\n".join(f"- {name}: {text}" for name, text in content.facts(report).items()))
    for section in content.sections(report).values():
        parts += _section(section)
    return "\n\n".join(parts) + "\n"


def _section(section: Section) -> list[str]:
    parts = [f"## {section.heading}", *map(_linked, section.text)]
    for each in section.tables:
        parts.append(table(Table(each.header, [[_linked(cell) for cell in r] for r in each.rows])))
    for figure in section.figures:
        parts.append(f"![{figure.caption or figure.name}]({figure.name}.svg)")
    return parts + [_listing(each) for each in section.listings]


def _linked(text: str) -> str:
    """Anchors are those of the page."""
    return re.sub(r"\]\(#", "](report.html#", text)


def _listing(listing: Listing) -> str:
    numbered = [f"{number:5d}  {line}" for number, line in enumerate(listing.lines, listing.first)]
    caption = [f"{listing.caption}\n"] if listing.caption else []
    return "\n".join([*caption, "````text", *numbered, "````"])
