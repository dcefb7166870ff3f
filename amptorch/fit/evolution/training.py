"""Training in a folder of GPUMD's ``nep``, and the files that it writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from ...potentials.nep import files
from ...potentials.nep.population import owners, without_constant
from ...potentials.nep.restart import write_restart
from .directory import Directory, unshifted
from .evolver import Best, Data, Evolver
from .losses import Array, Regularizer
from .outputs import LossRow, read_losses, write_losses

TRAIN_TABLES = 1000  # generations between tables of the training frames


@dataclass(frozen=True)
class Start:
    """Where a run begins: rows of loss.out so far, and generations done and wanted."""

    rows: list[LossRow]
    done: int
    total: int

    @classmethod
    def of(cls, folder: Path, generations: int) -> Start:
        """After what nep.restart holds: to the end of a run that was stopped, or, after one that
        came to its end, as many generations again. Without nep.restart from the first."""
        rows = read_losses(folder / "loss.out") if (folder / "nep.restart").is_file() else []
        done = rows[-1].generation if rows else 0
        return cls(rows, done, (done // generations + 1) * generations if generations else done)


class Training:
    """A run of a folder, from where it was stopped if it was: it has the numbers of one that was
    not.

    Args:
        directory: the folder.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self.start = Start.of(directory.path, directory.settings.generation)
        self._evolver, self._plain = self._make()
        self._rows = list(self.start.rows)
        self._test: Data | None = None
        if directory.test is not None:
            self._test = directory.data(directory.test)[1]

    def _make(self) -> tuple[Evolver, Data]:
        """The run, and the training frames without weights."""
        own = self._directory
        settings, weights, shape = own.settings, own.weights, own.shape
        data, plain = own.data(own.train)
        counted = without_constant(shape)
        regularizer = Regularizer(owners(shape), counted, shape.n_elements, weights.l1, weights.l2)
        sizes = (settings.population, settings.batch, settings.full)
        start = own.distribution()
        return Evolver(data, weights, regularizer, start, *sizes, own.seed), plain

    def run(self, every: Callable[[int, Best], None] | None = None) -> Iterator[LossRow]:
        """Train, and give the rows of loss.out as they are written.

        Args:
            every: called with each generation, counted from 1, and its best member.
        """
        interval = self._directory.settings.output_interval
        for generation in range(self.start.done, self.start.total):
            best = self._evolver.step(generation)
            number = generation + 1
            if every is not None:
                every(number, best)
            self._save_copies(best, number)
            if number % interval == 0 or number == self.start.total:
                yield self._write(best, generation)

    def _write(self, best: Best, generation: int) -> LossRow:
        own, evolver = self._directory, self._evolver
        frames = None if evolver.full else evolver.batch(generation)
        errors = self._plain.errors(best.parameters[None], 1.0, frames)
        # No energies were looked at in the first generation.
        parameters = self._shifted(best, best.shift if generation else float(errors.shift[0]))
        test = np.zeros(3)
        if self._test is not None:
            test = unshifted(self._test.errors(parameters[None], 1.0))
        losses = (best.loss, best.l1, best.l2)
        row = LossRow(generation + 1, *losses, *errors.rms()[:, 0].tolist(), *test.tolist())
        files.write(own.potential(parameters), own.path / "nep.txt")
        self._tables(parameters, generation + 1)
        # What is in the file is what the run goes on from, now or later.
        distribution = evolver.distribution
        distribution.mean, distribution.sigma = write_restart(
            own.path / "nep.restart", distribution.mean, distribution.sigma
        )
        self._rows.append(row)
        write_losses(own.path / "loss.out", self._rows)
        return row

    def _shifted(self, best: Best, shift: float) -> Array:
        """Parameters with the shift of energies in the constant of all, which is taken off."""
        return best.parameters + shift * ~without_constant(self._directory.shape)

    def _save_copies(self, best: Best, number: int) -> None:
        own = self._directory
        every, form, restart = own.settings.save_potential
        if number % every:
            return
        stamp = f"_{datetime.now():%Y_%m_%d_%H_%M_%S}" if form else ""
        name = f"nep_gen{number}{stamp}"
        files.write(own.potential(self._shifted(best, best.shift)), own.path / f"{name}.txt")
        if restart:
            place = self._evolver.distribution
            write_restart(own.path / f"{name}.restart", place.mean, place.sigma)

    def _tables(self, parameters: Array, number: int) -> None:
        own = self._directory
        if own.test is not None:
            own.write_predictions("test", own.test, parameters)
        if number % TRAIN_TABLES == 0 or number == self.start.total:
            own.write_predictions("train", own.train, parameters)
