"""The report of a fit as one HTML page: figures in a grid, which need no network and no other file.

The page's script names the points under the pointer and draws frames; all else reads without it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from . import words
from .errors import Evaluation, Frame, Name
from .figures.style import STYLE
from .figures.svg import Figure
from .histograms import folded
from .html import document, grid, prose, table
from .sections import (
    Section,
    checksums,
    chosen,
    sets,
    settings,
    tables_of_parts,
    verdict_tables,
    worst,
)
from .units import ENERGY, FORCES
from .worst import drawn, view

HERE = Path(__file__).parent
ROWS = {
    "energy": "Energies",
    "forces": "Forces",
    "stress": "Stresses",
    "learning": "Learning",
    "parts": "Where the errors are",
}


def page(
    report: words.Report, evaluations: Mapping[str, Evaluation], figures: Sequence[Figure]
) -> str:
    """The page of a report, see ``amptorch.report.write_report``."""
    name = report["name"]
    frames = list(drawn(evaluations)) if figures else []
    body = [
        f"<header><h1>{escape(name)}</h1>",
        f'<p class="verdict">{escape(words.verdict(report))}</p>',
        f'<p class="facts">{escape(words.model(report))}</p></header>',
        f'<main><div class="top">{_errors(report)}',
        f'<div class="side">{_warnings(report)}{_sets(report)}</div></div>',
        *_rows(figures),
        *_folded("Errors by element, group and size, as numbers", tables_of_parts(report)),
        *_worst(report, frames),
        *folded({kind: each.histograms for kind, each in evaluations.items()}),
        *_settings(report),
        "</main>",
        '<div id="tip" role="status"></div>',
        _data(figures, [frame for _, frame, _ in frames]),
    ]
    style = STYLE + (HERE / "page.css").read_text(encoding="utf-8")
    return document(name, body, style, (HERE / "page.js").read_text(encoding="utf-8"))


def _errors(report: words.Report) -> str:
    """One table of all errors: a part a quantity and unit, a row a set."""
    tables = verdict_tables(report)
    if not tables:
        return ""
    columns = tables[0].header[1:]
    head = "".join(f'<th scope="col" class="number">{escape(each)}</th>' for each in columns)
    parts = []
    for each in tables:
        rows = "".join(
            f'<tr><th scope="row">{escape(kind)}</th>'
            + "".join(f'<td class="number">{escape(cell)}</td>' for cell in cells)
            + "</tr>"
            for kind, *cells in each.rows
        )
        title = f'<th class="quantity" scope="rowgroup" colspan="{len(each.header)}">'
        parts.append(f"<tbody><tr>{title}{escape(each.header[0])}</th></tr>{rows}</tbody>")
    return (
        '<section class="card" aria-label="Errors"><div class="wide"><table class="errors">'
        f"<thead><tr><th></th>{head}</tr></thead>{''.join(parts)}</table></div></section>"
    )


def _warnings(report: words.Report) -> str:
    found = report["warnings"]
    items = "".join(f"<li>{prose(each)}</li>" for each in found)
    said = f"<ul>{items}</ul>" if found else "<p>Nothing stands out.</p>"
    title = "Before trusting these numbers" if found else "Warnings"
    return (
        f'<section class="card {"warnings" if found else "fine"}" aria-label="Warnings">'
        f"<h3>{title}</h3>{said}</section>"
    )


def _sets(report: words.Report) -> str:
    """Frames and cost."""
    if not report["data"]:
        return ""
    spent = escape(words.cost(report))
    return (
        f'<section class="card" aria-label="Frames and cost">{table(sets(report))}'
        f'<p class="facts">{spent}</p></section>'
    )


def _rows(figures: Sequence[Figure]) -> Iterator[str]:
    for row, heading in ROWS.items():
        for own in grid([each for each in figures if each.row == row]):
            yield f"<h2>{heading}</h2>{own}"


def _worst(report: words.Report, frames: Sequence[tuple[str, Frame, list[Name]]]) -> Iterator[str]:
    sections = [worst(kind, each) for kind, each in report["worst"].items()]
    yield "<h2>Worst frames</h2>"
    yield (
        "<p>All of them, with references and predictions, stand in <code>worst.extxyz</code>. "
        "Arrows are the errors of forces, predicted minus reference; the longest is drawn 2 Å "
        "long, and those under a fifth of it are left out. Drag to turn, or use the arrow keys; a "
        "double click turns back.</p>"
    )
    cards = [_card(place, *each) for place, each in enumerate(frames)]
    yield f'<div class="grid">{"".join(cards)}</div>'
    yield from _folded("The ten worst of each set, as numbers", sections)


def _card(place: int, kind: str, frame: Frame, by: list[Name]) -> str:
    about = view(frame)
    errors = [f"energy {ENERGY.text(frame.energy.difference[0])} {ENERGY.unit}"]
    if frame.forces is not None:
        most = frame.forces.errors()["max"] or 0.0
        errors.append(f"largest force component {FORCES.text(most)} {FORCES.unit}")
    group = f", group {frame.group}" if frame.group else ""
    formula = frame.image.get_chemical_formula()
    title = f"{kind}, frame {frame.index}{group}"
    said = f"{formula}, worst by {' and '.join(by)}. Errors: {', '.join(errors)}."
    dots = "".join(
        f'<span><i style="background:{color}"></i>{element}</span>'
        for element, color in zip(about["elements"], about["colors"], strict=True)
    )
    label = escape(f"{title}: {said}")
    return (
        f'<figure><h3>{escape(title)}</h3><canvas id="frame{place}" tabindex="0" role="img" '
        f'aria-label="{label}"></canvas><div class="elements">{dots}</div>'
        f"<figcaption>{escape(said)}</figcaption></figure>"
    )


def _folded(summary: str, sections: Sequence[Section], kind: str = "") -> Iterator[str]:
    """Tables that open at a click; nothing where there are none."""
    parts = [
        f"<h3>{escape(section.heading)}</h3>" + "".join(table(each) for each in section.tables)
        for section in sections
        for section.tables in [[each for each in section.tables if each.rows]]
        if section.tables
    ]
    if parts:
        head = f'<details class="{kind}"><summary>{escape(summary)}</summary>'
        yield head + "".join(parts) + "</details>"


def _settings(report: words.Report) -> Iterator[str]:
    yield "<h2>How it was made</h2>"
    yield f'<p class="facts">{escape(words.machine(report["machine"]))}</p>'
    sections = [
        Section("Configuration", tables=[settings(report)]),
        Section("Checksums", tables=[checksums(report)]),
        chosen(report["model"]["chosen_from_data"]),
    ]
    yield from _folded("Settings and checksums", sections, "fold")


def _data(figures: Sequence[Figure], frames: Sequence[Frame]) -> str:
    """What the script reads."""
    content: dict[str, Any] = {
        "points": {each.name: each.hover for each in figures if each.hover},
        "frames": [view(frame) for frame in frames],
    }
    text = json.dumps(content, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    # No text in it may end the element that it stands in.
    return (
        f'<script type="application/json" id="data">{text.replace("<", chr(92) + "u003c")}</script>'
    )
