"""The report of a sweep: tables, plots, and what the numbers of the last potential look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from ...files.whole import write_whole
from ...fit.evolution.directory import Directory
from ...fit.evolution.outputs import read_losses
from ...potentials.nep.analysis import NEAR_ZERO, blocks, influences
from ...report import html, markdown
from ...report.figures.settings import Line, costs, falling
from ...report.figures.style import STYLE, standalone
from ...report.figures.svg import Figure
from ...report.sections import Section, Table
from .trials import DEFAULT, LAST, Outcome

UNITS = {"force": "meV/Å", "energy": "meV/atom", "virial": "meV/atom"}
PLACES = {"energy": 0, "force": 1, "virial": 2}
SHOWN = 20  # descriptors in the table


def write_sweep(out: Path, data: Path, outcomes: Sequence[Outcome], chosen: Sequence[str]) -> None:
    """report.md, report.html and the figures beside them."""
    figures = _figures(out, outcomes)
    sections = _sections(out, data, outcomes, chosen)
    for figure in figures:
        text = standalone(figure.svg)
        write_whole(out / f"{figure.name}.svg", text.encode, "report: ")
    images = [f"{each.name}.svg" for each in figures]
    title = f"Sweep of {data.resolve().name}"
    page = markdown.page(title, [*sections, Section("Figures", images=images)])
    write_whole(out / "report.md", page.encode, "report: ")
    write_whole(out / "report.html", _page(title, sections, figures).encode, "report: ")


def _page(title: str, sections: Sequence[Section], figures: Sequence[Figure]) -> str:
    body = [f"<h1>{escape(title)}</h1>"]
    for place, section in enumerate(sections):
        body.append(f"<h2>{escape(section.heading)}</h2>")
        body += [f"<p>{html.prose(each)}</p>" for each in section.text]
        body += [html.table(each) for each in section.tables]
        if place == 0:
            body += [
                f"<figure>{f.svg}<figcaption>{escape(f.title)}</figcaption></figure>"
                for f in figures
            ]
    return html.document(title, body, STYLE + "figure { max-width: 34rem; }")


def _sections(
    out: Path, data: Path, outcomes: Sequence[Outcome], chosen: Sequence[str]
) -> list[Section]:
    text = (
        f"MIN and AVG are the least and the mean of each column of loss.out over its last {LAST} "
        "rows, each column on its own; in brackets the difference from the default. Training "
        "columns are of one batch: with several of them MIN picks the easier ones, and settings "
        "with other batches are judged on other frames. The columns `all` are errors over all "
        "frames with the last nep.txt; the best are chosen by those of the training frames."
    )
    tables = [table for name in UNITS if (table := _table(name, outcomes)).rows]
    best = ", ".join(chosen) or "none is better than the default"
    return [
        Section("Settings", [text, f"The best of each keyword: {best}."], tables),
        *_analysis(out, data, outcomes[-1]),
    ]


def _table(name: str, outcomes: Sequence[Outcome]) -> Table:
    """Errors of one quantity; no rows where there are none."""
    default = next(each for each in outcomes if each.trial.name == DEFAULT)
    columns = []
    for place, kind in ((PLACES[name], "train"), (3 + PLACES[name], "test")):
        for values, word in (("least", "MIN"), ("mean", "AVG"), ("whole", "all")):
            if getattr(default, values)[place]:
                columns.append((f"{kind} {word}", values, place))
    rows = []
    for outcome in outcomes if columns else ():
        cells = [_cell(getattr(outcome, v)[p], getattr(default, v)[p]) for _, v, p in columns]
        rows.append([outcome.trial.name, outcome.trial.value, *cells, f"{outcome.seconds:.0f}"])
    return Table([f"{name} ({UNITS[name]})", "value", *(c[0] for c in columns), "s"], rows)


def _cell(value: float, default: float) -> str:
    # With a space that breaks no line.
    share = f" ({100 * (value / default - 1):+.1f}\N{NO-BREAK SPACE}%)" if value != default else ""
    return f"{1e3 * value:.2f}{share}"


def _analysis(out: Path, data: Path, outcome: Outcome) -> list[Section]:
    directory = Directory(out / outcome.trial.name, data=data)
    model, train = directory.model(), directory.train
    header = [
        "block",
        "element",
        "numbers",
        "mean",
        "deviation",
        "|x| 5 %",
        "50 %",
        "95 %",
        "largest",
    ]
    numbers = Table([*header, f"|x| < {NEAR_ZERO}"], [])
    for each in blocks(model):
        values = (each.mean, each.deviation, *each.quantiles, each.largest)
        cells = [f"{value:.4f}" for value in values]
        share = f"{100 * each.near_zero:.1f} %"
        numbers.rows.append([each.name, each.element, str(each.count), *cells, share])
    found = influences(model, train.fingerprints(), train.numbers)[:SHOWN]
    matter = [[each.descriptor, each.element, f"{each.energy:.2f}"] for each in found]
    words = (
        "What moves energies most: the root mean square of dU/dq over atoms of an element, times "
        "the deviation of the descriptor q."
    )
    return [
        Section(f"Numbers of {outcome.trial.name}/nep.txt", [], [numbers]),
        Section("Descriptors", [words], [Table(["descriptor", "element", "meV"], matter)]),
    ]


def _figures(out: Path, outcomes: Sequence[Outcome]) -> list[Figure]:
    by_keyword: dict[str, list[Outcome]] = {}
    default = next(each for each in outcomes if each.trial.name == DEFAULT)
    for each in outcomes:
        if each.trial.keyword:
            by_keyword.setdefault(each.trial.keyword, [default]).append(each)
    figures = [
        falling(
            f"force_{keyword}",
            f"Force loss: {keyword}",
            _panels(out, own),
            "generation",
            "force RMSE (meV/Å)",
        )
        for keyword, own in by_keyword.items()
    ]
    points = {
        each.trial.name: (each.seconds, 1e3 * each.whole[1]) for each in outcomes if each.seconds
    }
    if points:
        words = ("seconds", "force RMSE, all training frames (meV/Å)")
        figures.append(costs("time", "Time against loss", points, *words))
    return figures


def _panels(out: Path, outcomes: Sequence[Outcome]) -> Mapping[str, Mapping[str, Line]]:
    panels: dict[str, dict[str, Line]] = {"train": {}, "test": {}}
    for outcome in outcomes:
        rows = read_losses(out / outcome.trial.name / "loss.out")
        at = np.array([each.generation for each in rows], float)
        for kind, panel in panels.items():
            values = 1e3 * np.array([getattr(each, f"{kind}_force") for each in rows])
            if values.any():
                panel[outcome.trial.name] = (at, values)
    return {kind: panel for kind, panel in panels.items() if panel}
