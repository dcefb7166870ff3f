"""Cost of a force call through ASE against that of its kernels: neighbours, forward and vjp.

All are timed in turns in one process, so that what else the machine does meets them alike; atoms
move a little before every call. Ratios are those of one turn.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms

from amptorch import AmpTorch, AtomsTrainer
from amptorch.data.reading import elements_of

from .fit import SYMMETRY_FUNCTIONS
from .options import add_options, start
from .other_kernels import KERNELS, OtherKernels
from .report import Report, Section, Table, finish
from .timing import in_turns, milliseconds
from .workload import train, trainer_of

SMOKE = ["--data", "{data}", "--repeats", "1", "--copies", "2", "--out", "{out}"]
SMOKE += ["--beside", str(Path(__file__).parents[1])]  # itself
SETS: dict[str, Any] = {
    "36": SYMMETRY_FUNCTIONS,
    "105": {
        "default": {
            "G2": {"etas": np.geomspace(0.05, 5.0, 11), "rs_s": [0]},
            "G4": {"etas": [0.005, 0.02, 0.08], "zetas": [1.0, 4.0], "gammas": [1.0, -1.0]},
            "cutoff": 6.0,
        }
    },
}
"""By the number of functions for three elements: that of the original's examples, and "medium"."""

AGREEMENT = {torch.float64: 1e-11, torch.float32: 1e-4}
STEP = 0.004  # Å, of the moves
MANY = 600  # atoms of the frames that are predicted at once


