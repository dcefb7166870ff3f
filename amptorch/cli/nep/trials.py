"""Settings to try, and what came of them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...files.whole import write_whole
from ...fit.evolution.directory import Directory
from ...fit.evolution.outputs import LossRow, read_losses
from ...fit.evolution.training import Start, Training
from ...potentials.nep.nep_in import NepIn
from ..parser import WrongUsage

DEFAULT = "default"
TRIALS = {
    "n_max": ("2 2", "4 4", "6 6", "8 6"),
    "basis_size": ("4 4", "8 8", "12 12"),
    "l_max": ("3 1 0", "4 0 0", "4 1 1"),
    "neuron": ("10", "30", "60", "100"),
    "cutoff": ("6 4", "8 4", "8 5"),
}
"""Values of keywords that are tried where none are named."""
LAST = 10  # rows of loss.out of which tables are made
COLUMNS = ("energy", "force", "virial")


@dataclass(frozen=True)
class Trial:
    """A run to make: its name, which is that of its folder, the keyword that it is about, the
    value, and nep.in."""

    name: str
    keyword: str
    value: str
    nep_in: str


@dataclass
class Outcome:
    """What came of a trial.

    Attributes:
        seconds: what it took.
        least, mean: of each column of errors, train then test, over the last ten rows of loss.out.
        whole: errors over all training frames and all test frames.
    """

    trial: Trial
    seconds: float
    least: list[float]
    mean: list[float]
    whole: list[float]

    @classmethod
    def of(cls, values: dict[str, Any]) -> Outcome:
        """From JSON."""
        return cls(**{**values, "trial": Trial(**values["trial"])})


def plan(text: str, given: Sequence[str]) -> list[Trial]:
    """The default, then each value of each keyword.

    Args:
        text: nep.in with the default.
        given: as --try has them.

    Raises:
        NepInError: a value that cannot be.
    """
    default = NepIn.parse(text)
    wanted = dict(map(_parsed, given)) or TRIALS
    trials = [Trial(DEFAULT, "", "", default.text())]
    for keyword, values in wanted.items():
        for value in values:
            changed = NepIn.parse(
                f"{default.text()}{keyword} {value}\n", f"--try {keyword}={value}"
            )
            if changed.text() != default.text():
                trials.append(
                    Trial(f"{keyword}_{value}".replace(" ", "_"), keyword, value, changed.text())
                )
    return trials


def _parsed(text: str) -> tuple[str, tuple[str, ...]]:
    keyword, equal, values = text.partition("=")
    if not equal or not values:
        raise WrongUsage(f"--try: expected KEYWORD=VALUE:VALUE:.., got {text!r}")
    return keyword, tuple(value.replace(",", " ") for value in values.split(":"))


def joined(text: str, best: Sequence[Trial]) -> Trial:
    """All of the best values together."""
    lines = "".join(f"{each.keyword} {each.value}\n" for each in best)
    value = ", ".join(f"{each.keyword} {each.value}" for each in best)
    return Trial("combined", "all", value, NepIn.parse(NepIn.parse(text).text() + lines).text())


def weighed(outcome: Outcome, text: str) -> float:
    """Errors over all training frames as a loss weighs them, lambda_e E + lambda_f F + lambda_v V.

    Args:
        outcome: of a run.
        text: nep.in with the weights.
    """
    settings = NepIn.parse(text)
    factors = (settings.lambda_e, settings.lambda_f, settings.lambda_v)
    return float(np.dot(factors, outcome.whole[:3]))


def best_of_each(outcomes: Sequence[Outcome], text: str) -> list[Trial]:
    """Of each keyword the value with the least error as :func:`weighed`, where it is less than that
    of the default."""
    default = next(each for each in outcomes if each.trial.name == DEFAULT)
    best: dict[str, Outcome] = {}
    for each in outcomes:
        keyword = each.trial.keyword
        if keyword and weighed(each, text) < weighed(best.get(keyword, default), text):
            best[keyword] = each
    return [each.trial for each in best.values()]


def carry_out(trial: Trial, out: Path, data: Path, seed: int) -> Outcome:
    """Run a trial in its folder, from where it was stopped if it was."""
    folder = out / trial.name
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "nep.in", trial.nep_in.encode, "nep.in: ")
    directory = Directory(folder, seed=seed, data=data)
    start = Start.of(folder, directory.settings.generation)
    seconds = 0.0
    if start.done < directory.settings.generation:
        begun = time.perf_counter()
        for _ in Training(directory).run():
            pass
        share = (start.total - start.done) / start.total
        seconds = (time.perf_counter() - begun) / share
    return _outcome(trial, directory, seconds)


def _outcome(trial: Trial, directory: Directory, seconds: float) -> Outcome:
    rows = read_losses(directory.path / "loss.out")[-LAST:]
    table = np.array([_errors(each) for each in rows])
    none = np.zeros(3) if directory.test is None else directory.errors(directory.test)
    whole = [*directory.errors(directory.train).tolist(), *none.tolist()]
    return Outcome(trial, seconds, table.min(0).tolist(), table.mean(0).tolist(), whole)


def _errors(row: LossRow) -> list[float]:
    return [getattr(row, f"{kind}_{each}") for kind in ("train", "test") for each in COLUMNS]


@dataclass
class Journal:
    """sweep.json: outcomes so far, so that what is done is not done again."""

    path: Path
    outcomes: list[Outcome] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path) -> Journal:
        """That of a file, or an empty one."""
        if not path.is_file():
            return cls(path)
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls(path, [Outcome.of(each) for each in found])

    def add(self, outcome: Outcome) -> None:
        """Keep one."""
        self.outcomes.append(outcome)
        text = json.dumps([asdict(each) for each in self.outcomes], indent=1)
        write_whole(self.path, text.encode, "sweep.json: ")

    def of(self, trial: Trial) -> Outcome | None:
        """What came of a trial, if it was carried out."""
        return next((each for each in self.outcomes if each.trial == trial), None)
