"""Workers: processes that take trials of a search one after the other."""

from __future__ import annotations

import math
import os
import shutil
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ...potentials.potential import Potential
from . import side_by_side, storage
from .cost import microseconds_an_atom
from .problem import Problem
from .rungs import is_poor, rung_of
from .shares import next_family
from .space import POTENTIAL
from .training import NotWorthIt, Outcome, errors_of
from .turn import Lock, held

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import Trial


class TrialFailed(Exception):
    """A trial whose values cannot be, or whose training went wrong."""


@dataclass(frozen=True)
class Plan:
    """How a search is done.

    Attributes:
        problem: what it is about.
        trials: at most, of all processes and all runs of the command together.
        until: of ``time.time()``, after which none is begun.
        limit: seconds of one trial, None without.
        sampler: name, see :func:`.storage.sampler_named`.
        url: of a database, None for a journal in the folder.
        name: of the study in it.
        seed: of the sampler.
        prune: end poor trials early.
        show: print a line a trial.
    """

    problem: Problem
    trials: float = math.inf
    until: float = math.inf
    limit: float | None = None
    sampler: str = "tpe"
    url: str | None = None
    name: str = "search"
    seed: int = 0
    prune: bool = True
    show: bool = True

    def study(self, worker: int = 0) -> Study:
        """The study, with a sampler that proposes what no other worker, and none before, did."""
        problem = self.problem
        number = len(problem.objectives)
        sampler = storage.sampler_named(self.sampler, self.seed, number)
        kept = storage.storage_at(self.url, problem.folder)
        study = storage.open_study(kept, self.name, sampler, problem.about(), problem.space)
        done = len(study.get_trials(deepcopy=False))
        seed = self.seed + 7919 * worker + 104729 * done
        study.sampler = storage.sampler_named(self.sampler, seed % 2**31, number)
        return study


def search(plan: Plan, workers: int = 1, dask: str | None = None) -> Study:
    """All trials that there is time for.

    Args:
        plan: what to do.
        workers: processes; one is this one.
        dask: cluster whose they are, see :func:`.side_by_side.run`; all must see the folder.

    Raises:
        ValueError: no trial came to an end.
    """
    plan.study()
    side_by_side.run(work, workers, plan, dask=dask)
    study = plan.study()
    if not any(trial.values for trial in study.get_trials(deepcopy=False)):
        failures = [t.user_attrs.get("failure") for t in study.get_trials(deepcopy=False)]
        why = next((each for each in reversed(failures) if each), "none came to its end in time")
        raise ValueError(f"search: no trial of {len(failures)} succeeded, the last: {why}")
    return study


def work(plan: Plan, worker: int = 0) -> None:
    """Take trials until there are enough, or time is up."""
    folder = plan.problem.folder
    study = plan.study(worker)
    name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
    own = storage.lock_of(folder, name)
    own.take()
    try:
        while _another(plan, study, name):
            pass
    finally:
        own.path.unlink(missing_ok=True)
        own.give_back()


def _another(plan: Plan, study: Study, worker: str) -> bool:
    """One more trial; False where there are enough. One process at a time counts and draws."""
    folder = plan.problem.folder
    with held(folder / "turn.lock") as turn:
        for number in storage.give_up_lost(study, folder, plan.url is None):
            for left in (folder / "checkpoints").glob(f"*-{number:04d}"):
                shutil.rmtree(left, ignore_errors=True)
        begun = sum(map(storage.counts, study.get_trials(deepcopy=False)))
        if begun >= plan.trials or time.time() >= plan.until:
            return False
        _choose_family(plan, study)
        one = _Trial(plan, study, worker, turn)
        study.optimize(one, n_trials=1, catch=(TrialFailed,))
    return True


def _choose_family(plan: Plan, study: Study) -> None:
    """Whose turn it is, unless there are values that wait to be tried."""
    trials = study.get_trials(deepcopy=False)
    families = list(plan.problem.space.bases)
    if len(families) == 1 or any(trial.state.name == "WAITING" for trial in trials):
        return
    begun = [(t.params.get(POTENTIAL), t.values[0] if t.values else None) for t in trials]
    study.enqueue_trial({POTENTIAL: next_family(families, begun)})


@dataclass
class _Trial:
    """The objective of a study."""

    plan: Plan
    study: Study
    worker: str
    turn: Lock

    def __call__(self, trial: Trial) -> Sequence[float]:
        import optuna

        problem = self.plan.problem
        trial.set_user_attr("worker", self.worker)
        drawn = problem.space.draw(trial)
        trial.set_user_attr("family", drawn.family)
        trial.set_user_attr("values", drawn.values)
        self.turn.give_back()
        limits = [self.plan.until - time.time(), self.plan.limit or math.inf]
        limit = max(min(limits), 1.0) if math.isfinite(min(limits)) else None
        watch = _Rungs(self, trial, drawn.family) if self.plan.prune else None
        try:
            outcome = problem.run(drawn, problem.place(trial.number), limit, watch)
        except NotWorthIt:
            self._tell(trial, drawn.family, "not worth it")
            raise optuna.TrialPruned from None
        except (ValueError, ArithmeticError, RuntimeError) as error:
            trial.set_user_attr("failure", str(error))
            self._tell(trial, drawn.family, f"failed: {error}")
            raise TrialFailed(str(error)) from error
        trial.set_user_attr("outcome", asdict(outcome))
        self._tell(trial, drawn.family, outcome.told())
        return scores(problem.objectives, outcome)

    def _tell(self, trial: Trial, family: str, text: str) -> None:
        if self.plan.show:
            print(f"trial {trial.number}, {family}: {text}", flush=True)


class _Rungs:
    """Looks at a potential in training, and ends what is poor among those of its family."""

    def __init__(self, owner: _Trial, trial: Trial, family: str) -> None:
        self._owner, self._trial, self._family = owner, trial, family
        self._known: dict[str, list[float]] = {}
        self._cost: float | None = None

    def __call__(self, potential: Potential, epoch: int, epochs: int) -> bool:
        rung = rung_of(epoch, epochs)
        if rung is None or str(rung) in self._known:
            return True
        problem = self._owner.plan.problem
        judge = problem.parts(0)[1]
        names = [each for each in problem.objectives if each != "seconds"]
        if "cost" in names and self._cost is None:
            self._cost = microseconds_an_atom(potential, judge)
        errors = errors_of([potential], judge)
        here = scores(names, Outcome(errors, self._cost or 0.0, 0.0, 0, 0))
        self._known[str(rung)] = here
        self._trial.set_user_attr("rungs", self._known)
        if len(problem.objectives) == 1 and here:
            self._trial.report(here[0], rung)
        return not is_poor(here, self._others(str(rung)))

    def _others(self, rung: str) -> list[list[float]]:
        trials = self._owner.study.get_trials(deepcopy=False)
        return [
            trial.user_attrs["rungs"][rung]
            for trial in trials
            if trial.number != self._trial.number
            and trial.user_attrs.get("family") == self._family
            and rung in trial.user_attrs.get("rungs", {})
        ]


def scores(objectives: Sequence[str], outcome: Outcome) -> list[float]:
    """The numbers that are made small.

    Raises:
        ValueError: the frames lack what one is the error of.
    """
    known: dict[str, Any] = {**outcome.errors, "error": outcome.error}
    known.update(cost=outcome.cost, seconds=outcome.seconds)
    for name in objectives:
        if name not in known:
            raise ValueError(f"objectives: {name!r}: the frames that judge have none of these")
    return [float(known[name]) for name in objectives]
