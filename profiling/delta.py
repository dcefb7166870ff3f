"""Force error against the number of training frames, with and without a baseline (Δ-learning).

Frames kept apart are every n-th of the file; what is trained on is drawn from the others, each
number of frames from the larger one. Nothing is chosen by the frames kept apart.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from ase import Atoms
from ase.io import read
from numpy.typing import NDArray

from amptorch import AtomsTrainer
from amptorch.cli.config_file import read_config

from .accuracy import differences, rmse
from .report import Data, Figure, Report, Section, Table, finish, typed
from .report.plots import curves

SMOKE = ["--data", "{data}", "--config", "examples/snap.yaml", "--sizes", "2", "4"]
SMOKE += [
    "--set",
    "dataset.fp_params={{rcutfac: 4.0, twojmax: 2}}",
    "--baseline",
    "ZBL=zbl",
    "--seeds",
    "0",
]
SMOKE += ["--apart", "5", "--out", "{out}"]

ALONE = "none"
Errors = tuple[float, float]


@dataclass
class Curve:
    """Errors of one way.

    Attributes:
        name: of the baseline.
        baseline: in a configuration, or
        first: a configuration that is trained on the same frames before, as the baseline.
        errors: RMSE of energies (meV/atom) and forces (eV/Å) by number of frames, of all seeds.
    """

    name: str
    baseline: Any = None
    first: Mapping[str, Any] | None = None
    errors: dict[int, list[Errors]] = field(default_factory=dict)

    def force(self, size: int) -> float:
        """Mean force error with so many frames, eV/Å."""
        return float(np.mean([each[1] for each in self.errors[size]]))

    def energy(self, size: int) -> float:
        """Mean energy error with so many frames, meV/atom."""
        return float(np.mean([each[0] for each in self.errors[size]]))

    def needs(self, error: float) -> float:
        """Frames for a force error, by straight lines between logarithms; infinite beyond."""
        sizes = sorted(self.errors)
        values = [self.force(size) for size in sizes]
        for k, value in enumerate(values):
            if value <= error:
                if k == 0:
                    return float(sizes[0])
                ends = np.log([values[k - 1], value]), np.log(sizes[k - 1 : k + 1])
                share = (np.log(error) - ends[0][0]) / (ends[0][1] - ends[0][0])
                return float(np.exp(ends[1][0] + share * (ends[1][1] - ends[1][0])))
        return float("inf")


def trained(
    curve: Curve, config: Mapping[str, Any], train: Sequence[Atoms], seed: int, folder: str
) -> AtomsTrainer:
    """The configuration trained on frames above a baseline."""
    baselines = [config["dataset"].get("baseline"), curve.baseline]
    if curve.first is not None:
        before = trained(Curve(ALONE), curve.first, train, seed, folder)
        baselines.append({"potential": before.cp_dir})
    dataset = {**config["dataset"], "raw_data": list(train)}
    dataset["baseline"] = [each for each in baselines if each is not None]
    cmd = {**config.get("cmd", {}), "seed": seed, "run_dir": folder, "verbose": False}
    trainer = AtomsTrainer({**config, "dataset": dataset, "cmd": cmd})
    trainer.train()
    return trainer


def draw(
    curves_: Sequence[Curve],
    config: Mapping[str, Any],
    frames: Sequence[Atoms],
    sizes: Sequence[int],
    seed: int,
    apart: int,
) -> None:
    """Add the errors of one order of the frames to all curves."""
    test = list(frames[::apart])
    rest = [frame for index, frame in enumerate(frames) if index % apart]
    order: NDArray[Any] = np.random.default_rng(seed).permutation(len(rest))
    for size in sizes:
        train = [rest[index] for index in order[:size]]
        for curve in curves_:
            with tempfile.TemporaryDirectory() as folder:
                trainer = trained(curve, config, train, seed, folder)
                energies, forces = differences([trainer], test)
            errors = rmse(energies), rmse(forces)
            curve.errors.setdefault(size, []).append(errors)
            print(f"{size} frames, seed {seed}, {curve.name}: {errors}", flush=True)


def describe(
    report: Report, all_curves: Sequence[Curve], sizes: Sequence[int], limit: float | None
) -> None:
    """Put errors, checks, a table and a picture into a report."""
    alone, *others = all_curves
    for curve in all_curves:
        for size in sizes:
            for place, (name, unit) in enumerate((("energy", "meV/atom"), ("force", "eV/Å"))):
                samples = [each[place] for each in curve.errors[size]]
                report.measure(f"{curve.name}/{name} RMSE, {size} frames", samples, unit)
    rows = [_row(curve, alone, size) for curve in all_curves for size in sizes]
    for curve in others if limit is not None else []:
        for size in sizes:
            needed = alone.needs(curve.force(size))
            # Beyond the largest number it is not known how many more.
            known = np.isfinite(needed) or size <= limit * max(sizes)
            if known:
                what = f"{curve.name}: {size} frames, of those needed without it for this error"
                report.check(what, size / min(needed, max(sizes)), limit)
    header = ["baseline", "frames", "energy (meV/atom)", "force (eV/Å)", "frames without it"]
    points = {each.name: (sizes, [each.force(size) for size in sizes]) for each in all_curves}
    picture = curves(points, "training frames", "force RMSE of frames kept apart (eV/Å)", False)
    text = "Means over seeds. The last column: frames that give the same force error without it."
    figures = [Figure("curves", picture, "Force error against the number of training frames.")]
    report.sections.append(Section("Learning curves", [text], [Table(header, rows)], figures))


def _row(curve: Curve, alone: Curve, size: int) -> list[str]:
    needed = alone.needs(curve.force(size))
    same = "" if curve is alone else f"{needed:.0f}" if np.isfinite(needed) else "more than all"
    return [curve.name, str(size), f"{curve.energy(size):.2f}", f"{curve.force(size):.4f}", same]


def add_command(commands: Any) -> None:
    """Add ``delta`` to the command line."""
    summary = (__doc__ or "").splitlines()[0]
    parser: argparse.ArgumentParser = commands.add_parser("delta", help=summary)
    parser.add_argument("--data", type=Path, required=True, help="file that ASE reads")
    parser.add_argument("--config", type=Path, required=True, help="as of amptorch train")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--baseline", action="append", default=[], metavar="NAME=YAML")
    parser.add_argument(
        "--first",
        action="append",
        default=[],
        metavar="NAME=CONFIG",
        help="a configuration that is trained on the same frames before, as the baseline",
    )
    parser.add_argument("--sizes", type=int, nargs="+", required=True, help="training frames")
    parser.add_argument("--apart", type=int, default=5, help="keep every n-th frame apart")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--limit",
        type=float,
        help="share of the frames without a baseline that passes, such as 0.5",
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, help="folder to write")
    parser.set_defaults(run=_command)


def _curves(arguments: argparse.Namespace) -> list[Curve]:
    found = [Curve(ALONE)]
    for given in arguments.baseline:
        name, _, text = given.partition("=")
        found.append(Curve(name, baseline=yaml.safe_load(text)))
    for given in arguments.first:
        name, _, path = given.partition("=")
        found.append(Curve(name, first=read_config(Path(path), [])))
    return found


def _command(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    frames = read(arguments.data, ":")
    available = len(frames) - len(frames[:: arguments.apart])
    if not 0 < min(arguments.sizes) <= max(arguments.sizes) <= available:
        raise SystemExit(f"--sizes: expected 1 to {available} frames, got {arguments.sizes}")
    config, sizes = read_config(arguments.config, arguments.set), sorted(arguments.sizes)
    given = {
        name: value or None
        for name, value in vars(arguments).items()
        if name not in ("command", "run", "out")
    }
    title = f"Learning curves of {arguments.config.stem} on {arguments.data.stem}"
    report = Report("delta", title, typed("delta", **given))
    report.data["frames"] = Data.of(arguments.data, frames)
    report.settings = {"configuration": arguments.config.read_text(encoding="utf-8")}
    drawn = _curves(arguments)
    for seed in arguments.seeds:
        draw(drawn, config, frames, sizes, seed, arguments.apart)
    describe(report, drawn, sizes, arguments.limit)
    finish(report, arguments.out)