def systems(image: Atoms, copies: int) -> dict[str, Atoms]:
    """A cell of four atoms of the image's elements, the image, and large ones of both, by the
    number of atoms."""
    elements = elements_of([image])
    symbols = [elements[k % len(elements)] for k in range(4)]
    places = [(0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)]
    small = Atoms(symbols, scaled_positions=places, cell=[3.8, 3.8, 3.9], pbc=True)
    large = image.repeat((max(copies // 2, 1), max(copies // 2, 1), max(copies // 4, 1)))
    found = {}
    for each in (small, image.copy(), small.repeat(copies), large):
        each.calc = None
        each.rattle(0.05, seed=0)
        found[str(len(each))] = each
    return found


def calls_of(
    trainer: AtomsTrainer, image: Atoms, dtype: torch.dtype
) -> dict[str, Callable[[], Any]]:
    """The kernels, and force calls with neighbours kept and with neighbours found anew."""
    descriptor = trainer.descriptor
    environment = descriptor.environment(image).to(dtype)
    random = torch.Generator().manual_seed(0)
    shape = (environment.n_atoms, descriptor.n_features)
    gradient = torch.randn(shape, generator=random, dtype=torch.float64).to(dtype)
    return {
        "neighbours": lambda: descriptor.environment(image),
        "forward": lambda: descriptor.fingerprints(environment),
        "vjp": lambda: descriptor.vjp(environment, gradient),
        "force call": moving(image, AmpTorch(trainer)),
        "force call, new neighbours": moving(image, AmpTorch(trainer, skin=0)),
    }


def moving(image: Atoms, calculator: AmpTorch) -> Callable[[], Any]:
    """A force call through ASE, whose atoms move a little before it."""
    image = image.copy()
    image.calc = calculator
    moves = np.random.default_rng(0).normal(0.0, STEP, (2, len(image), 3))
    moves[1] = -moves[0]
    count = iter(range(10**9))

    def call() -> Any:
        image.positions += moves[next(count) % 2]
        return image.get_forces()

    return call


def check(report: Report, trainer: AtomsTrainer, image: Atoms, what: str, limit: float) -> None:
    """Compare with the general path, which evaluates stage after stage."""
    apart = trainer.potential.evaluate([image], True, descriptors=True)
    once = trainer.potential.evaluate([image], True)
    for name, ours, theirs in (
        ("energy", once.energy, apart.energy),
        ("forces", once.forces[0], apart.forces[0]),
        ("stress", once.stress[0], apart.stress[0]),
    ):
        error = np.abs(ours - theirs).max() / np.abs(theirs).max()
        report.check(f"{what}: {name} in one pass and in stages, relative", error, limit)


def measure(report: Report, images: Sequence[Atoms], copies: int, repeats: int) -> None:
    """Add all sets, precisions and systems to a report."""
    rows, many = [], []
    for dtype in (torch.float64, torch.float32):
        for functions, parameters in SETS.items():
            trainer = trainer_of(images, parameters, dtype=dtype, layers=2)
            train(trainer)
            for atoms, image in systems(images[0], copies).items():
                what = f"{str(dtype)[6:]}, {functions} functions, {atoms} atoms"
                check(report, trainer, image, what, AGREEMENT[dtype])
                found = in_turns(calls_of(trainer, image, dtype), repeats)
                rows.append([what, *_cells(report, what, found, int(atoms))])
                if len(image) <= MANY:
                    many.append(measure_many(report, trainer, image, what, repeats))
    header = [
        "",
        "neighbours",
        "forward",
        "vjp",
        "force call",
        "of the three",
        "new neighbours",
        "of the three",
        "µs/atom",
    ]
    text = (
        "Medians in ms, and medians of ratios; networks of two layers of 20 nodes, one an element, "
        "all of which every atom sees. The machine may have been shared with other programs."
    )
    report.sections.append(Section("Force calls", [text], [Table(header, rows)]))
    header = ["", "frames", "one by one", "at once", "ratio"]
    text = "Potential.predict, medians in ms a frame."
    report.sections.append(Section("Frames at once", [text], [Table(header, many)]))


def measure_many(
    report: Report, trainer: AtomsTrainer, image: Atoms, what: str, repeats: int
) -> list[str]:
    """Add frames predicted at once, and one after the other, in ms a frame."""
    frames = [image.copy() for _ in range(max(MANY // len(image), 2))]
    for seed, frame in enumerate(frames):
        frame.rattle(STEP, seed=seed)
    potential = trainer.potential
    found = in_turns(
        {
            "frames at once": lambda: potential.predict(frames),
            "frames one by one": lambda: [potential.predict([frame]) for frame in frames],
        },
        repeats,
    )
    samples = {name: np.array(each) / len(frames) for name, each in found.items()}
    for name, each in samples.items():
        report.measure(f"{what}/{name}", each.tolist(), "ms a frame")
    together, apart = samples.values()
    ratio = report.measure(f"{what}/at once, of one by one", (together / apart).tolist(), "")
    cells = [f"{np.median(each):.3g}" for each in (apart, together)]
    return [what, str(len(frames)), *cells, f"{ratio.median:.2f}"]


def _cells(
    report: Report, what: str, found: Mapping[str, Sequence[float]], atoms: int
) -> list[str]:
    samples = {name: np.array(each) for name, each in found.items()}
    kernels = samples["neighbours"] + samples["forward"] + samples["vjp"]
    for name, each in samples.items():
        report.measure(f"{what}/{name}", each.tolist(), "ms")
    cells = [f"{np.median(samples[name]):.3g}" for name in ("neighbours", "forward", "vjp")]
    for name in ("force call", "force call, new neighbours"):
        ratio = report.measure(
            f"{what}/{name}, of the kernels", (samples[name] / kernels).tolist(), ""
        )
        cells += [f"{np.median(samples[name]):.3g}", f"{ratio.median:.2f}"]
    return [*cells, f"{1e3 * np.median(samples['force call']) / atoms:.3g}"]


def measure_beside(report: Report, images: Sequence[Atoms], repeats: int, folder: Path) -> None:
    """Add force calls beside the float64 kernels of another checkout, in turns: the first image."""
    rows = []
    image = images[0].copy()
    image.calc = None
    image.rattle(0.05, seed=0)
    for functions, parameters in SETS.items():
        trainers = {}
        for dtype in (torch.float64, torch.float32):
            trainers[str(dtype)[6:]] = trainer_of(images, parameters, dtype=dtype, layers=2)
            train(trainers[str(dtype)[6:]])
        rows += _beside(report, trainers, image, functions, repeats, folder)
    header = ["", "three kernels there", "force call", "ratio"]
    text = (
        "Medians in ms, and medians of ratios: neighbours, forward and vjp of another checkout in "
        "float64, each after a call that is not counted, as force calls here are."
    )
    report.sections.append(Section("Beside another checkout", [text], [Table(header, rows)]))


def _beside(
    report: Report,
    trainers: Mapping[str, AtomsTrainer],
    image: Atoms,
    functions: str,
    repeats: int,
    folder: Path,
) -> list[list[str]]:
    what, parameters = f"{functions} functions", SETS[functions]
    descriptor = trainers["float64"].descriptor
    shape = (len(image), descriptor.n_features)
    gradient = np.random.default_rng(0).normal(size=shape)
    calls = {name: moving(image, AmpTorch(each)) for name, each in trainers.items()}
    found: dict[str, list[float]] = {name: [] for name in (*KERNELS, *calls)}
    with OtherKernels(folder, image, descriptor.elements, parameters, gradient) as other:
        environment = descriptor.environment(image)
        ours = (
            descriptor.fingerprints(environment).numpy(),
            descriptor.vjp(environment, torch.from_numpy(gradient)).numpy(),
        )
        for name, our, their in zip(("forward", "vjp"), ours, other.results, strict=True):
            error = np.abs(our - their).max() / np.abs(their).max()
            report.check(f"{what}: {name} here and there, relative", error, 1e-11)
        for _ in range(repeats):
            for name, spent in zip(KERNELS, other.milliseconds(), strict=True):
                found[name].append(spent)
            for name, call in calls.items():
                found[name] += milliseconds(call, 1)
    samples = {name: np.array(each) for name, each in found.items()}
    kernels = sum(samples[name] for name in KERNELS)
    for name in KERNELS:
        report.measure(f"there, {what}/{name}", found[name], "ms")
    rows = []
    for name in calls:
        key = f"beside, {name}, {what}/force call"
        report.measure(key, found[name], "ms")
        ratio = report.measure(
            f"{key}, of the kernels there", (samples[name] / kernels).tolist(), ""
        )
        cells = [f"{np.median(kernels):.3g}", f"{np.median(samples[name]):.3g}"]
        rows.append([f"{name}, {what}, {len(image)} atoms", *cells, f"{ratio.median:.3f}"])
    return rows


def add_command(commands: Any) -> None:
    """Add ``force-call`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "force-call", help=__doc__.splitlines()[0]
    )
    add_options(parser, frames=4)
    parser.add_argument("--copies", type=int, default=8, help="of the small cell along each axis")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument(
        "--beside", help="another checkout, built: its kernels in turns with force calls"
    )
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    report, images = start(arguments, "Force calls")
    if arguments.beside is not None:
        measure_beside(report, images, arguments.repeats, Path(arguments.beside))
    measure(report, images, arguments.copies, arguments.repeats)
    finish(report, arguments.out)
