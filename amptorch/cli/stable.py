"""``train --stable``: a linear potential that holds atoms together and apart in long runs.

What goes wrong in a run is what no frame of the data says anything of. There a fit that is damped
more, the *teacher*, is as good a guess as any, and one that holds: with some thousand times the
penalty coefficients are small, and of functions that change slowly. So runs of the potential are
begun, frames of those that go wrong are labelled by the teacher, and the potential is fitted to
data and these frames, again and again, until runs hold. Where there are data it stays as it was.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from ..data.inspection import Inspection
from ..data.memory import Survey
from ..data.targets import TargetReader
from ..dataset.in_memory import AtomsDataset, Seen
from ..fit import resume
from ..fit.base import Run
from ..fit.least_squares.refit import Refit
from ..fit.least_squares.settings import LeastSquaresSettings
from ..potentials.model import LinearModel
from ..potentials.potential import Potential
from ..preprocessing.scaling import Scaling
from ..processes import group
from ..trainer import AtomsTrainer
from .parser import WrongUsage
from .watched import Outcome, Runs

MADE = "made"  # file and info["group"] of the frames that the teacher labels
# By how much less these count than data: forces of a teacher are a guess, energies more so.
WEIGHTS = {"energy": 0.1, "forces": 0.3, "stress": 0.3}
TEACHERS = (1e-3, 1e-2, 1e-1)  # penalties; the first that holds
COOLER = 0.75  # of the temperature of runs, in those that teachers have to hold
HELD, ROUNDS = 8, 60  # runs in a row that hold, and most runs
MARGIN = 2.0  # by how much hotter they are than the temperature asked for: they meet more


def check(trainer: AtomsTrainer, temperature: float | None) -> None:
    """Raise before training that could not be followed by :func:`stabilised`."""
    if temperature is None:
        return
    if temperature <= 0:
        raise WrongUsage(f"--stable: expected a temperature > 0 K, got {temperature:g}")
    optim = trainer.settings.optim
    if not isinstance(optim, LeastSquaresSettings) or optim.solver != "ridge":
        raise WrongUsage(
            "--stable: expected a potential of least squares with the solver ridge, such as "
            f"--potential ace --linear, got {trainer.settings.model.name!r}"
        )
    if trainer.debug or not trainer.forcetraining or group.start()[1] > 1:
        raise WrongUsage("--stable: expected forces, a run that is kept, and one process")


@dataclass
class Stable:
    """The loop.

    Attributes:
        trainer: that has trained.
        runs: to hold.
        say: is given a line a run.
    """

    trainer: AtomsTrainer
    runs: Runs
    say: Callable[[str], None] = print

    def __post_init__(self) -> None:
        trainer, optim = self.trainer, self.trainer.settings.optim
        assert isinstance(optim, LeastSquaresSettings)
        assert isinstance(trainer.model, LinearModel)
        assert trainer.cp_dir is not None
        self._folder = Path(trainer.cp_dir)
        weights = {kind: part * optim.weight("", kind) for kind, part in WEIGHTS.items()}
        settings = replace(optim, groups={**optim.groups, MADE: weights})
        state = resume.read(self._folder)
        assert state is not None
        self._refit = Refit.of(trainer.model, settings, state)
        self._alpha = float(trainer.history[-1]["alpha"])
        self._made: list[Atoms] = []

    def run(self) -> bool:
        """Whether runs hold at last. The folder has the potential, and the frames made for it."""
        potential = self.trainer.potential
        teacher = self._teacher(potential)
        held, errors = 0, self._refit.solve(self._alpha)
        for number in range(ROUNDS):
            outcome = self.runs.run(potential, number)
            self.say(self._line(number, outcome, errors))
            held = held + 1 if outcome.held else 0
            if held == HELD:
                break
            if not outcome.held:
                self._add(outcome.telling, teacher)
                errors = self._refit.solve(self._alpha)
        self._keep(potential)
        return held == HELD

    def _teacher(self, potential: Potential) -> Potential:
        runs = replace(self.runs, temperature=COOLER * self.runs.temperature)
        for alpha in TEACHERS:
            self._refit.solve(alpha)
            teacher = Potential(
                copy.deepcopy(potential.model), potential.descriptor, potential.scalers
            )
            if runs.run(teacher, 0).held:
                self.say(f"stable: frames are labelled by a fit with alpha {alpha:g}, which holds")
                return teacher
        raise ArithmeticError(
            f"--stable: in runs at {runs.temperature:g} K no fit holds, not even with alpha "
            f"{alpha:g}: expected a lower temperature, or more data"
        )

    def _line(self, number: int, outcome: Outcome, errors: dict[str, float]) -> str:
        scale = float(self.trainer.target_scaler.target_std)
        forces = f", {scale * errors['forces']:.3f} eV/Å" if "forces" in errors else ""
        return (
            f"run {number + 1}: {'held for' if outcome.held else 'wrong after'} {outcome.time:.2f} "
            f"ps, {len(self._made)} frames made, of the data {1e3 * scale * errors['energy']:.1f} "
            f"meV/atom{forces}"
        )

    def _add(self, frames: Sequence[Atoms], teacher: Potential) -> None:
        found = teacher.predict(frames)
        targets = zip(found.energy, found.forces, found.stress, strict=True)
        for frame, (energy, forces, stress) in zip(frames, targets, strict=True):
            frame.info["group"] = MADE
            frame.calc = SinglePointCalculator(frame, energy=float(energy), forces=forces)
            if stress is not None:
                frame.calc.results["stress"] = stress
        self._made += frames
        self._refit.add(self._converted(frames))

    def _converted(self, frames: Sequence[Atoms]) -> AtomsDataset:
        """Scaled as the data are."""
        data, scaling = self.trainer.train_dataset, Scaling(scalers=self.trainer.scalers)
        stress = self._refit.settings.stress_coefficient > 0
        reader = TargetReader(forces=True, stress=stress, baseline=scaling.fixed)
        targets = Inspection(reader).read(frames)
        return AtomsDataset(
            list(frames),
            data.descriptor_setup,
            save_fps=False,
            scaling=scaling,
            dtype=data.dtype,
            derivatives=data.a2d.derivatives,
            reader=reader,
            seen=Seen(data.descriptor, targets, Survey.of(frames)),
            large_pages=False,
        )

    def _keep(self, potential: Potential) -> None:
        errors = self._refit.solve(self._alpha, spread=True)
        scale = float(self.trainer.target_scaler.target_std)
        history = [*self.trainer.history]
        last = {**history[-1], "epoch": len(history) + 1}
        last |= {f"train_{kind}_rmse": scale * value for kind, value in errors.items()}
        run = Run(self.trainer.settings, folder=self._folder, parts=self.trainer.parts)
        run.keep(potential, [*history, last], self._refit.state())
        if self._made:
            from ase.io import write  # takes as long as all else of a command's start

            write(self._folder / f"{MADE}.extxyz", self._made)


def stabilised(trainer: AtomsTrainer, temperature: float | None, quiet: bool) -> None:
    """Fit a potential that has been trained further, until runs hold.

    Args:
        trainer: that has trained, see :func:`check`.
        temperature: of the runs, K; None leaves the potential as it is.
        quiet: print nothing.

    Raises:
        ArithmeticError: none held, or not often enough; the last potential is kept.
    """
    if temperature is None:
        return
    data = trainer.train_dataset
    if not isinstance(data, AtomsDataset):
        raise WrongUsage("--stable: expected data in memory")
    runs = Runs.of(data.images, MARGIN * temperature, trainer.settings.dataset.target_keys)
    say: Callable[[str], None] = (lambda line: None) if quiet else partial(print, flush=True)
    if not Stable(trainer, runs, say).run():
        raise ArithmeticError(
            f"--stable: after {ROUNDS} runs at {runs.temperature:g} K they still go wrong; "
            f"{trainer.cp_dir} has the last potential"
        )
