"""Sections of a report as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .sections import Section, Table


def page(title: str, sections: Sequence[Section]) -> str:
    """The whole text; images are links to files beside it."""
    parts = [f"# {title}"]
    for section in sections:
        if section.heading:
            parts.append(f"## {section.heading}")
        parts += section.text
        parts += [table(each) for each in section.tables]
        if section.images:
            parts.append("\n".join(f"![{_name(image)}]({image})" for image in section.images))
    return "\n\n".join(parts) + "\n"


def table(content: Table) -> str:
    """A table with pipes."""
    rows = [content.header, ["---"] * len(content.header), *content.rows]
    return "\n".join("| " + " | ".join(_escape(cell) for cell in row) + " |" for row in rows)


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _name(image: str) -> str:
    return Path(image).stem.replace("_", " ")
