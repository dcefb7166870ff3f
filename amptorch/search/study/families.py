"""Families with their recipes on the same folds: errors, seconds and cost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ...files.whole import write_whole
from ...report import markdown
from ...report.machine import describe
from ...report.sections import Section, Table
from ..journal import Journal, Trial
from .found import Found
from .page import front_figure, page
from .problem import Problem
from .training import Outcome

JOURNAL = "journal.jsonl"
Results = dict[tuple[int, str], Outcome]
"""By fold and family."""


class Comparison:
    """Trainings of all families, fold after fold.

    Args:
        problem: whose space has the families, and whose ``folds`` are the parts of the frames.
        show: print a line a training.

    Raises:
        ValueError: the folder has another comparison.
    """

    def __init__(self, problem: Problem, show: bool = True) -> None:
        self.problem, self._show = problem, show
        self.families = list(problem.space.bases)
        self.results: Results = {}
        self.failures: dict[tuple[int, str], str] = {}
        about = {**problem.about(), "families": self.families}
        self._journal = Journal(problem.folder / JOURNAL, about)

    def run(self, until: float, limit: float | None) -> None:
        """All folds that there is time for, as the longest so far took.

        Args:
            until: of ``time.time()``.
            limit: seconds of each training.
        """
        longest = 0.0
        for fold in range(self.problem.folds):
            if fold and time.time() + longest > until:
                break
            begun = time.time()
            for family in self.families:
                self._take(fold, family, limit)
            longest = max(longest, time.time() - begun)

    def _take(self, fold: int, family: str, limit: float | None) -> None:
        place = fold * len(self.families) + self.families.index(family)
        values = {"fold": float(fold), "family": float(self.families.index(family))}
        trial = self._journal.find(place, values)
        if trial is None:
            trial = self._try(place, values, family, limit)
            self._journal.add(trial)
        if trial.error:
            self.failures[fold, family] = trial.error
        else:
            self.results[fold, family] = Outcome(**trial.details)

    def _try(self, place: int, values: dict[str, float], family: str, limit: float | None) -> Trial:
        fold, begun = int(values["fold"]), time.monotonic()
        drawn = self.problem.space.configured(family, {})
        try:
            found = self.problem.train(drawn, fold, self._folder(fold, family), limit)
            score, details, error = found.error, asdict(found), ""
        except (ValueError, ArithmeticError, RuntimeError) as failure:
            score, details, error = float("inf"), {}, str(failure)
        if self._show:
            print(f"fold {fold}, {family}: {error or found.told()}", flush=True)
        return Trial(place, values, score, details, round(time.monotonic() - begun, 3), error)

    def _folder(self, fold: int, family: str) -> Path:
        return self.problem.folder / family / f"fold-{fold}"

    @property
    def folds(self) -> int:
        """Folds that all families have been tried on."""
        return 1 + max(fold for fold, _ in [*self.results, *self.failures])

    def of(self, family: str) -> list[Outcome]:
        """A family's results."""
        return [outcome for (_, name), outcome in self.results.items() if name == family]

    def write(self, name: str) -> Path:
        """Write ``report.html``, ``report.md`` and ``report.json``; the first.

        Raises:
            ValueError: no training came to its end.
        """
        if not self.results:
            raise ValueError(f"compare-families: no training succeeded: {self.failures}")
        folder, sections = self.problem.folder, self._sections()
        rows = [
            {"fold": fold, "family": family, **asdict(outcome)}
            for (fold, family), outcome in self.results.items()
        ]
        failed = [{"fold": k[0], "family": k[1], "why": why} for k, why in self.failures.items()]
        content = {"name": name, "results": rows, "failures": failed, "machine": describe()}
        write_whole(folder / "report.json", json.dumps(content, indent=1).encode)
        write_whole(folder / "report.md", markdown.page(name, sections).encode)
        done = [
            Found(k, "complete", family, {}, {}, outcome.errors, outcome.cost)
            for k, ((_, family), outcome) in enumerate(self.results.items())
        ]
        families = [family for family in self.families if self.of(family)]
        drawn = [front_figure(done, families)]
        write_whole(folder / "report.html", page(name, sections, drawn).encode)
        return folder / "report.html"

    def _sections(self) -> list[Section]:
        told = (
            f"Recipes of families on {self.folds} of {self.problem.folds} folds, the same for all: "
            "errors are root mean squares on the frames of a fold, by potentials trained on the "
            "others, with their deviations over folds; a cost is the time of the fastest force "
            "calls by one thread."
        )
        header = ["family", "energy (meV/atom)", "forces (eV/Å)", "µs an atom", "seconds"]
        rows = [list(self._row(family)) for family in self.families if self.of(family)]
        sections = [Section("", [told], [Table([*header, "parameters", "folds"], rows)])]
        if self.failures:
            failed = [[str(k[0]), k[1], why] for k, why in self.failures.items()]
            sections.append(
                Section("What failed", tables=[Table(["fold", "family", "why"], failed)])
            )
        return sections

    def _row(self, family: str) -> Iterator[str]:
        found = self.of(family)
        yield family
        yield _spread([1000.0 * each.errors["energy"] for each in found])
        yield _spread([each.errors["forces"] for each in found if "forces" in each.errors])
        yield f"{np.median([each.cost for each in found]):.3g}"
        yield f"{np.mean([each.seconds for each in found]):.1f}"
        yield str(found[0].parameters)
        yield str(len(found))


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    spread = f" ± {np.std(values):.2g}" if len(values) > 1 else ""
    return f"{np.mean(values):.4g}{spread}"
