"""The report of a study: one page, ``report.json``, and the chosen functions as a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ..files.config_text import config_text
from ..files.whole import write_whole
from ..report import markdown
from ..report.figures.style import STYLE, standalone
from ..report.figures.svg import Figure
from ..report.html import GRID, document, grid, prose, table
from ..report.sections import Section, Table
from ..report.units import spread
from ..report.words import machine
from . import figures
from .curves import curves
from .pool import Pool

Report = Mapping[str, Any]
SETTINGS = "chosen.yaml"


def write(out: Path, report: Report, pool: Pool) -> str:
    """Write ``report.html``, ``report.md``, its figures, ``report.json``, and ``chosen.yaml`` where
    the descriptor can be told which functions to have.

    Returns:
        The verdict and its table as text.
    """
    drawn = _figures(report, pool)
    sections = _sections(report)
    images = [f"{each.name}.svg" for each in drawn]
    text = markdown.page(report["name"], [*sections, Section("Figures", images=images)])
    files = {f"{each.name}.svg": standalone(each.svg) for each in drawn}
    files["report.md"] = text
    files["report.html"] = _page(report["name"], sections, drawn)
    files["report.json"] = json.dumps(report, indent=1) + "\n"
    if report["fp_params"] is not None:
        files[SETTINGS] = config_text({"dataset": report["fp_params"]})
    for name, content in files.items():
        write_whole(out / name, content.encode, "--out: ")
    lines = [*sections[0].text, markdown.table(sections[1].tables[0])]
    if report["fp_params"] is not None:
        lines.append(f"to train with it: amptorch train {out / SETTINGS} DATA")
    return "\n".join(lines)


def _figures(report: Report, pool: Pool) -> list[Figure]:
    made = [figures.against_size(report, method) for method in report["methods"]]
    made.append(figures.kept(report))
    found = curves(pool)
    if found is not None:
        made += figures.functions(found, report["chosen"]["kept"])
    return made


def _page(title: str, sections: Sequence[Section], drawn: Sequence[Figure]) -> str:
    body = [f"<h1>{escape(title)}</h1>"]
    rows = {"Methods": "methods", "Functions": "functions"}
    for section in sections:
        body += [f"<h2>{escape(section.heading)}</h2>"] if section.heading else []
        body += [f"<p>{prose(each)}</p>" for each in section.text]
        body += [table(each) for each in section.tables]
        body += grid([each for each in drawn if each.row == rows.get(section.heading)])
    return document(title, body, STYLE + GRID)


def _sections(report: Report) -> list[Section]:
    return [
        Section("", [_verdict(report), _frames(report), *_worse(report)]),
        Section("Methods", [_explained(report)], [_methods(report)]),
        Section("All sets", tables=[_sets(report)]),
        *_noise(report),
        Section("Functions", tables=[_functions(report)]),
        Section("Cost", [_cost(report)]),
        Section("Machine", [machine(report["machine"])]),
    ]


def _verdict(report: Report) -> str:
    chosen, pool = report["chosen"], report["pool"]
    judged = "worse than" if chosen["worse"] else "not worse than"
    return (
        f"{chosen['size']} of {pool['size']} functions, chosen by {chosen['method']}: "
        f"{_error(chosen)} on test frames, {judged} the pool's {_error(pool)} "
        f"(p = {chosen['p']:.2g})."
    )


def _frames(report: Report) -> str:
    data = report["data"]
    parts = ", ".join(f"{number} {kind}" for kind, number in data["frames"].items())
    return f"Frames: {parts}; {data['atoms']} atoms of {', '.join(data['elements'])} in all."


def _worse(report: Report) -> Iterator[str]:
    names = [name for name, own in report["methods"].items() if own["best"]["worse"]]
    if names:
        yield f"Methods whose best set is worse than the pool: {', '.join(names)}."
    else:
        yield "No method's best set is worse than the pool."


def _explained(report: Report) -> str:
    seeds = report["settings"]["seeds"]
    return (
        f"The best set of each method of at most {report['settings']['keep']} functions, by the "
        f"loss on validation frames. Errors are root mean squares on test frames, means and "
        f"standard deviations over {seeds} networks of different first weights. p is that of "
        "Welch's t-test against the pool, one-sided, twice the smaller one of energies and forces; "
        f"under {report['level']} a set is worse."
    )


def _methods(report: Report) -> Table:
    seconds = report["spent"]["methods"]
    rows = [_row(report, "all functions", report["pool"], report["pool"]["cost"], None)]
    for name, own in report["methods"].items():
        rows.append(_row(report, name, own["best"], own["cost"], seconds.get(name)))
    return Table([*_header(report), "µs/atom", "seconds to choose"], rows)


def _header(report: Report) -> list[str]:
    forces = ["force (eV/Å)"] if _with_forces(report) else []
    return ["method", "functions", "energy (meV/atom)", *forces, "p", "worse"]


def _row(
    report: Report, name: str, own: Report, cost: float | None, seconds: float | None
) -> list[str]:
    told = ["" if value is None else f"{value:.1f}" for value in (cost, seconds)]
    return [*_cells(report, name, own), *told]


def _cells(report: Report, name: str, own: Report) -> list[str]:
    errors = [spread(own["test"]["energy"], 1000.0)]
    errors += [spread(own["test"]["force"], 1.0)] if _with_forces(report) else []
    judged = ["", ""] if own is report["pool"] else [f"{own['p']:.2g}", "yes" * own["worse"]]
    return [name, str(own["size"]), *errors, *judged]


def _sets(report: Report) -> Table:
    rows = [
        _cells(report, name, each)
        for name, own in report["methods"].items()
        for each in own["sets"]
    ]
    return Table(_header(report), rows)


def _with_forces(report: Report) -> bool:
    return any(report["pool"]["test"]["force"])


def _error(own: Report) -> str:
    errors = own["test"]
    told = f"{spread(errors['energy'], 1000.0)} meV/atom"
    return f"{told}, {spread(errors['force'], 1.0)} eV/Å" if any(errors["force"]) else told


def _noise(report: Report) -> Iterator[Section]:
    if not report["noise"]:
        return
    first = len(report["functions"]) - report["noise"]
    rows = [
        [name, str(sum(place >= first for place in own["best"]["kept"]))]
        for name, own in report["methods"].items()
    ]
    text = (
        f"Methods chose from {report['noise']} functions of random numbers besides; the networks "
        "on all functions do not see these."
    )
    yield Section("Noise", [text], [Table(["method", "noise in the best set"], rows)])


def _functions(report: Report) -> Table:
    methods = report["methods"].values()
    counts = [
        sum(place in own["best"]["kept"] for own in methods)
        for place in range(len(report["functions"]))
    ]
    rows = [
        [report["functions"][place], f"{counts[place]} of {len(methods)}"]
        for place in report["chosen"]["kept"]
    ]
    return Table(["chosen function", "in the best sets of methods"], rows)


def _cost(report: Report) -> str:
    spent = report["spent"]
    return (
        f"Samples take {spent['memory'] / 2**20:.0f} MiB: fingerprints of all atoms, and slopes "
        f"for {report['settings']['force_atoms']} atoms of each frame; their one pass took "
        f"{spent['fingerprints']:.0f} s (0 where they were there). µs/atom: fingerprints and dE/dR "
        "of one frame, without neighbours and networks, the least of three."
    )
