"""One training: its errors on frames kept apart, what a force call costs, and its folder."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from ...config import with_classes
from ...potentials.potential import Potential
from ...report import evaluate
from ...report.errors import Parity
from ...trainer import AtomsTrainer
from .cost import microseconds_an_atom
from .space import Sections

# A fit that knows nothing of its time ends after so many times as long.
PATIENCE = 3.0

Watch = Callable[[Potential, int, int], bool]
"""From a potential, the epoch and how many there are to whether it is worth going on."""


class NotWorthIt(Exception):
    """A training that was ended by whoever watched it."""


class TookTooLong(ArithmeticError):
    """A training that did not end in its time."""


@dataclass(frozen=True)
class Outcome:
    """What became of a training.

    Attributes:
        errors: root mean square ones of energies (eV/atom), forces (eV/Å) and stresses (eV/Å^3) on
            the frames kept apart.
        cost: of a force call, µs an atom.
        seconds: of making the data set and training.
        parameters, features: numbers of what was fitted, and of a fingerprint's components.
    """

    errors: dict[str, float]
    cost: float
    seconds: float
    parameters: int
    features: int

    @property
    def error(self) -> float:
        """Geometric mean of the errors of energies and forces."""
        return mean_error(self.errors)

    def told(self) -> str:
        """In one line."""
        units = {"energy": (1000.0, "meV/atom"), "forces": (1.0, "eV/Å")}
        parts = [
            f"{name} {factor * self.errors[name]:.4g} {unit}"
            for name, (factor, unit) in units.items()
            if name in self.errors
        ]
        return f"{', '.join(parts)}, {self.cost:.3g} µs/atom, {self.seconds:.1f} s"


def mean_error(errors: Mapping[str, float]) -> float:
    """Geometric mean of the errors of energies and, where there are any, of forces."""
    known = [errors[name] for name in ("energy", "forces") if name in errors]
    return math.prod(known) ** (1.0 / len(known))


@dataclass(frozen=True)
class Task:
    """A training to do.

    Attributes:
        config: all but the data.
        train, judge: frames to train on, and those that it is judged by.
        folder: where it is kept.
        scratch: folder of what trainings share.
        limit: seconds.
        seed: in place of the configuration's.
        hard: a fit that knows nothing of its time is ended long after it.
    """

    config: Sections
    train: Sequence[Atoms]
    judge: Sequence[Atoms]
    folder: Path
    scratch: Path
    limit: float | None = None
    seed: int | None = None
    hard: bool = True

    def run(self, watch: Watch | None = None) -> Outcome:
        """Train, judge, keep.

        Raises:
            ValueError, ArithmeticError: what cannot be, or did not come to an end.
            NotWorthIt: ``watch`` has said so.
            KeyboardInterrupt: Ctrl-C, which a training of its own takes as its end.
        """
        with _quiet(), _ctrl_c(), _alarm(self.limit if self.hard else None):
            begun = time.monotonic()
            trainer = _Watched(with_classes(self._config()), watch)
            try:
                trainer.train()
                if trainer.given_up:
                    raise NotWorthIt
                seconds = time.monotonic() - begun
                errors = errors_of([trainer.potential], self.judge)
                cost = microseconds_an_atom(trainer.potential, self.judge)
            finally:
                self._keep(trainer)
            return Outcome(errors, cost, seconds, trainer.model.num_params, trainer.input_dim)

    def _config(self) -> dict[str, Any]:
        """With the data, of which all train: what is kept apart is so already."""
        config = {name: dict(section) for name, section in self.config.items()}
        config["dataset"].update(raw_data=list(self.train), val_split=0.0)
        own = {"run_dir": str(self.scratch), "identifier": self.folder.name, "verbose": False}
        config["cmd"].update(own)
        if self.seed is not None:
            config["cmd"]["seed"] = self.seed
        if self.limit is not None:
            config["cmd"]["time_limit"] = self.limit
        return config

    def _keep(self, trainer: AtomsTrainer) -> None:
        if trainer.cp_dir is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            os.rename(trainer.cp_dir, self.folder)


def errors_of(potentials: Sequence[Potential], images: Sequence[Atoms]) -> dict[str, float]:
    """Root mean square errors of the mean of potentials: energies in eV/atom, forces in eV/Å,
    stresses in eV/Å^3.

    Raises:
        ArithmeticError: one is not finite.
    """
    found = [evaluate(potential, images) for potential in potentials]
    errors = {}
    for name in found[0].quantities:
        values = [each for one in found for each in [one.parity(name)] if each is not None]
        mean = np.mean([each.predicted for each in values], axis=0)
        errors[str(name)] = Parity(values[0].reference, mean).rmse
    if not all(map(math.isfinite, errors.values())):
        raise ArithmeticError(f"errors are not finite: {errors}")
    return errors


class _Watched(AtomsTrainer):
    """A trainer that lets somebody look at the potential after each epoch."""

    def __init__(self, config: Mapping[str, Any], watch: Watch | None) -> None:
        self.watch, self.given_up = watch, False
        super().__init__(config)

    def load_extras(self) -> None:
        super().load_extras()
        if self.watch is not None:
            from .watching import AfterEpoch

            self.callbacks = [("watch", AfterEpoch(self.go_on)), *self.callbacks]

    def go_on(self, epoch: int, epochs: int) -> bool:
        """Whether training is worth going on with."""
        assert self.watch is not None
        training = self.model.training
        potential = self._holding(self.model.for_prediction())
        self.given_up = not self.watch(potential, epoch, epochs)
        self.model.train(training)
        return not self.given_up


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without warnings: hundreds of trainings have hundreds, and poor ones are told by errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextlib.contextmanager
def _ctrl_c() -> Iterator[None]:
    """Raise ``KeyboardInterrupt`` at the end where a training took it as its own."""
    before = signal.getsignal(signal.SIGINT)
    if not (_in_main_thread() and callable(before)):
        yield
        return
    came: list[int] = []

    def note(number: int, frame: Any) -> None:
        came.append(number)
        before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
        if came:
            raise KeyboardInterrupt
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _alarm(limit: float | None) -> Iterator[None]:
    """Raise :class:`TookTooLong` long after the time of a fit that knows nothing of it."""
    if limit is None or not _in_main_thread():
        yield
        return

    def ring(number: int, frame: Any) -> None:
        raise TookTooLong(f"training did not end within {PATIENCE * limit:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE * limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
