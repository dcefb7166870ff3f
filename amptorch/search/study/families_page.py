"""The report of families on the same folds: ``report.html``, ``.md``, ``.json`` and figures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ...files.whole import write_whole
from ...report import markdown
from ...report.figures.style import standalone
from ...report.figures.svg import Figure
from ...report.machine import describe
from ...report.sections import Section, Table
from ...report.units import QUANTITIES, Quantity, spread
from ...report.words import machine
from . import figures
from .families import Comparison, Measured
from .found import Found
from .page import front_figure, page
from .problem import told_of
from .training import mean_error

COSTS = ["force call (µs/atom)", "neighbours anew (µs/atom)", "training (s)"]
TOLD = (
    "Recipes of families on {} of {} folds of the frames, the same for all: errors are root mean "
    "squares on the frames of a fold, by potentials trained on the others, means and standard "
    "deviations over folds. A force call is one through ASE by one thread, the fastest, as in "
    "molecular dynamics, where neighbours within 0.5 Å beyond the cutoff are kept until atoms have "
    "moved; the next column has calls that look for neighbours anew each time. Training is from "
    "frames to the potential."
)


def write_families(comparison: Comparison) -> Path:
    """Write all files of a comparison with results to its folder; the page."""
    folder, about = comparison.problem.folder, describe()
    data = comparison.problem.data()
    name = f"Families of potentials: {data['name'] or folder.name}"
    rows = [
        {"fold": fold, "family": family, **asdict(outcome)}
        for (fold, family), outcome in comparison.results.items()
    ]
    failed = [{"fold": f, "family": n, "why": why} for (f, n), why in comparison.failures.items()]
    content = {"name": name, "data": data, "folds": [comparison.folds, comparison.problem.folds]}
    content.update(results=rows, failures=failed, machine=about)
    drawn = list(_figures(comparison))
    told = [told_of(data), machine(about)]
    sections = [*_sections(comparison), Section("Data and machine", told)]
    images = Section("Figures", images=[f"{each.name}.svg" for each in drawn])
    files = {f"{each.name}.svg": standalone(each.svg, figures.style()) for each in drawn}
    files["report.json"] = json.dumps(content, indent=1)
    files["report.md"] = markdown.page(name, [sections[0], images, *sections[1:]])
    files["report.html"] = page(name, sections, drawn)
    for file, text in files.items():
        write_whole(folder / file, text.encode)
    return folder / "report.html"


def _figures(comparison: Comparison) -> Iterator[Figure]:
    """Errors against costs, a dot a fold: of both, of energies, of forces."""
    done = [
        Found(k, "complete", family, {}, {}, outcome.errors, outcome.cost)
        for k, ((_, family), outcome) in enumerate(comparison.results.items())
    ]
    for what in figures.FRONTS:
        if all(what in ("error", *each.errors) for each in done):
            yield front_figure(done, list(_known(comparison)), what)


def _known(comparison: Comparison) -> dict[str, list[Measured]]:
    """Results by family, without families that have none."""
    found = {family: list(comparison.of(family).values()) for family in comparison.families}
    return {family: each for family, each in found.items() if each}


def _sections(comparison: Comparison) -> Iterator[Section]:
    known = _known(comparison)
    columns = [
        q for q in QUANTITIES if any(q.name in o.errors for own in known.values() for o in own)
    ]
    header = [f"{each.short} ({each.unit})" for each in columns]
    ranked = sorted(known, key=lambda name: np.mean([mean_error(o.errors) for o in known[name]]))
    rows = [[family, *_row(known[family], columns)] for family in ranked]
    more = [*COSTS, "parameters", "features", "folds"]
    told = TOLD.format(comparison.folds, comparison.problem.folds)
    text = [_verdict(known, columns), told]
    yield Section("", text, [Table(["family", *header, *more], rows)])
    if comparison.failures:
        failed = [[str(fold), name, why] for (fold, name), why in comparison.failures.items()]
        yield Section("What failed", tables=[Table(["fold", "family", "why"], failed)])
    rows = [
        [family, f"[{fold}]({comparison.place(fold, family)}/config.yaml)", *_row([one], columns)]
        for family in ranked
        for fold, one in comparison.of(family).items()
    ]
    table = Table(["family", "fold", *header, *more[:-1]], [row[:-1] for row in rows])
    yield Section("Folds", tables=[table])


def _row(found: Sequence[Measured], columns: Sequence[Quantity]) -> Iterator[str]:
    for each in columns:
        yield _errors(found, each)
    yield f"{np.median([each.cost for each in found]):.3g}"
    yield f"{np.median([each.anew for each in found]):.3g}"
    yield f"{np.mean([each.seconds for each in found]):.1f}"
    yield str(found[0].parameters)
    yield str(found[0].features)
    yield str(len(found))


def _errors(found: Sequence[Measured], of: Quantity) -> str:
    return spread([each.errors[of.name] for each in found if of.name in each.errors], of.factor)


def _verdict(known: Mapping[str, Sequence[Measured]], columns: Sequence[Quantity]) -> str:
    """Who is the best at what."""
    parts = []
    for each in columns:
        own = {
            n: [o.errors[each.name] for o in f if each.name in o.errors] for n, f in known.items()
        }
        means = {name: float(np.mean(errors)) for name, errors in own.items() if errors}
        best = min(means, key=means.__getitem__)
        parts.append(f"{each.short} errors: {best}, {_errors(known[best], each)} {each.unit}")
    costs = {name: float(np.median([o.cost for o in found])) for name, found in known.items()}
    best = min(costs, key=costs.__getitem__)
    return f"Least {'; '.join(parts)}; cost of a force call: {best}, {costs[best]:.3g} µs/atom."
