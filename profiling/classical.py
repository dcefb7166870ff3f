"""Classical potentials as calculators of ASE: baselines of ``profiling delta``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress
from torch import Tensor

from amptorch.kernels.neighbors import find_neighbors
from amptorch.lammps.box import Box
from amptorch.lammps.installation import load_module, package


class FinnisSinclair(Calculator):
    """Molybdenum of M. W. Finnis and J. E. Sinclair, Philos. Mag. A 50, 45 (1984), with what
    G. J. Ackland and R. Thetford, Philos. Mag. A 56, 15 (1987) added at short distances.

        E = sum over pairs V(r) - A sum_i sqrt(sum_j (r - d)^2),
        V(r) = (r - c)^2 (c0 + c1 r + c2 r^2) + B (b - r)^3 exp(-a r)

    with the terms of V within c and b, and those of the root within d.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "energies", "forces", "stress"]
    A, D, C = 1.887117, 4.114825, 3.25
    OF_PAIRS = (43.4475218, -31.9332978, 6.0804249)
    CORE, CORE_END, CORE_RATE = 1223.0, 2.7255, 3.9

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        frame = self.atoms
        found = find_neighbors(frame.positions, frame.cell.array, frame.pbc, frame.numbers, self.D)
        vectors = found.vectors.clone().requires_grad_(True)
        r = vectors.norm(dim=1)
        zeros = torch.zeros(len(frame), dtype=r.dtype)
        pairs = zeros.index_add(0, found.centers, self._pair(r) / 2)
        energies = pairs - self.A * zeros.index_add(0, found.centers, (r - self.D) ** 2).sqrt()
        (slopes,) = torch.autograd.grad(energies.sum(), vectors)
        forces = torch.zeros((len(frame), 3), dtype=r.dtype)
        forces.index_add_(0, found.centers, slopes).index_add_(0, found.neighbors, -slopes)
        virial = (found.vectors.T @ slopes).numpy()
        energies = energies.detach()
        self.results = {
            "energy": float(energies.sum()),
            "energies": energies.numpy(),
            "forces": forces.numpy(),
            "stress": full_3x3_to_voigt_6_stress(virial / frame.get_volume()),
        }

    def _pair(self, r: Tensor) -> Tensor:
        c0, c1, c2 = self.OF_PAIRS
        pair = (r - self.C) ** 2 * (c0 + c1 * r + c2 * r**2)
        core = self.CORE * (self.CORE_END - r) ** 3 * torch.exp(-self.CORE_RATE * r)
        return torch.where(r < self.C, pair, 0.0) + torch.where(r < self.CORE_END, core, 0.0)


KCAL = units.kcal / units.mol  # eV


class ReaxFF(Calculator):
    """A ReaxFF potential that comes with LAMMPS, between atoms of some elements; the others are not
    there for it, and feel nothing.

    Args:
        force_field: name of its file.
        elements: chemical symbols.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(self, force_field: str, elements: Sequence[str]) -> None:
        super().__init__(force_field=force_field, elements=list(elements))

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        elements = self.parameters["elements"]
        own = np.isin(self.atoms.symbols, elements)
        box = Box.of(self.atoms[own])
        lmp = load_module().lammps(cmdargs=["-log", "none", "-screen", "none"])
        try:
            self._set_up(lmp, box, elements, own)
            lmp.command("run 0")
            energy = float(lmp.get_thermo("pe")) * KCAL
            forces = np.array(lmp.gather_atoms("f", 1, 3), dtype=float).reshape(-1, 3) * KCAL
        finally:
            lmp.close()
        all_forces = np.zeros((len(self.atoms), 3))
        all_forces[own] = box.back(forces)
        self.results = {"energy": energy, "forces": all_forces}

    def _set_up(self, lmp: Any, box: Box, elements: Sequence[str], own: Any) -> None:
        file = package() / "share" / "lammps" / "potentials" / self.parameters["force_field"]
        (a, _, _), (b, c, _), (d, e, f) = box.cell.tolist()
        lmp.commands_list(
            [
                "units real",
                "atom_style charge",
                "atom_modify map array",
                f"boundary {box.boundary}",
                "box tilt large",
                f"region box prism 0 {a!r} 0 {c!r} 0 {f!r} {b!r} {d!r} {e!r}",
                f"create_box {len(elements)} box",
                "mass * 1",
            ]
        )
        types = [elements.index(symbol) + 1 for symbol in self.atoms.symbols[own]]
        framed = Atoms(positions=box.positions, cell=box.cell, pbc=box.pbc)
        framed.wrap()
        places = framed.positions.ravel().tolist()
        lmp.create_atoms(len(types), list(range(1, len(types) + 1)), types, places)
        lmp.commands_list(
            [
                "pair_style reaxff NULL safezone 1.6 mincap 100",
                f'pair_coeff * * "{file}" {" ".join(elements)}',
                "fix charges all qeq/reaxff 1 0 10 1e-6 reaxff maxiter 400",
            ]
        )
