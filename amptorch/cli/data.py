"""``data``: what a data set holds."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from ..data.inspection import Inspection
from ..data.keys import Keys
from ..data.memory import estimate_memory
from ..data.overview import Frame, Overview
from ..data.reading import load_images
from ..data.targets import TargetReader
from ..descriptor.from_data import choose as choose_functions
from ..descriptor.from_data import depends_on_data
from ..descriptor.Gaussian.auto import nearest_distances
from ..descriptor.schemes import Setup, construct_descriptor
from ..recipe import Facts, choose
from .options import add_data
from .parser import examples
from .settings import given_keys

SHOWN = 10
CUTOFF = 6.0  # Å, within which shortest distances are looked for


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser(
        "data",
        help="show what a data set holds",
        description="Show frames, elements, names of energies and forces, their values by group, "
        "duplicates, shortest distances, outliers, and the memory that training will take.",
        epilog=examples("amptorch data data.extxyz", "amptorch data runs --key energy=REF_energy"),
    )
    add_data(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print it."""
    images = load_images(arguments.data, "data")
    facts = Facts.of(images, given_keys(arguments.keys, Keys()).given() or None)
    keys = Keys.of(facts.keys)
    overview = Overview.of(images, keys)
    inspection = Inspection(TargetReader(energy=False, forces=False, keys=keys))
    inspection.read(images)
    print(inspection.summary())
    if facts.keys:
        print(f"names: {', '.join(f'{kind}={name}' for kind, name in facts.keys.items())}")
    sizes = [len(image) for image in images]
    print(f"atoms of a frame: {min(sizes)} to {max(sizes)}, {facts.n_atoms} in all")
    print(f"elements: {', '.join(f'{n} of {name}' for name, n in facts.atoms.items())}")
    periodic = Counter("".join("FT"[int(each)] for each in image.pbc) for image in images)
    print(f"periodic: {', '.join(f'{n} are {name}' for name, n in periodic.items())}")
    print("\n".join(groups(overview)))
    print("\n".join(findings(overview)))
    near = nearest_distances(images, facts.elements, CUTOFF)
    text = ", ".join(f"{'-'.join(pair)} {length:.3f}" for pair, length in sorted(near.items()))
    print(f"shortest distances (Å): {text or f'none under {CUTOFF:g}'}")
    print(memory(images, facts))
    inspection.warn()


def groups(overview: Overview) -> Iterator[str]:
    """A table of energies and forces."""
    yield f"{'group':24s} frames  energy (eV/atom): mean, spread      force (eV/Å): rms, largest"
    for name, frames in overview.groups().items():
        yield f"{name[:24]:24s} {len(frames):6d}  {_energies(frames):35s} {_forces(frames)}"


def _energies(frames: Sequence[Frame]) -> str:
    found = [frame.energy for frame in frames if frame.energy is not None]
    return f"{np.mean(found):12.4f} {np.ptp(found):10.4f}" if found else "none"


def _forces(frames: Sequence[Frame]) -> str:
    found = [frame.force for frame in frames if frame.force is not None]
    if not found:
        return "none"
    rms = np.sqrt(np.mean([each[1] ** 2 for each in found]))
    return f"{rms:8.3f} {max(each[0] for each in found):8.3f}"


def findings(overview: Overview) -> Iterator[str]:
    """Duplicates and outliers."""
    copies = overview.duplicates()
    told = "; ".join(", ".join(map(str, places)) for places in copies[:SHOWN])
    yield f"duplicates: {_counted(len(copies), told)}"
    energies = overview.energy_outliers()
    told = ", ".join(f"{place} ({away:+.3f} eV/atom)" for place, away in energies[:SHOWN])
    yield f"outliers of energy: {_counted(len(energies), told)}"
    forces = overview.force_outliers()
    told = ", ".join(f"{place} ({size:.1f} eV/Å)" for place, size in forces[:SHOWN])
    yield f"outliers of force: {_counted(len(forces), told)}"


def _counted(number: int, told: str) -> str:
    rest = f", and {number - SHOWN} more" if number > SHOWN else ""
    return f"{number}, frames {told}{rest}" if number else "none"


def memory(images: Sequence[Any], facts: Facts) -> str:
    """What training as `amptorch train` would do it takes."""
    dataset = choose(facts).config["dataset"]
    setup: Setup = (
        dataset["fp_scheme"],
        dataset["fp_params"],
        {"cutoff_func": "Cosine"},
        facts.elements,
    )
    if depends_on_data(setup[1], None):
        setup = choose_functions(setup, images).setup
    descriptor = construct_descriptor(setup)
    size = estimate_memory(list(images), descriptor, facts.forces, torch.float32)
    return f"memory of training: about {size / 1e9:.2f} GB, {descriptor.n_features} fingerprints"
