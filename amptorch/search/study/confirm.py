"""What was found, trained again with several seeds, and judged by frames that chose nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ase import Atoms

from ...files.whole import write_whole
from .problem import Problem
from .space import Drawn
from .training import Outcome, Task
from .turn import held

FOLDER = "confirmed"


@dataclass(frozen=True)
class Confirmation:
    """Trainings of one configuration.

    Attributes:
        trial: whose it is.
        unseen: whether the frames that judge had no part in the search; else those of its first
            fold judge.
        frames: that judge.
        outcomes: by seed.
    """

    trial: int
    unseen: bool
    frames: int
    outcomes: dict[str, Outcome]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def confirm(
    problem: Problem,
    drawn: Drawn,
    trial: int,
    test: Sequence[Atoms],
    seeds: int,
    limit: float | None = None,
) -> Confirmation:
    """Train again, with all frames of the search where there are others to judge by.

    What was trained before in the same folder is not trained again.

    Args:
        problem: of the search.
        drawn, trial: the configuration, and its number.
        test: frames that the search never saw, or none.
        seeds: how many.
        limit: seconds of each.
    """
    train, judge = (list(problem.images), list(test)) if test else problem.parts(0)
    head = {"trial": trial, "unseen": bool(test), "frames": len(judge)}
    outcomes = {}
    with held(problem.folder / "confirm.lock"):
        for seed in range(seeds):
            name = f"seed-{seed}"
            file = problem.folder / FOLDER / f"{name}.json"
            known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
            if known.get("head") != head:
                place = problem.folder / FOLDER / name
                task = Task(
                    problem.shared(drawn),
                    train,
                    judge,
                    place,
                    problem.folder,
                    limit,
                    seed,
                    hard=False,
                )
                known = {"head": head, "outcome": asdict(task.run())}
                problem.write_config(drawn, place / "config.yaml")
                text = json.dumps(known, indent=1)
                write_whole(file, text.encode)
            outcomes[name] = Outcome(**known["outcome"])
    return Confirmation(trial, bool(test), len(judge), outcomes)
