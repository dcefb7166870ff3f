"""How far atoms are from those that a potential was trained on: the extrapolation grade.

Of the functions B [n_atoms, n] of all training atoms of an element the active set is n rows A whose
determinant none of the others can raise by replacing one (MaxVol: S. A. Goreinov et al., in Matrix
Methods (2010), 247; Y. Lysogorskiy et al., Phys. Rev. Mater. 7, 043801 (2023)). The grade is

    gamma_i = max_k |(B_i A^-1)_k|,

at most 1 for training atoms, to a tolerance: more is extrapolation.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray
from scipy.linalg import lu

from ...files.whole import write_whole
from ..potential import Potential
from .linear import LinearAce
from .model import Ace

Array = NDArray[np.float64]
TOLERANCE, MOST_SWAPS = 1.001, 300
# What stands in for a column of zeros.
FLOOR = 1e-16


@dataclass
class ActiveSets:
    """Of the elements of a potential.

    Attributes:
        potential: of the family ace.
        inverses: A^-1 [n, n] by chemical symbol, functions in the order of ``.asi`` files: by
            number of factors, elements, n and l.
    """

    potential: Potential
    inverses: Mapping[str, Array]

    @classmethod
    def of(cls, potential: Potential, images: Sequence[Atoms]) -> ActiveSets:
        """Those of training images.

        Raises:
            ValueError: an element has fewer atoms than functions.
        """
        inverses = {}
        for element, rows in _rows(potential, images).items():
            values = np.concatenate(rows)
            if len(values) < values.shape[1]:
                raise ValueError(
                    f"images: expected at least {values.shape[1]} atoms of {element}, one for "
                    f"each function, got {len(values)}"
                )
            inverse = np.linalg.pinv(values[maximum_volume(values)])
            inverses[element] = inverse.astype(np.float64)
        return cls(potential, inverses)

    @classmethod
    def read(cls, potential: Potential, path: str | Path) -> ActiveSets:
        """Those of an ``.asi`` file.

        Raises:
            ValueError: they belong to other functions.
        """
        with np.load(path) as file:
            inverses = dict(file)
        model = _general(potential)
        for element, functions in zip(
            model.expansion.elements, model.expansion.functions, strict=True
        ):
            shape = (len(functions), len(functions))
            found = inverses.get(element)
            if functions and (found is None or found.shape != shape):
                raise ValueError(
                    f"{path}: expected an array {shape} of {element}, got "
                    f"{None if found is None else found.shape}"
                )
        return cls(potential, inverses)

    def write(self, path: str | Path) -> None:
        """Write an ``.asi`` file, as ``pair_style pace/extrapolation`` of LAMMPS reads it."""

        def content() -> bytes:
            buffer = BytesIO()
            arrays = {name: np.ascontiguousarray(each) for name, each in self.inverses.items()}
            np.savez(buffer, **arrays)  # type: ignore[arg-type]
            return buffer.getvalue()

        write_whole(path, content, f"{os.fspath(path)}: ")

    def grades(self, images: Sequence[Atoms]) -> list[Array]:
        """gamma [n_atoms] of images."""
        found = [np.zeros(len(image)) for image in images]
        for element, rows in _rows(self.potential, images).items():
            for grades, image, values in zip(found, images, rows, strict=True):
                own = np.array(image.get_chemical_symbols()) == element
                if own.any():
                    grades[own] = np.abs(values @ self.inverses[element]).max(1)
        return found


def maximum_volume(rows: Array) -> NDArray[np.int64]:
    """Places [n] of the active set among rows [n_rows, n]."""
    n = rows.shape[1]
    empty = np.flatnonzero(~rows.any(0))
    rows = rows.copy()
    rows[empty, empty] = FLOOR
    order, _, _ = lu(rows, p_indices=True)
    chosen = np.argsort(order)[:n]
    shares = np.linalg.solve(rows[chosen].T, rows.T).T
    for _ in range(MOST_SWAPS):
        row, column = np.unravel_index(np.abs(shares).argmax(), shares.shape)
        if abs(shares[row, column]) <= TOLERANCE:
            break
        step = shares[row].copy()
        step[column] -= 1
        shares -= np.outer(shares[:, column], step) / shares[row, column]
        chosen[column] = row
    return chosen


def _general(potential: Potential) -> Ace:
    model = potential.model.as_ace() if isinstance(potential.model, LinearAce) else potential.model
    if not isinstance(model, Ace):
        raise ValueError(f"expected a potential of the family ace, got {type(model).__name__}")
    return model


def _rows(potential: Potential, images: Sequence[Atoms]) -> dict[str, list[Array]]:
    """B of the atoms of each element, image by image, in the order of ``.asi`` files."""
    model, descriptor = _general(potential), potential.descriptor
    found: dict[str, list[Array]] = {element: [] for element in model.expansion.elements}
    for image in images:
        environment = descriptor.environment(image)
        with torch.no_grad():
            features = descriptor.fingerprints(environment).to(model.coefficients)
            for index, (element, functions) in enumerate(
                zip(model.expansion.elements, model.expansion.functions, strict=True)
            ):
                keys = [(len(each.ns), each.mus, each.ns, each.ls) for each in functions]
                order = sorted(range(len(keys)), key=keys.__getitem__)
                values = model.basis(features[environment.species == index], index)
                found[element].append(values.double().cpu().numpy()[:, order])
    return found
