"""Errors of a configuration on frames kept apart, over seeds or folds, and the time they cost.

The clock runs from reading the frames to the end of training, fingerprints included.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.io import read
from numpy.typing import NDArray

from amptorch import AtomsTrainer
from amptorch.cli.config_file import apply, read_config
from amptorch.cli.settings import given_keys
from amptorch.config import with_classes
from amptorch.data.keys import Keys
from amptorch.potentials.registry import recipes
from amptorch.recipe import PRESETS, Facts, choose, suited
from amptorch.report import evaluate

from .report import Data, Figure, Report, Section, Table, finish, typed
from .report.plots import figure_svg, panels

Configure = Callable[[list[Atoms]], Mapping[str, Any]]
"""The configuration for frames to train on."""

SMOKE = ["--data", "{data}", "--config", "examples/accurate.yaml", "--test", "2"]
SMOKE += ["--seeds", "0", "--set", "optim.epochs=1", "--out", "{out}"]


@dataclass
class Run:
    """Errors of one training.

    Attributes:
        name: seed or fold.
        seconds: of making the data set and training.
        energies: predicted minus reference, one a test frame, in meV/atom.
        forces: the same, one a component, in eV/Å.
        training: RMSE of energies and forces on the training frames.
    """

    name: str
    seconds: float
    energies: NDArray[np.float64]
    forces: NDArray[np.float64]
    training: tuple[float, float]

    @property
    def test(self) -> tuple[float, float]:
        """RMSE of energies and forces on the test frames."""
        return rmse(self.energies), rmse(self.forces)


def rmse(differences: NDArray[np.float64]) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.mean(differences**2)))


def splits(
    frames: Sequence[Atoms],
    test: int,
    folds: int,
    seeds: Sequence[int],
    only: Sequence[int] | None = None,
) -> Iterator[tuple[str, int, list[Atoms], list[Atoms]]]:
    """Name, seed, training and test frames of each training.

    Args:
        frames: all of them.
        test: the last ones, kept apart in all trainings, one for each seed; or
        folds: instead, every frame is kept apart once, number f, f + folds, ... in fold f, with the
            first of the seeds.
        seeds: of the networks and the order of the frames.
        only: the folds that are trained; None for all.
    """
    if folds:
        for fold in range(folds) if only is None else only:
            train = [frame for index, frame in enumerate(frames) if index % folds != fold]
            yield f"fold {fold}", seeds[0], train, list(frames[fold::folds])
    else:
        for seed in seeds:
            yield f"seed {seed}", seed, list(frames[:-test]), list(frames[-test:])


def train_and_test(
    name: str,
    seed: int,
    train: list[Atoms],
    test: list[Atoms],
    configure: Configure,
    members: int = 1,
) -> Run:
    """Train so many potentials, of seeds one after the other; the errors of their mean."""
    begun = time.perf_counter()
    config = configure(train)
    trainers = [_trained(seed + member, train, config) for member in range(members)]
    seconds = time.perf_counter() - begun
    energies, forces = differences(trainers, test)
    of_training = tuple(rmse(each) for each in differences(trainers, train))
    return Run(name, seconds, energies, forces, (of_training[0], of_training[1]))


def configured(arguments: argparse.Namespace) -> Configure:
    """What configures trainings: a file, or the rules of ``amptorch train``, for a family or for
    what suits the frames."""
    if arguments.config:
        config = read_config(arguments.config, arguments.set)
        return lambda train: config
    names = given_keys(arguments.key, Keys()).given()

    def chosen(train: list[Atoms]) -> Mapping[str, Any]:
        facts = Facts.of(train, names or None)
        kind = arguments.potential or suited(facts)[0]
        config = choose(facts, arguments.preset, kind).config
        apply(config, arguments.set)
        return with_classes(config)

    return chosen


def _trained(seed: int, train: list[Atoms], config: Mapping[str, Any]) -> AtomsTrainer:
    with tempfile.TemporaryDirectory() as run_dir:
        trainer = AtomsTrainer(
            {
                **config,
                "dataset": {**config["dataset"], "raw_data": train},
                "cmd": {**config["cmd"], "seed": seed, "run_dir": run_dir},
            }
        )
        trainer.train()
    return trainer


def differences(
    trainers: Sequence[AtomsTrainer], frames: Sequence[Atoms]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean prediction minus reference: energies in meV/atom, force components in eV/Å."""
    energies, forces = [], []
    for trainer in trainers:
        found = evaluate(trainer, frames)
        of_energy, of_forces = found.parity("energy"), found.parity("forces")
        assert of_energy is not None
        assert of_forces is not None, "data: expected frames with forces"
        energies.append(1e3 * of_energy.difference.ravel())
        forces.append(of_forces.difference.ravel())
    return np.mean(energies, 0), np.mean(forces, 0)


