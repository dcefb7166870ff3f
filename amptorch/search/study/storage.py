"""Where trials are kept, who proposes them, and what becomes of those whose process was killed."""

from __future__ import annotations

import contextlib
import datetime
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import nearest
from .space import Space
from .turn import Lock, held

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

JOURNAL = "journal.log"
SAMPLERS = ("tpe", "cmaes", "nsga2", "random")
# Seconds between two signs of life in a database, and after which a trial there is given up; and
# those that a worker may take to say which trial is its own.
HEARTBEAT, GRACE, BEGINNING = 60, 180, 60
POPULATION = 20  # of NSGA-II


def sampler_named(name: str, seed: int, objectives: int) -> BaseSampler:
    """A sampler of optuna.

    Args:
        name: of ``SAMPLERS``; "tpe" is of several objectives and several values at once, "cmaes"
            of one objective and numbers, and leaves the rest to "tpe".
        seed: of its random numbers.
        objectives: their number.

    Raises:
        ValueError: an unknown name, or too many objectives.
    """
    from optuna import exceptions, samplers

    if name not in SAMPLERS:
        raise ValueError(f"sampler: unknown {name!r}; {nearest(name, SAMPLERS)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", exceptions.ExperimentalWarning)  # of groups
        tpe = samplers.TPESampler(seed=seed, multivariate=True, group=True, n_startup_trials=10)
    if name == "cmaes":
        if objectives > 1:
            raise ValueError(f"sampler: cmaes has one objective, expected one, got {objectives}")
        return samplers.CmaEsSampler(
            seed=seed, independent_sampler=tpe, warn_independent_sampling=False
        )
    made: dict[str, Callable[[], BaseSampler]] = {
        "tpe": lambda: tpe,
        "nsga2": lambda: samplers.NSGAIISampler(seed=seed, population_size=POPULATION),
        "random": lambda: samplers.RandomSampler(seed=seed),
    }
    return made[name]()


def storage_at(url: str | None, folder: Path) -> BaseStorage:
    """A database, or without a URL the journal in a folder, which several processes may write."""
    from optuna import storages
    from optuna.storages.journal import JournalFileBackend

    if url is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of heartbeats, which are experimental
            return storages.RDBStorage(url, heartbeat_interval=HEARTBEAT, grace_period=GRACE)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / JOURNAL
    lock = _JournalLock(folder / "journal.lock")
    with held(lock.path):
        if path.is_file():
            _cut_torn_line(path)
    return storages.JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


class _JournalLock(Lock):
    """Under the names that optuna has for it. Its own locks outlive a process that is killed."""

    def acquire(self) -> bool:
        """Wait for it."""
        return self.take()

    def release(self) -> None:
        """Give it back."""
        self.give_back()


def _cut_torn_line(path: Path) -> None:
    """Of a process that was killed while it wrote."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)


def open_study(
    storage: BaseStorage, name: str, sampler: BaseSampler, about: Mapping[str, Any], space: Space
) -> Study:
    """The study of a search; a new one begins with the recipe of each family.

    Raises:
        ValueError: one of this name is about something else.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    directions = ["minimize"] * len(about["objectives"])
    keywords: dict[str, Any] = {"storage": storage, "study_name": name, "sampler": sampler}
    try:
        study = optuna.create_study(directions=directions, **keywords)
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(**keywords)
    known = study.user_attrs.get("about")
    if known is None:
        study.set_user_attr("about", dict(about))
        for start in space.starts():
            study.enqueue_trial(start)
    elif known != about:
        changed = ", ".join(key for key in about if known.get(key) != about[key])
        raise ValueError(
            f"search: {name} is another search, with another {changed}; give another folder, or "
            "remove it"
        )
    return study


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial was tried, or is; not one that waits, or was lost with its process."""
    from optuna.trial import TrialState

    if trial.state == TrialState.FAIL:
        return "failure" in trial.user_attrs
    return trial.state != TrialState.WAITING


def lock_of(folder: Path, worker: str) -> Lock:
    """What a worker holds as long as it lives."""
    return Lock(folder / "workers" / worker)


def give_up_lost(study: Study, folder: Path, turns: bool) -> list[int]:
    """Mark trials whose worker was killed as failed, and have their values tried again.

    Args:
        study: of the search.
        folder: of the search.
        turns: whoever begins a trial holds a lock that the caller has now, as those do who share
            the journal in the folder; of a database others may be beginning one.

    Returns:
        Numbers of the trials.
    """
    from optuna.trial import TrialState

    lost = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if not _is_lost(trial, folder, turns):
            continue
        with contextlib.suppress(ValueError):  # its end came just now
            study.tell(trial.number, state=TrialState.FAIL)
            lost.append(trial.number)
            values = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
            if values:
                study.enqueue_trial(values)
    return lost


def _is_lost(trial: FrozenTrial, folder: Path, turns: bool) -> bool:
    worker = trial.user_attrs.get("worker")
    if worker is None:
        begun = trial.datetime_start or datetime.datetime.now()
        return turns or time.time() - begun.timestamp() > BEGINNING
    lock = lock_of(folder, worker)
    if not lock.path.is_file():  # of another machine that shares a database alone
        return False
    free = lock.take(wait=False)
    lock.give_back()
    return free
