"""Families with their recipes on the same folds: errors, seconds and cost."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...files.journal import Lines
from ...potentials.loading import load
from .cost import microseconds_an_atom
from .problem import Problem
from .training import Outcome

JOURNAL = "journal.jsonl"
Key = tuple[int, str]
"""Fold and family."""


@dataclass(frozen=True)
class Measured(Outcome):
    """What became of a training, with what is measured for comparison alone.

    Attributes:
        anew: cost of a force call that looks for neighbours anew, µs an atom.
    """

    anew: float

    def told(self) -> str:
        return f"{super().told()}, {self.anew:.3g} µs/atom with neighbours anew"


class Comparison:
    """Trainings of all families, fold after fold. A new one in the same folder knows them, and
    those that failed are tried again.

    Args:
        problem: whose space has the families, and whose ``folds`` are the parts of the frames.
        show: print a line a training.

    Attributes:
        results, failures: what became of trainings, and why they failed, by fold and family.

    Raises:
        ValueError: the folder has another comparison.
    """

    def __init__(self, problem: Problem, show: bool = True) -> None:
        self.problem, self._show = problem, show
        self.families = list(problem.space.bases)
        self.results: dict[Key, Measured] = {}
        self.failures: dict[Key, str] = {}
        self._spent: dict[Key, float] = {}
        about = {**problem.about(), "families": self.families}
        otherwise = "families, configurations or number of folds"
        path = problem.folder / JOURNAL
        self._lines = Lines(path, about, "compare-families", "comparison", otherwise)
        for row in self._lines.rows:
            self._note(row)

    def run(self, until: float, limit: float | None) -> Iterator[None]:
        """All folds that there is time for, as the longest so far took; stops after each training
        as soon as there are results, and at the end.

        Args:
            until: of ``time.time()``.
            limit: seconds of each training.

        Raises:
            ValueError: no training came to its end.
        """
        for fold in range(self.problem.folds):
            if fold and time.time() + self._longest(fold) > until:
                break
            for family in self.families:
                if (fold, family) not in self.results:
                    self._take(fold, family, limit)
                    yield from [None] * bool(self.results)
        if not self.results:
            raise ValueError(f"compare-families: no training succeeded: {self.failures}")
        yield

    def _longest(self, fold: int) -> float:
        """Seconds of the longest fold before this one."""
        return max(
            sum(self._spent[before, family] for family in self.families) for before in range(fold)
        )

    def _take(self, fold: int, family: str, limit: float | None) -> None:
        begun, row = time.monotonic(), {"fold": fold, "family": family}
        try:
            found = self._measured(fold, family, limit)
            row.update(outcome=asdict(found), failure="")
            told = found.told()
        except Exception as failure:  # whatever it is, the other families go on
            told = f"{type(failure).__name__}: {failure}"
            row.update(outcome={}, failure=told)
        row["seconds"] = round(time.monotonic() - begun, 3)
        if self._show:
            print(f"fold {fold}, {family}: {told}", flush=True)
        self._note(row)
        self._lines.add(row)

    def _measured(self, fold: int, family: str, limit: float | None) -> Measured:
        place = self.place(fold, family)
        outcome = self.problem.train(
            self.problem.space.configured(family, {}), fold, self.problem.folder / place, limit
        )
        judge = self.problem.parts(fold)[1]
        anew = microseconds_an_atom(load(self.problem.folder / place), judge, skin=0.0)
        return Measured(**asdict(outcome), anew=anew)

    def _note(self, row: Mapping[str, Any]) -> None:
        key = row["fold"], row["family"]
        self._spent[key] = row["seconds"]
        if row["failure"]:
            self.failures[key] = row["failure"]
        else:
            self.failures.pop(key, None)
            self.results[key] = Measured(**row["outcome"])

    def place(self, fold: int, family: str) -> Path:
        """Where a potential is, from the folder on."""
        return Path(family) / f"fold-{fold}"

    @property
    def folds(self) -> int:
        """Folds that were begun."""
        return 1 + max(fold for fold, _ in self._spent)

    def of(self, family: str) -> dict[int, Measured]:
        """A family's results by fold."""
        return {fold: each for (fold, name), each in self.results.items() if name == family}
