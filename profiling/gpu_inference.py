"""Force calls through ASE with a potential on a device: time, memory, agreement with the CPU."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from ase import Atoms

from amptorch import AmpTorch, Potential
from amptorch.preprocessing.utils import ExtrapolationWarning

from .device import peak_memory, profiled
from .force_call import moving
from .gpu_epoch import kernels_of, stages_of
from .gpu_kernels import Work
from .report import Report, Section, Table
from .timing import milliseconds
from .workload import train, trainer_of

TRAINED = 4
"""Frames that the potential is trained with, on the CPU."""
ATOMS = {"cuda": 100_000, "cpu": 300}
"""Of the large cell, at least, by the type of the device."""
CALLS = 10
LIMITS = {torch.float64: 1e-10, torch.float32: 1e-4}
"""Relative to the largest value."""
WAYS = {"list": 0.5, "neighbours anew": 0.0}
"""Skins in Å."""


def measure(report: Report, work: Work) -> None:
    """Add force calls of a frame and of a large cell of its copies to a report."""
    on_cpu = potential_of(work)
    model = copy.deepcopy(on_cpu.model).to(work.device)
    there = Potential(model, on_cpu.descriptor, on_cpu.scalers, on_cpu.keys)
    small, rows = _rattled(work.images[0]), []
    cell = large(small, ATOMS[work.device.type])
    for image in (small, cell):
        _check(report, work, there, on_cpu, image)
        for way, skin in WAYS.items():
            call = moving(image, AmpTorch(there, skin=skin))
            rows.append(_row(report, work, f"{len(image)} atoms, {way}", call, len(image)))
    call = moving(cell, AmpTorch(there))
    _first(call)
    found = profiled(call, work.device)
    key = f"inference/{work.name}"
    report.measure(f"{key}/device busy", [found.busy], "ms")
    report.measure(f"{key}/device idle", [100 * found.idle], "%")
    text = (
        "Energy, forces and stress of ASE's calculator, with 36 symmetry functions and networks of "
        "three layers of 20 nodes; atoms move a little before every call. Neighbours come of a "
        "list with a skin, or are found anew. In a call for the large cell, "
        f"with the list, of {found.wall:.1f} ms the device is busy for {found.busy:.1f} ms."
    )
    header = ["", "ms", "µs an atom", "peak memory (MB)", "bytes an atom"]
    tables = [Table(header, rows), kernels_of(found), stages_of(found)]
    report.sections.append(Section(f"Force calls through ASE, {work.name}", [text], tables))


def potential_of(work: Work) -> Potential:
    """On the CPU; it stands for a frame of whatever size."""
    trainer = trainer_of(work.images[:TRAINED], dtype=work.dtype, derivatives="on_the_fly")
    train(trainer)
    trainer.potential.scalers["target"].target_mean *= 0
    return trainer.potential


def large(image: Atoms, n_atoms: int) -> Atoms:
    """A cell of copies of a frame that has so many atoms, or somewhat more, none like another."""
    side = int(np.ceil((n_atoms / len(image)) ** (1 / 3)))
    return _rattled(image.repeat((side, side, int(np.ceil(n_atoms / len(image) / side**2)))))


def _rattled(image: Atoms) -> Atoms:
    image = image.copy()
    image.calc = None
    image.rattle(0.02, seed=1)
    return image


def _check(report: Report, work: Work, there: Potential, on_cpu: Potential, image: Atoms) -> None:
    found, wanted = (each.evaluate([image], True) for each in (there, on_cpu))
    of_atoms = float(np.abs(wanted.energies[0]).sum())  # which cancel in the energy
    for name, ours, theirs, scale in (
        ("energy", found.energy, wanted.energy, of_atoms),
        ("forces", found.forces[0], wanted.forces[0], np.abs(wanted.forces[0]).max()),
        ("stress", found.stress[0], wanted.stress[0], np.abs(wanted.stress[0]).max()),
    ):
        what = f"{len(image)} atoms, {work.name}: {name} on the device and on the CPU, relative"
        report.check(what, float(np.abs(ours - theirs).max() / scale), LIMITS[work.dtype])


def _row(report: Report, work: Work, what: str, call: Callable[[], Any], n_atoms: int) -> list[str]:
    key = f"inference/{work.name}/{what}"
    _first(call)
    memory = peak_memory(call, work.device)
    found = report.measure(key, milliseconds(call, CALLS if work.repeats > 1 else 1), "ms")
    each = report.measure(f"{key}, an atom", [1e3 * found.median / n_atoms], "µs")
    cells = [what, f"{found.median:.2f}", f"{each.median:.3f}"]
    if memory is None:
        return [*cells, "", ""]
    report.measure(f"{key}, peak memory", [memory], "MB")
    return [*cells, f"{memory:.0f}", f"{1e6 * memory / n_atoms:.0f}"]


def _first(call: Callable[[], Any]) -> None:
    """A call that compiles kernels, and warns of atoms that are as none in training."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        call()
