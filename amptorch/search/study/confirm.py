"""What was found, trained again with several seeds, and judged by frames that chose nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ase import Atoms

from ...files.config_text import CONFIG_TEXT
from ...files.whole import write_whole
from ...potentials.loading import load
from . import side_by_side
from .problem import Problem
from .space import Drawn
from .training import Outcome, Task, errors_of
from .turn import held

FOLDER = "confirmed"
# Where there is time, so many times the epochs that a recipe asks for; then training ends in time.
LONGER = 2


@dataclass(frozen=True)
class Confirmation:
    """Trainings of one configuration.

    Attributes:
        trial: whose it is.
        unseen: whether the frames that judge had no part in the search; else those of its first
            fold judge.
        frames: that judge.
        outcomes: by seed.
        together: errors of the mean of all of them, see :class:`.training.Outcome`.
    """

    trial: int
    unseen: bool
    frames: int
    outcomes: dict[str, Outcome]
    together: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Confirming:
    """Trainings that are to confirm a configuration.

    With all frames of the search where there are others to judge by. What was trained before in the
    same folder is not trained again.

    Attributes:
        problem: of the search.
        drawn, trial: the configuration, and its number.
        test: frames that the search never saw, or none.
        seeds: how many.
        until: of ``time.time()``, by which all are to end; fits by gradients then have up to
            ``LONGER`` times the epochs of their recipe, unless the space says how many.
        workers: processes that share them.
        dask: cluster whose they are, see :func:`.side_by_side.run`.
    """

    problem: Problem
    drawn: Drawn
    trial: int
    test: Sequence[Atoms]
    seeds: int
    until: float | None = None
    workers: int = 1
    dask: str | None = None

    def run(self) -> Confirmation:
        """Train all, and judge."""
        with held(self.problem.folder / "confirm.lock"):
            number = min(self.workers, self.seeds)
            if number > 1 or self.dask is not None:
                side_by_side.run(self._part, number, dask=self.dask)
            self._part(0, 1)  # what is left, of a process that failed
        found = {self._folder(seed): self._known(seed) for seed in range(self.seeds)}
        outcomes = {folder.name: each for folder, each in found.items() if each is not None}
        mean = errors_of([load(folder) for folder in found], self._frames()[1])
        return Confirmation(outcomes=outcomes, together=mean, **self._head())

    def _part(self, worker: int, workers: int | None = None) -> None:
        """The share of a worker."""
        left = [
            seed
            for seed in range(worker, self.seeds, workers or self.workers)
            if not self._known(seed)
        ]
        for place, seed in enumerate(left):
            limit = None
            if self.until is not None:
                limit = max(self.until - time.time(), 1.0) / (len(left) - place)
            self._train(seed, limit)

    def _train(self, seed: int, limit: float | None) -> None:
        place = self._folder(seed)
        config = self.problem.shared(self.drawn)
        says = self.problem.space.says(self.drawn.family, "optim", "epochs")
        if limit is not None and "epochs" in config["optim"] and not says:
            config["optim"]["epochs"] *= LONGER
        task = Task(config, *self._frames(), place, self.problem.folder, limit, seed, hard=False)
        known = {"head": self._head(), "outcome": asdict(task.run())}
        self.problem.write_config(replace(self.drawn, config=config), place / CONFIG_TEXT)
        text = json.dumps(known, indent=1)
        write_whole(place.with_suffix(".json"), text.encode)

    def _frames(self) -> tuple[list[Atoms], list[Atoms]]:
        """To train on, and that judge."""
        if self.test:
            return list(self.problem.images), list(self.test)
        return self.problem.parts(0)

    def _folder(self, seed: int) -> Path:
        return self.problem.folder / FOLDER / f"seed-{seed}"

    def _head(self) -> dict[str, Any]:
        judge = self._frames()[1]
        return {"trial": self.trial, "unseen": bool(self.test), "frames": len(judge)}

    def _known(self, seed: int) -> Outcome | None:
        """What became of a training before."""
        file = self._folder(seed).with_suffix(".json")
        known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        return Outcome(**known["outcome"]) if known.get("head") == self._head() else None
