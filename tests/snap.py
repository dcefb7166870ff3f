"""Golden numbers of SNAP: frames, the configuration of a user, and what LAMMPS made of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from numpy.typing import NDArray

from .systems import SHARED

GOLDEN = SHARED / "golden" / "snap"

MODEL = ("quadraticflag",)
"""Keys of a .snapparam file that are not the descriptor's."""


@dataclass(frozen=True)
class Golden:
    """A case of the golden numbers, an entry of its index."""

    entry: dict[str, Any]

    @cached_property
    def arrays(self) -> dict[str, NDArray[Any]]:
        with np.load(GOLDEN / self.entry["file"]) as arrays:
            return dict(arrays)

    @property
    def elements(self) -> list[str]:
        return list(self.entry["elements"])

    @property
    def quadratic(self) -> bool:
        return bool(self.entry["parameters"]["quadraticflag"])

    @property
    def fp_params(self) -> dict[str, Any]:
        """As a user writes them."""
        given = {k: v for k, v in self.entry["parameters"].items() if k not in MODEL}
        for name in ("radelem", "wj", "sinner", "dinner"):
            if name in self.arrays:
                given[name] = dict(zip(self.elements, self.arrays[name].tolist(), strict=True))
        return given

    @property
    def atoms(self) -> Atoms:
        names = ("positions", "cell", "pbc", "numbers")
        return Atoms(**{name: self.arrays[name] for name in names})

    def energies_and_slopes(self, b: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Energies of the atoms of the linear or quadratic potential, and dE/dB."""
        coefficients = self.arrays["coefficients"][self.arrays["element_index"]]
        k = b.shape[1]
        constant, linear, packed = np.split(coefficients, [1, k + 1], axis=1)
        energies, slopes = constant[:, 0] + (linear * b).sum(1), linear.copy()
        if self.quadratic:
            row, column = np.triu_indices(k)
            alpha = np.zeros((len(b), k, k))
            alpha[:, row, column] = alpha[:, column, row] = packed
            curved = np.einsum("ikl,il->ik", alpha, b)
            energies, slopes = energies + (curved * b).sum(1) / 2, slopes + curved
        return energies, slopes


def golden_cases() -> list[Any]:
    """All cases, as pytest parameters; one that is skipped where the shared folder is absent."""
    index = GOLDEN / "index.json"
    if not index.exists():
        reason = f"needs {GOLDEN.relative_to(SHARED.parent)}"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="golden")]
    cases = json.loads(index.read_text(encoding="utf-8"))["cases"]
    return [
        pytest.param(Golden(case), id=f"{case['name']}--{case['system']}")
        for case in cases
        if "parameters" in case
    ]
