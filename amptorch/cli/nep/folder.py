"""One folder: training or prediction, with progress."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ...fit.evolution.directory import Directory
from ...fit.evolution.evolver import Best
from ...fit.evolution.outputs import LossRow
from ...fit.evolution.training import Training
from ..interrupt import noticed

HEADER = (
    "errors in meV/atom and meV/Å\n"
    "generation      loss    energy    force   virial  test: E        F        V"
)


def run_folder(path: Path, arguments: argparse.Namespace) -> None:
    """What nep.in asks for."""
    directory = Directory(path, seed=arguments.seed)
    if directory.settings.prediction:
        energy, force, virial = (f"{1e3 * each:.2f}" for each in directory.predict())
        print(f"{path}: {energy} meV/atom, {force} meV/Å, {virial} meV/atom")
        return
    if arguments.gradients is not None:
        _begin(directory, arguments)
    _evolve(directory, arguments.quiet)


def _begin(directory: Directory, arguments: argparse.Namespace) -> None:
    """By gradients, where nothing has begun yet."""
    restart = directory.path / "nep.restart"
    if restart.is_file():
        print(f"{restart} is there: no gradients, evolution goes on from it")
        return
    from .gradients import begin_with_gradients

    begin_with_gradients(directory, arguments.gradients, arguments.quiet)


def _evolve(directory: Directory, quiet: bool) -> None:
    folder = directory.path
    with noticed(f"training in {folder}") as lines:
        lines += [
            f"kept up to the last line of {folder / 'loss.out'}",
            f"to go on: amptorch nep {folder}",
        ]
        training = Training(directory)
        start = training.start
        with tqdm(
            total=start.total,
            initial=start.done,
            desc="generations",
            unit="",
            disable=True if quiet else None,
            leave=False,
        ) as bar:
            _train(training, bar, quiet)
    print(f"{folder / 'nep.txt'}: see also nep.restart, loss.out and tables of predictions")


def _train(training: Training, bar: tqdm[Any], quiet: bool) -> None:
    """Run, print the rows of loss.out and move a bar."""

    def every(number: int, best: Best) -> None:
        bar.update()
        bar.set_postfix_str(f"loss {best.loss:.5f}", refresh=False)

    if not quiet:
        bar.write(HEADER)
    for row in training.run(every):
        if not quiet:
            bar.write(_line(row))


def _line(row: LossRow) -> str:
    train = (row.train_energy, row.train_force, row.train_virial)
    test = (row.test_energy, row.test_force, row.test_virial)
    errors = "".join(f"{1e3 * each:9.2f}" for each in (*train, *test))
    return f"{row.generation:10d} {row.loss:9.5f} {errors}"
