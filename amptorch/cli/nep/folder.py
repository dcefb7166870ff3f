"""One folder: training or prediction, with progress."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from ...fit.evolution.directory import Directory, Start
from ...fit.evolution.evolver import Best
from ...fit.evolution.outputs import LossRow
from ..interrupt import noticed

HEADER = "generation   loss      E (meV/atom)  F (meV/Å)  V (meV/atom)   test E       F       V"


def run_folder(path: Path, arguments: argparse.Namespace) -> None:
    """What nep.in asks for."""
    directory = Directory(path, seed=arguments.seed)
    if directory.settings.prediction:
        energy, force, virial = directory.predict()
        print(f"{path}: {1e3 * energy:.2f} meV/atom, {1e3 * force:.1f} meV/Å, {1e3 * virial:.2f} meV/atom")
        return
    if arguments.gradients is not None and not (path / "nep.restart").is_file():
        from .gradients import begin_with_gradients

        begin_with_gradients(directory, arguments.gradients, arguments.quiet)
    _evolve(directory, arguments.quiet)


def _evolve(directory: Directory, quiet: bool) -> None:
    start = Start.of(directory.path, directory.settings.generation)
    with noticed(f"training in {directory.path}") as lines:
        lines += [
            f"kept up to the last line of {directory.path / 'loss.out'}",
            f"to go on: amptorch nep {directory.path}",
        ]
        bar = tqdm(
            total=start.total,
            initial=start.done,
            desc="generations",
            unit="",
            disable=None if not quiet else True,
            leave=False,
        )
        with bar:
            train(directory, bar)
    rows = directory.path / "loss.out"
    print(f"{directory.path / 'nep.txt'}: see also nep.restart, {rows.name} and tables of predictions")


def train(directory: Directory, bar: tqdm) -> None:
    """Run, print the rows of loss.out and move a bar."""

    def every(number: int, best: Best) -> None:
        bar.update()
        bar.set_postfix_str(f"loss {best.loss:.5f}", refresh=False)

    if not bar.disable or bar.disable is None:
        bar.write(HEADER)
    for row in directory.run(every):
        bar.write(_line(row))


def _line(row: LossRow) -> str:
    values = (row.train_energy, row.train_force, row.train_virial)
    tests = (row.test_energy, row.test_force, row.test_virial)
    train = "".join(f"{1e3 * each:12.2f}" for each in values)
    return f"{row.generation:10d} {row.loss:9.5f} {train} " + "".join(f"{1e3 * v:9.2f}" for v in tests)
