"""How the cost grows with frames, atoms, neighbours, features, threads and processes."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ase import Atoms

from amptorch import AtomsTrainer
from amptorch.store import FingerprintStore, build_store

from .fit import SYMMETRY_FUNCTIONS
from .options import add_options, start
from .report import Figure, Measurement, Report, Section, Table, finish
from .report.plots import curves, exponent
from .sizes import Case, cases, supercell
from .timing import milliseconds
from .workload import train, trainer_of

SMOKE = [
    "--data",
    "{data}",
    "--frames",
    "4",
    "--repeats",
    "1",
    "--processes",
    "1",
    "--out",
    "{out}",
]
CHECKED = 8  # frames on which results are compared
RELATIVE, FORCES = 1e-10, 1e-8  # limits of differences; of those of forces in eV/Å
EXPLAINED = {
    "frames": "{n} frames, a half and a quarter of them; one thread.",
    "atoms per frame": "{n} frames, repeated along their shortest periodic axis; one thread.",
    "neighbours per atom": "{n} frames, cutoffs of 4 to 7 Å; one thread.",
    "features": "{n} frames; the radial and angular functions of the original's examples, then "
    "twice and four times as many; one thread.",
    "threads": "{n} frames. An exponent of -1 would be perfect.",
    "processes": "Processes that build a store of {n} frames. The seconds that they take to start "
    "are counted, and pay for large data sets only.",
}


def check(report: Report, images: Sequence[Atoms], threads: int, processes: int) -> None:
    """Compare what is timed below, however it is computed."""
    images = images[:CHECKED]
    case = Case(0, images, SYMMETRY_FUNCTIONS)
    trainer = trainer_of(images)
    train(trainer)
    alone = results(trainer, case, 1)
    shared = results(trainer, case, threads) if threads > 1 else {}
    for name, many in shared.items():
        error = (many - alone[name]).abs().max() / many.abs().max()
        report.check(f"{name} of 1 and {threads} threads, relative", error, RELATIVE)
    if all(image.pbc.any() for image in images):
        doubled = trainer.predict([supercell(image, 2) for image in images])["forces"]
        expected = alone["forces"].split([len(image) for image in images])
        pairs = zip(map(torch.from_numpy, doubled), expected, strict=True)
        error = max((large - small.repeat(2, 1)).abs().max() for large, small in pairs)
        report.check("forces in cells and in cells twice as large", error, FORCES, "eV/Å")
    if processes > 1:
        with tempfile.TemporaryDirectory() as folder:
            stores = [_store(case, Path(folder) / f"{n}.lmdb", n) for n in (1, processes)]
            pairs = list(zip(*stores, strict=True))
        error = max((one.fingerprint - other.fingerprint).abs().max() for one, other in pairs)
        report.check(f"fingerprints in stores that 1 and {processes} processes built", error, 0.0)


def results(trainer: AtomsTrainer, case: Case, threads: int) -> dict[str, torch.Tensor]:
    """Fingerprints, derivatives, energies and forces of all images, by so many threads."""
    torch.set_num_threads(threads)
    descriptor = case.descriptor()
    found = [descriptor.jacobian(each) for each in descriptor.environments(case.images)]
    fingerprints, blocks = (torch.cat(parts) for parts in zip(*found, strict=True))
    predicted = trainer.predict(case.images)
    torch.set_num_threads(1)
    return {
        "fingerprints": fingerprints,
        "derivatives": blocks,
        "energies": torch.tensor(predicted["energy"]),
        "forces": torch.cat([torch.from_numpy(forces) for forces in predicted["forces"]]),
    }


def measure(
    report: Report, images: Sequence[Atoms], threads: int, processes: int, repeats: int
) -> None:
    """Add the costs of all cases to a report, a section for what grows."""
    for name, some in cases(images, threads).items():
        found = {case.size: costs(case, repeats) for case in some}
        report.sections.append(section(report, name, found, len(some[-1].images)))
    case = Case(0, images, SYMMETRY_FUNCTIONS)
    found = {n: building(case, n, repeats) for n in range(1, processes + 1)}
    report.sections.append(section(report, "processes", found, len(images)))


def costs(case: Case, repeats: int) -> dict[str, list[float]]:
    """Milliseconds of what a user waits for."""
    torch.set_num_threads(case.threads)
    trainer, descriptor = trainer_of(case.images, case.functions), case.descriptor()
    train(trainer)

    def derivatives() -> None:
        for environment in descriptor.environments(case.images):
            descriptor.jacobian(environment)

    calls: dict[str, Callable[[], Any]] = {
        "fingerprints and derivatives": derivatives,
        "training epoch": lambda: trainer.net.partial_fit(trainer.train_dataset, None, epochs=1),
        "prediction": lambda: trainer.predict(case.images),
    }
    found = {name: milliseconds(call, repeats) for name, call in calls.items()}
    torch.set_num_threads(1)
    return found


def building(case: Case, processes: int, repeats: int) -> dict[str, list[float]]:
    """Milliseconds in which so many processes build a store, those of their start included."""
    with tempfile.TemporaryDirectory() as folder:
        paths = iter(Path(folder) / f"{number}.lmdb" for number in range(repeats + 1))
        return {"store": milliseconds(lambda: _store(case, next(paths), processes), repeats)}


def section(
    report: Report, name: str, found: Mapping[float, Mapping[str, list[float]]], frames: int
) -> Section:
    """Costs of so many frames against what grows; they are added to the measurements too."""
    measured: dict[str, dict[float, Measurement]] = {}
    for size, samples in found.items():
        for what, each in samples.items():
            key = f"{what}/{name} {size:.4g}"
            measured.setdefault(what, {})[size] = report.measure(key, each, "ms")
    rows = [
        [f"{size:.4g}", *(_cell(by_size[size]) for by_size in measured.values())] for size in found
    ]
    points = {
        what: (list(by_size), [each.median for each in by_size.values()])
        for what, by_size in measured.items()
    }
    powers = [f"{exponent(*each)[0]:.2f}" if len(each[0]) > 1 else "" for each in points.values()]
    rows.append(["exponent", *powers])
    figure = Figure(name.replace(" ", "_"), curves(points, name, "ms"))
    text = EXPLAINED[name].format(n=frames)
    return Section(f"Cost against {name}", [text], [Table([name, *measured], rows)], [figure])


def _cell(each: Measurement) -> str:
    low, high = each.quartiles
    return f"{each.median:.3g} ms ({low:.3g} to {high:.3g})"


def _store(case: Case, path: Path, processes: int) -> FingerprintStore:
    options = {"processes": processes, "verbose": False}
    return build_store(case.images, path, case.descriptor(), torch.float64, "cached", **options)


def add_command(commands: Any) -> None:
    """Add ``scaling`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser("scaling", help=__doc__.splitlines()[0])
    add_options(parser, frames=40, threads=2)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    report, images = start(arguments, "How the cost grows")
    check(report, images, arguments.threads, arguments.processes)
    measure(report, images, arguments.threads, arguments.processes, arguments.repeats)
    finish(report, arguments.out)
