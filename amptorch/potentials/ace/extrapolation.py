"""How far atoms are from those that a potential was trained on: the extrapolation grade.

Of the functions B of all training atoms of an element there is an active set A, and the grade
gamma_i = max_k |(B_i A^-1)_k| is at most 1 for training atoms, to a tolerance: more is
extrapolation. See :mod:`amptorch.potentials.active_set`; Y. Lysogorskiy et al., Phys. Rev. Mater.
7, 043801 (2023).
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

from ...files.whole import write_whole
from ..potential import Potential
from .functions import Function
from .graded import Graded

Array = NDArray[np.float64]


@dataclass
class ActiveSets:
    """Of the elements of a potential, which files hold.

    Attributes:
        potential: of the family ace.
        inverses: A^-1 [n, n] by chemical symbol, functions in the order of ``.asi`` files: by
            number of factors, elements, n and l.
    """

    potential: Potential
    inverses: Mapping[str, Array]

    @classmethod
    def of(cls, potential: Potential, images: Sequence[Atoms]) -> ActiveSets:
        """Those of training images; the potential knows them from then on.

        Raises:
            ValueError: an element has fewer atoms than functions, or the potential is of another
                family.
        """
        model = graded(potential)
        model.set_active_sets(model.inverses_of(potential.evaluate(images, False).unscaled))
        return cls.known(potential)

    @classmethod
    def known(cls, potential: Potential) -> ActiveSets:
        """Those that a potential knows.

        Raises:
            ValueError: it knows none.
        """
        model = graded(potential)
        found = model.active_sets()
        if not found:
            raise ValueError(
                "active sets: the potential knows none; expected training images, or a potential "
                'trained with "model": {"active_sets": true}'
            )
        orders = zip(model.expansion.elements, model.expansion.functions, strict=True)
        inverses = {name: found[name].double().cpu().numpy()[_order(own)] for name, own in orders}
        return cls(potential, inverses)

    @classmethod
    def read(cls, potential: Potential, path: str | Path) -> ActiveSets:
        """Those of an ``.asi`` file; the potential knows them from then on.

        Raises:
            ValueError: they belong to other functions.
        """
        with np.load(path) as file:
            inverses = dict(file)
        model = graded(potential)
        found = {}
        for element, functions in zip(
            model.expansion.elements, model.expansion.functions, strict=True
        ):
            shape = (len(functions), len(functions))
            inverses.setdefault(element, np.zeros((0, 0)))
            if inverses[element].shape != shape:
                raise ValueError(
                    f"{path}: expected an array {shape} of {element}, got {inverses[element].shape}"
                )
            own = np.empty(shape)
            own[_order(functions)] = inverses[element]
            found[element] = torch.from_numpy(own)
        model.set_active_sets(found)
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
        return self.potential.grades(self.potential.evaluate(images, False)) or []


def read_beside(potential: Potential, path: Path) -> Potential:
    """The potential of a file, with the active sets of an ``.asi`` file beside it."""
    if path.with_suffix(".asi").is_file():
        ActiveSets.read(potential, path.with_suffix(".asi"))
    return potential


def write_beside(potential: Potential, path: Path) -> None:
    """Write the active sets that a potential knows into an ``.asi`` file beside its own."""
    if graded(potential).active_sets():
        ActiveSets.known(potential).write(path.with_suffix(".asi"))


def graded(potential: Potential) -> Graded:
    """The model of a potential.

    Raises:
        ValueError: it is of another family.
    """
    model = potential.model
    if not isinstance(model, Graded):
        raise ValueError(f"expected a potential of the family ace, got {type(model).__name__}")
    return model


def _order(functions: Sequence[Function]) -> list[int]:
    """Places of an element's functions in the order of files."""
    keys = [(len(each.ns), each.mus, each.ns, each.ls) for each in functions]
    return sorted(range(len(keys)), key=keys.__getitem__)
