"""Neuroevolution potentials beside NEP_CPU (``calorine``'s ``CPUNEP``), on one core.

A few generations of evolution make a nep.txt; both read it. Energies and forces of the same frames
are compared, then timed in turns, and a generation is set against as many evaluations of all frames
by NEP_CPU as it has members.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.io import write

import amptorch
from amptorch.data.gpumd import read_gpumd
from amptorch.data.xyz import frame_lines
from amptorch.fit.evolution.directory import Directory
from amptorch.fit.evolution.training import Training

from .options import add_options, start
from .report import Report, Section, Table, finish
from .timing import in_turns

SMOKE = ["--data", "{data}", "--frames", "2", "--repeats", "1", "--out", "{out}"]
POPULATION = 50
# The sizes of GPUMD's published example, PbTe.
SIZES = "cutoff 8 4\nn_max 4 4\nbasis_size 8 8\nl_max 4 2 0\nneuron 30\n"
AGREEMENT = 1e-6  # of energies of atoms (eV) and forces (eV/Å)
# What is asked for: parts of NEP_CPU's time for a force call, and for a generation.
CALL, GENERATION = 0.4, 1 / 40


def missing() -> str:
    """What the command lacks here."""
    return "" if importlib.util.find_spec("calorine") else "calorine: pip install .[test]"


def write_frames(data: Path, images: Sequence[Atoms], path: Path) -> None:
    """Write train.xyz: of GPUMD's own files the first frames as they are."""
    if data.suffix != ".xyz":
        write(path, images, format="extxyz")
        return
    frames = itertools.islice(frame_lines(data), len(images))
    path.write_text("".join(line for each in frames for line in each.text), encoding="utf-8")


def train(folder: Path, images: Sequence[Atoms], generations: int) -> list[float]:
    """Seconds of each generation but the first, which looks at no frames, and the second."""
    symbols = sorted({symbol for image in images for symbol in image.symbols.species()})
    lengths = f"population {POPULATION}\ngeneration {generations}\noutput_interval {generations}\n"
    elements = f"type {len(symbols)} {' '.join(symbols)}\n"
    (folder / "nep.in").write_text(elements + SIZES + lengths, encoding="ascii")
    moments: list[float] = []
    training = Training(Directory(folder))
    for _ in training.run(lambda generation, best: moments.append(time.perf_counter())):
        pass
    return np.diff(moments)[1:].tolist()


def found(calculator: Calculator, images: Sequence[Atoms]) -> list[np.ndarray[Any, Any]]:
    """Of each image the forces and the energy an atom."""
    values = []
    for image in images:
        calculator.calculate(image, ["energy", "forces"], all_changes)
        forces = np.asarray(calculator.results["forces"])
        values.append(np.append(forces, calculator.results["energy"] / len(image)))
    return values


def measure(report: Report, arguments: argparse.Namespace, images: Sequence[Atoms]) -> None:
    """Add all to a report."""
    from calorine.calculators import CPUNEP

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_frames(arguments.data, images, folder / "train.xyz")
        generations = train(folder, images, arguments.repeats + 2)
        images = [frame.atoms for frame in read_gpumd(folder / "train.xyz")]
        other = CPUNEP(str(folder / "nep.txt"))
        ours = amptorch.AmpTorch(amptorch.load(folder / "nep.txt"), skin=0.0)
        pairs = zip(found(ours, images), found(other, images), strict=True)
        difference = max(float(np.abs(a - b).max()) for a, b in pairs)
        report.check("energies of atoms and forces, NEP_CPU's and ours", difference, AGREEMENT)
        sides = {"NEP_CPU": partial(found, other, images), "AmpTorch": partial(found, ours, images)}
        times = in_turns(sides, arguments.repeats)
    atoms = sum(map(len, images))
    for side, values in times.items():
        report.measure(f"force call/{side}", [1e3 * each / atoms for each in values], "µs/atom")
    evaluation, call = (float(np.median(values)) for values in times.values())
    generation = report.measure("generation", [1e3 * each for each in generations], "ms").median
    all_members = POPULATION * evaluation
    rows = [
        ["force call, µs an atom", *_cells(1e3 * evaluation / atoms, 1e3 * call / atoms)],
        [
            f"{POPULATION} evaluations of all frames, ms",
            *_cells(all_members, generation),
        ],
    ]
    text = "Medians of wall time, one thread; ours of the latter is a generation of evolution."
    header = ["", "NEP_CPU", "ours", "ratio"]
    report.sections.append(Section("Beside NEP_CPU", [text], [Table(header, rows)]))
    if arguments.limits:
        report.check("force call, part of NEP_CPU's", call / evaluation, CALL)
        what = f"generation, part of {POPULATION} evaluations by NEP_CPU"
        report.check(what, generation / all_members, GENERATION)


def _cells(theirs: float, own: float) -> list[str]:
    return [f"{theirs:.4g}", f"{own:.4g}", f"1/{theirs / own:.3g}"]


def add_command(commands: Any) -> None:
    """Add ``nep`` to the command line."""
    parser = commands.add_parser("nep", help=__doc__.splitlines()[0])
    add_options(parser, frames=20)
    parser.add_argument("--repeats", type=int, default=9, help="turns, and generations")
    parser.add_argument("--limits", action="store_true", help="check the ratios, too")
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    if missing():
        raise SystemExit(f"nep needs {missing()}")
    report, images = start(arguments, "Neuroevolution potentials beside NEP_CPU")
    measure(report, arguments, images)
    finish(report, arguments.out)
