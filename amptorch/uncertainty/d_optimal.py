"""Frames that tell a potential most of what it does not know, by extrapolation grades.

The functions of atoms of each element that were trained on have an active set
(:mod:`amptorch.potentials.active_set`). The frame of the pool with the largest grade of an atom is
chosen, its atoms join the set, which keeps those of the largest volume, and so on: frames that are
alike are chosen once. Y. Lysogorskiy et al., Phys. Rev. Mater. 7, 043801 (2023).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from ..data.frame import AtomsData
from ..potentials.ace.graded import Graded
from ..potentials.active_set import TOLERANCE, ActiveSet
from ..potentials.model import Model
from ..potentials.potential import Potential

Array = NDArray[np.float64]
Rows = tuple[int, str, Array]
"""Functions [n_atoms, n] of the atoms of one element of a frame."""


@dataclass
class Chosen:
    """A frame of a pool.

    Attributes:
        place: in the pool.
        grade: the largest of its atoms, when it was chosen.
    """

    place: int
    grade: float


def choose(
    potential: Potential,
    pool: Sequence[Atoms],
    number: int,
    training: Sequence[Atoms] | None = None,
) -> list[Chosen]:
    """Frames to calculate next, the one of the largest grade first; fewer than asked for where no
    other is beyond what is known.

    Args:
        potential: whose model is linear in functions of atoms, or in functions of these: of the
            families ace and linear.
        pool: frames to choose of.
        number: how many.
        training: frames of which active sets are made; None for those that the potential knows.

    Raises:
        ValueError: a model without such functions, without active sets where none are made, or
            training frames with fewer atoms of an element than it has functions.
    """
    potential = potential.potential
    rows = list(_functions(potential, pool))
    known = _known(potential.model) if training is None else _of_frames(potential, training)
    unknown = sorted({symbol for _, symbol, _ in rows} - known.keys())
    if unknown:
        raise ValueError(f"pool: no active set of {', '.join(unknown)}, only {', '.join(known)}")
    # Sets that change may leave out what was known of the others.
    beyond = _grades(rows, known, len(pool)) > TOLERANCE
    rows = [each for each in rows if beyond[each[0]]]
    chosen: list[Chosen] = []
    while len(chosen) < number:
        grades = _grades(rows, known, len(pool))
        place = int(grades.argmax())
        if grades[place] <= TOLERANCE:
            break
        chosen.append(Chosen(place, float(grades[place])))
        for at, symbol, values in rows:
            if at == place:
                known[symbol].add(values)
                known[symbol].choose()
        rows = [each for each in rows if each[0] != place]
    return chosen


def _grades(rows: Iterable[Rows], known: Mapping[str, ActiveSet], n_frames: int) -> Array:
    """The largest grade of each frame."""
    inverses = {symbol: each.inverse() for symbol, each in known.items()}
    grades = np.zeros(n_frames)
    for place, symbol, values in rows:
        grades[place] = max(grades[place], np.abs(values @ inverses[symbol]).max())
    return grades


def _functions(potential: Potential, images: Sequence[Atoms]) -> Iterable[Rows]:
    """Of all frames. Grades are the same for scaled fingerprints and for others, as functions are
    polynomials of these with all terms of lower degree, or fingerprints are not scaled."""
    found: Sequence[AtomsData] = potential.evaluate(images, False).unscaled
    for place, each in enumerate(found):
        for number in each.atomic_numbers.unique().tolist():
            part = each.fingerprint[each.atomic_numbers == number]
            with torch.no_grad():
                values = potential.model.functions(
                    part.to(potential.device, potential.dtype), number
                )
            yield place, chemical_symbols[number], values.double().cpu().numpy()


def _of_frames(potential: Potential, frames: Sequence[Atoms]) -> dict[str, ActiveSet]:
    found: dict[str, ActiveSet] = {}
    for _, symbol, values in _functions(potential, frames):
        found.setdefault(symbol, ActiveSet(values.shape[1])).add(values)
    for symbol, each in found.items():
        n_atoms, n = each.rows.shape
        if n_atoms < n:
            raise ValueError(
                f"training: expected at least {n} atoms of {symbol}, one for each function, got "
                f"{n_atoms}"
            )
        each.choose()
    return found


def _known(model: Model) -> dict[str, ActiveSet]:
    inverses = model.active_sets() if isinstance(model, Graded) else {}
    if not inverses:
        raise ValueError(
            "training: the potential knows no active sets; expected the frames that it was trained "
            'with, or a potential of ACE trained with "model": {"active_sets": true}'
        )
    found = {}
    for symbol, inverse in inverses.items():
        found[symbol] = ActiveSet(len(inverse))
        found[symbol].add(np.linalg.pinv(inverse.double().cpu().numpy()))
    return found
