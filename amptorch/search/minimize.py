"""The search: points all over, then Powell's derivative-free method from the best of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from tqdm import tqdm

from .journal import Journal, Trial
from .space import Array, Parameter, Values, spread, values_of

# Steps to either side of the start within which points lie all over.
WIDTH = 2.0
# First and last radius of Powell's method, in steps.
RADII = (0.5, 0.02)

Objective = Callable[[Values], tuple[float, dict[str, Any]]]
"""From values to what is made small, and details for the journal."""


class _Enough(Exception):
    """The end of trials, of time, or Ctrl-C."""


@dataclass
class Search:
    """A search, trial by trial.

    Attributes:
        parameters: what is searched.
        objective: raises a ``ValueError`` or ``ArithmeticError`` for values that cannot be.
        trials: at most.
        everywhere: the first ones of them, at points all over.
        journal: of trials.
        until: of ``time.monotonic()``, after which no trial is begun but the first.
        show: show a progress bar.
    """

    parameters: Sequence[Parameter]
    objective: Objective
    trials: int = 100
    everywhere: int = 30
    journal: Journal = field(default_factory=Journal)
    until: float = math.inf
    show: bool = False

    def __post_init__(self) -> None:
        self.done: list[Trial] = []
        self.interrupted = False
        self._steps: list[Array] = []
        self._longest = 0.0

    @property
    def best(self) -> Trial:
        """The trial of the smallest score.

        Raises:
            ValueError: none was, or all of them failed.
        """
        good = [trial for trial in self.done if math.isfinite(trial.score)]
        if not good:
            why = f", the last: {self.done[-1].error}" if self.done else ""
            raise ValueError(f"search: no trial of {len(self.done)} succeeded{why}")
        return min(good, key=lambda trial: trial.score)

    def run(self) -> Trial:
        """All trials that there is time for; the best.

        Ctrl-C ends the search, where there is a best by then, and sets ``interrupted``.

        Raises:
            KeyboardInterrupt: before there is.
        """
        with tqdm(total=self.trials, desc="search", unit=" fits", disable=not self.show) as bar:
            self._bar = bar
            try:
                self._all_over()
                self._powell()
            except _Enough:
                pass
            except KeyboardInterrupt:
                if not any(math.isfinite(trial.score) for trial in self.done):
                    raise
                self.interrupted = True
        return self.best

    def _all_over(self) -> None:
        number = min(self.everywhere, self.trials) if self.parameters else 1
        for steps in islice(spread(self.parameters, WIDTH), number):
            self._score(steps)

    def _powell(self) -> None:
        """COBYQA, T. M. Ragonneau, PhD thesis, Hong Kong Polytechnic University (2022), as scipy
        has it: models of second degree that interpolate, in the spirit of M. J. D. Powell's."""
        from scipy.optimize import minimize

        if not self.parameters:
            return
        start = self._steps[self.done.index(self.best)]
        minimize(
            self._score,
            start,
            method="COBYQA",
            bounds=[each.bounds for each in self.parameters],
            options={
                "maxfev": max(self.trials, 1),
                "initial_tr_radius": RADII[0],
                "final_tr_radius": RADII[1],
            },
        )

    def _score(self, steps: Array) -> float:
        """The logarithm of the score, which the method may take for finite."""
        number = len(self.done)
        values = values_of(self.parameters, steps)
        for before in self.done:
            if before.values == values:
                return self._logarithm(before)
        trial = self.journal.find(number, values)
        if trial is None:
            if number >= self.trials or (number and self._late()):
                raise _Enough
            trial = self._try(number, values)
            self.journal.add(trial)
        self.done.append(trial)
        self._steps.append(np.array(steps, float))
        self._tell()
        return self._logarithm(trial)

    def _logarithm(self, trial: Trial) -> float:
        worst = max((t.score for t in self.done if math.isfinite(t.score)), default=1.0)
        return math.log(trial.score if math.isfinite(trial.score) else 3 * worst)

    def _late(self) -> bool:
        return time.monotonic() + self._longest > self.until

    def _try(self, number: int, values: Values) -> Trial:
        begun = time.monotonic()
        try:
            score, details = self.objective(values)
            error = "" if math.isfinite(score) else "the score is not finite"
        except (ValueError, ArithmeticError) as failure:
            score, details, error = math.inf, {}, str(failure)
        seconds = time.monotonic() - begun
        self._longest = max(self._longest, seconds)
        return Trial(number, values, score, details, round(seconds, 3), error)

    def _tell(self) -> None:
        self._bar.update()
        if any(math.isfinite(trial.score) for trial in self.done):
            best = self.best
            errors = best.details.get("errors", {})
            told = {name: f"{value:.4g}" for name, value in errors.items()}
            self._bar.set_postfix({"best": best.number, **told})
