"""The report of a search: ``report.html``, ``report.md`` and ``report.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ...files.whole import write_whole
from ...report import markdown
from ...report.figures.style import STYLE
from ...report.figures.svg import Figure
from ...report.html import GRID, document, grid, prose, table
from ...report.machine import describe
from ...report.sections import Section, Table
from ...report.units import QUANTITIES, spread
from ...report.words import machine
from . import figures
from .confirm import Confirmation
from .found import Found, front_of, written
from .problem import told_of

MOST = 20  # rows of the table of the best


@dataclass(frozen=True)
class Content:
    """What a report is of.

    Attributes:
        name: its title.
        objectives: of the search.
        trials: all of them.
        families: in order.
        best: what was chosen.
        importance: by family and place.
        about: "data", see :meth:`.problem.Problem.data`, and "settings", how the search was done.
        confirmed: the choice, trained again, or None.
    """

    name: str
    objectives: Sequence[str]
    trials: Sequence[Found]
    families: Sequence[str]
    best: Found
    importance: Mapping[str, Mapping[str, float]]
    about: Mapping[str, Mapping[str, Any]]
    confirmed: Confirmation | None = None

    @property
    def complete(self) -> list[Found]:
        """Trials that came to their end."""
        return [trial for trial in self.trials if trial.scores]

    def to_json(self) -> dict[str, Any]:
        """All of it: energies in eV/atom, forces in eV/Å, costs in µs an atom."""
        return {
            "name": self.name,
            "objectives": list(self.objectives),
            "best": self.best.number,
            "front": [trial.number for trial in front_of(self.trials)],
            "trials": [trial.to_json() for trial in self.trials],
            "importance": self.importance,
            "confirmed": None if self.confirmed is None else self.confirmed.to_json(),
            **self.about,
            "machine": describe(("optuna",)),
        }

    def sections(self) -> list[Section]:
        """What it says in words and tables."""
        found = [
            Section("", [self._told(), _choice(self.best)]),
            Section("Confirmed", *_confirmed(self.confirmed)),
            Section("The front", tables=[_rows(front_of(self.trials))]),
            Section("The best", tables=[_rows(sorted(self.complete, key=_first)[:MOST])]),
        ]
        failed = [[str(t.number), t.family, t.failure] for t in self.trials if t.failure]
        if failed:
            found.append(Section("What failed", tables=[Table(["trial", "family", "why"], failed)]))
        found.append(Section("Data, settings and machine", self._about()))
        return [each for each in found if each.text or each.tables]

    def _about(self) -> list[str]:
        given = {n: v for n, v in self.about["settings"].items() if v is not None}
        settings = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in given.items())
        return [told_of(self.about["data"]), f"{settings}.", machine(describe(("optuna",)))]

    def _told(self) -> str:
        states = [trial.state for trial in self.trials]
        parts = [
            f"{states.count(state)} {words}"
            for state, words in (
                ("complete", "came to their end"),
                ("pruned", "were ended early"),
                ("failed", "failed"),
                ("lost", "were lost with their process and tried again"),
                ("running", "are running"),
            )
            if state in states
        ]
        return (
            f"{len(states)} trials: {', '.join(parts)}. Made small: {', '.join(self.objectives)}. "
            "Errors are root mean squares on frames of the search that the trial did not train "
            "on; a cost is the time of the fastest force calls by one thread."
        )


def write_search(content: Content, folder: Path) -> Path:
    """Write the three files to a folder; the page."""
    sections = content.sections()
    text = json.dumps(content.to_json(), indent=1, allow_nan=False)
    write_whole(folder / "report.json", text.encode)
    write_whole(folder / "report.md", markdown.page(content.name, sections).encode)
    path = folder / "report.html"
    write_whole(path, page(content.name, sections, list(figures_of(content))).encode)
    return path


def page(name: str, sections: Sequence[Section], drawn: Sequence[Figure]) -> str:
    """The page: words first, figures by row behind the first section."""
    body = [f"<h1>{escape(name)}</h1>"]
    for place, section in enumerate(sections):
        if section.heading:
            body.append(f"<h2>{escape(section.heading)}</h2>")
        body += [f"<p>{prose(each)}</p>" for each in section.text]
        body += [table(each) for each in section.tables]
        if place == 0:
            body += grid([each for each in drawn if each.row == "front"])
    for row in dict.fromkeys(each.row for each in drawn if each.row != "front"):
        body.append(f"<h2>{escape(row)}</h2>")
        body += grid([each for each in drawn if each.row == row])
    return document(name, body, STYLE + GRID + figures.style())


def figures_of(content: Content) -> Iterator[Figure]:
    """All figures."""
    done, look = content.complete, figures.looks(content.families)
    yield front_figure(done, content.families)
    yield figures.history(done, content.families)
    for family in content.families:
        own = [trial for trial in done if trial.family == family]
        if family in content.importance:
            yield figures.importances(family, content.importance[family], look[family])
        if len(own) > 1:
            across = figures.parallel(family, own, look[family])
            yield from [] if across is None else [across]
            yield from figures.slices(family, own, look[family])


def front_figure(done: Sequence[Found], families: Sequence[str], what: str = "error") -> Figure:
    """Errors, of a kind in :data:`.figures.FRONTS`, and costs by family."""
    of = {family: [t for t in done if t.family == family] for family in families}
    points = {family: _columns(own, what) for family, own in of.items()}
    best, line = float("inf"), []
    for trial in sorted(done, key=lambda trial: (trial.cost, _shown(trial, what))):
        if _shown(trial, what) < best:
            best = _shown(trial, what)
            line.append(trial)
    return figures.pareto(points, _columns(line, what), what)


def _shown(trial: Found, what: str) -> float:
    """As it is read."""
    factors = {str(each.name): each.factor for each in QUANTITIES}
    return trial.error if what == "error" else factors[what] * trial.errors[what]


def _columns(trials: Sequence[Found], what: str) -> tuple[Any, Any]:
    return np.array([t.cost for t in trials]), np.array([_shown(t, what) for t in trials])


def _first(trial: Found) -> float:
    return next(iter(trial.scores.values()))


def _choice(best: Found) -> str:
    values = ", ".join(f"`{name}` {written(value)}" for name, value in best.values.items())
    return (
        f"The best is trial {best.number}, {best.family}: {_errors(best.errors)}, "
        f"{best.cost:.3g} µs an atom. {values}. [config.yaml](config.yaml) trains with it, "
        f"[{_place(best)}]({_place(best)}) is its potential."
    )


def _place(trial: Found) -> str:
    return f"trials/{trial.number:04d}"


def _errors(errors: Mapping[str, float]) -> str:
    text = f"{1000 * errors['energy']:.4g} meV/atom"
    return text + (f", {errors['forces']:.4g} eV/Å" if "forces" in errors else "")


def cells_of(errors: Mapping[str, float]) -> list[str]:
    """Errors of energies in meV/atom, and of forces in eV/Å where there are any."""
    forces = errors.get("forces")
    return [f"{1000 * errors['energy']:.4g}", "" if forces is None else f"{forces:.4g}"]


def _rows(trials: Sequence[Found]) -> Table:
    header = ["trial", "family", "energy (meV/atom)", "forces (eV/Å)", "µs an atom"]
    header += ["seconds", "parameters", "values"]
    rows = [
        [
            f"[{trial.number}]({_place(trial)}/config.yaml)",
            trial.family,
            *cells_of(trial.errors),
            f"{trial.cost:.3g}",
            f"{trial.seconds:.1f}",
            str(trial.parameters),
            ", ".join(f"{figures.short(n)} {written(v)}" for n, v in trial.values.items()),
        ]
        for trial in trials
    ]
    return Table(header, rows)


def _confirmed(found: Confirmation | None) -> tuple[list[str], list[Table]]:
    if found is None:
        return [], []
    where = "that the search never saw" if found.unseen else "of the search, which chose it"
    told = f"Trial {found.trial}, trained again, and judged by {found.frames} frames {where}:"
    rows = []
    for name, outcome in found.outcomes.items():
        rows.append([f"[{name}](confirmed/{name})", *cells_of(outcome.errors)])
        rows[-1] += [f"{outcome.cost:.3g}", f"{outcome.seconds:.1f}"]
    errors = [each.errors for each in found.outcomes.values()]
    energies = spread([each["energy"] for each in errors], 1000.0)
    forces = spread([each["forces"] for each in errors if "forces" in each])
    rows.append(["errors: mean ± deviation", energies, forces, "", ""])
    if len(errors) > 1:
        cost = sum(each.cost for each in found.outcomes.values())
        both = cells_of(found.together)
        rows.append(["[committee](confirmed): their mean", *both, f"{cost:.3g}", ""])
    header = ["", "energy (meV/atom)", "forces (eV/Å)", "µs an atom", "seconds"]
    return [told], [Table(header, rows)]
