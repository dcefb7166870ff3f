"""What a force call costs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from ase import Atoms

from ...ase_utils import SKIN, AmpTorch
from ...potentials.potential import Potential

# Frames that are timed, calls of each before, calls of each at least, and seconds that are enough.
FRAMES, WARM, LEAST, ENOUGH = 3, 2, 5, 0.1
MOVE = 0.004  # Å, of every atom between calls


def microseconds_an_atom(
    potential: Potential, images: Sequence[Atoms], skin: float = SKIN
) -> float:
    """Time of a force call (of an energy, without forces) through ASE, by one thread: the fastest
    call of each of three images, and their median.

    It is that thread's own time, and the fastest, as what else the machine does, such as other
    trials, makes calls slower and never faster.

    Args:
        potential: any.
        images: the three of them that are nearest the median size are timed.
        skin: Å; with 0 each call looks for neighbours anew, else those of the first are kept.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return float(np.median([min(_timed(potential, image, skin)) for image in _typical(images)]))
    finally:
        torch.set_num_threads(threads)


def _typical(images: Sequence[Atoms]) -> list[Atoms]:
    middle = float(np.median([len(image) for image in images]))
    return sorted(images, key=lambda image: abs(len(image) - middle))[:FRAMES]


def _timed(potential: Potential, image: Atoms, skin: float) -> Iterator[float]:
    """Of calls, µs an atom."""
    image = Atoms(image.symbols, image.positions, cell=image.cell, pbc=image.pbc)
    image.calc = AmpTorch(potential, skin)
    image.calc.n_outside = 1  # it warns of the first atom outside the range of training
    move = np.random.default_rng(0).normal(0.0, MOVE, image.positions.shape)
    spent, calls = 0.0, 0
    while calls < WARM + LEAST or spent < ENOUGH:
        image.positions += move if calls % 2 else -move
        begun = time.thread_time()
        _ = image.get_forces() if potential.forces else image.get_potential_energy()
        seconds = time.thread_time() - begun
        calls += 1
        if calls > WARM:
            spent += seconds
            yield 1e6 * seconds / len(image)