def describe(report: Report, runs: Sequence[Run], folds: int, limits: Sequence[float]) -> None:
    """Put errors, checks, a table and a picture into a report."""
    energies = report.measure("test/energy RMSE", [run.test[0] for run in runs], "meV/atom")
    forces = report.measure("test/force RMSE", [run.test[1] for run in runs], "eV/Å")
    seconds = report.measure("data set and training", [run.seconds for run in runs], "s")
    if folds:
        what = f"RMSE over {'all ' if len(runs) == folds else ''}{len(runs)} folds"
        found = [
            rmse(np.concatenate([getattr(r, q) for r in runs])) for q in ("energies", "forces")
        ]
    else:
        what = f"RMSE, mean of {len(runs)} seeds"
        found = [float(np.mean(each.samples)) for each in (energies, forces)]
    found.append(max(seconds.samples) / 60.0)
    names = (f"energy {what}", f"force {what}", "minutes of the slowest training")
    units = ("meV/atom", "eV/Å", "min")
    for name, value, limit, unit in zip(names, found, limits, units, strict=False):
        report.check(name, value, limit, unit)
    rows = [_row(run) for run in runs]
    rows.append(
        [what, "", "", f"{found[0]:.2f}", f"{found[1]:.3f}", f"{np.mean(seconds.samples):.0f}"]
    )
    header = [
        "",
        "energy, training (meV/atom)",
        "force, training (eV/Å)",
        "energy, test (meV/atom)",
        "force, test (eV/Å)",
        "data set and training (s)",
    ]
    picture = Figure("errors", histogram(runs), "Errors on the test frames, all trainings.")
    report.sections.append(Section("Root mean square errors", [], [Table(header, rows)], [picture]))


def _row(run: Run) -> list[str]:
    errors = [*run.training, *run.test]
    cells = [f"{value:.{digits}f}" for value, digits in zip(errors, (2, 3, 2, 3), strict=True)]
    return [run.name, *cells, f"{run.seconds:.0f}"]


def histogram(runs: Sequence[Run]) -> str:
    """Distributions of the errors on the test frames."""
    figure, axes = panels(2)
    quantities = (("energies", "energy error (meV/atom)"), ("forces", "force error (eV/Å)"))
    for axis, (quantity, label) in zip(axes, quantities, strict=True):
        values = np.concatenate([getattr(run, quantity) for run in runs])
        axis.hist(values, bins=61, histtype="step", color="#4477aa")
        axis.set(xlabel=label, ylabel="number", yscale="log")
    return figure_svg(figure)


def add_command(commands: Any) -> None:
    """Add ``accuracy`` to the command line."""
    summary = __doc__.splitlines()[0]
    parser: argparse.ArgumentParser = commands.add_parser("accuracy", help=summary)
    parser.add_argument("--data", type=Path, required=True, help="file that ASE reads")
    parser.add_argument("--config", type=Path, help="as of amptorch train; default: its rules")
    parser.add_argument(
        "--potential", choices=tuple(recipes()), help="whose rules; default: what suits the frames"
    )
    parser.add_argument("--preset", choices=tuple(PRESETS), default="standard", help="of the rules")
    several: dict[str, Any] = {"nargs": "+", "action": "extend", "default": []}
    parser.add_argument("--key", metavar="KIND=NAME", help="as of amptorch train", **several)
    parser.add_argument("--set", metavar="SECTION.KEY=VALUE", help="of either", **several)
    kept = parser.add_mutually_exclusive_group(required=True)
    kept.add_argument("--test", type=int, default=0, help="frames kept apart, the last ones")
    kept.add_argument("--folds", type=int, default=0, help="keep every frame apart once")
    parser.add_argument("--only", type=int, nargs="+", metavar="FOLD", help="these folds, not all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--members", type=int, default=1, help="networks whose mean is judged: a committee"
    )
    parser.add_argument(
        "--limits",
        type=float,
        nargs="+",
        default=[],
        metavar="NUMBER",
        help="largest energy error (meV/atom), force error (eV/Å) and minutes that pass",
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, help="folder to write")
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    frames = read(arguments.data, ":")
    _check(arguments, len(frames))
    rules = f"the rules of {arguments.potential}" if arguments.potential else "the rules"
    name = arguments.config.stem if arguments.config else rules
    report = Report(
        "accuracy",
        f"Accuracy of {name} on {arguments.data.stem}",
        typed(
            "accuracy",
            data=arguments.data,
            config=arguments.config,
            potential=None if arguments.config else arguments.potential,
            preset=None if arguments.config else arguments.preset,
            key=arguments.key or None,
            set=arguments.set or None,
            test=arguments.test or None,
            folds=arguments.folds or None,
            only=arguments.only,
            seeds=arguments.seeds,
            members=arguments.members,
            limits=arguments.limits or None,
            threads=arguments.threads,
        ),
    )
    report.data["frames"] = Data.of(arguments.data, frames)
    if arguments.config:
        report.settings = {"configuration": arguments.config.read_text(encoding="utf-8")}
    runs, configure = [], configured(arguments)
    parts = (arguments.test, arguments.folds, arguments.seeds, arguments.only)
    for split in splits(frames, *parts):
        runs.append(train_and_test(*split, configure, arguments.members))
        print(" | ".join(_row(runs[-1])), flush=True)
    describe(report, runs, arguments.folds, arguments.limits)
    finish(report, arguments.out)


def _check(arguments: argparse.Namespace, n_frames: int) -> None:
    """Refuse what leaves nothing to train or to judge."""
    if arguments.config and arguments.key:
        raise SystemExit("--key: expected no --config, whose names are its own")
    if arguments.members < 1:
        raise SystemExit(f"--members: expected 1 or more, got {arguments.members}")
    for name in ("test", "folds"):
        value = getattr(arguments, name)
        if not 0 <= value < n_frames:
            raise SystemExit(f"--{name}: expected less than the {n_frames} frames, got {value}")
    if arguments.folds == 1:
        raise SystemExit("--folds: expected 2 or more, got 1: nothing is left to train on")
    wrong = [each for each in arguments.only or () if not 0 <= each < arguments.folds]
    if wrong:
        raise SystemExit(f"--only: expected numbers of the {arguments.folds} folds, got {wrong[0]}")
