"""Any potential in LAMMPS from Python, by ``fix external``: slower than the plugin, on one process,
and a check of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

from ..ase_utils import AmpTorch
from ..potentials.potential import HasPotential

_VOIGT = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))  # of LAMMPS


class Attached:
    """A potential that gives LAMMPS its forces, see :func:`attach`.

    Attributes:
        calculator: ASE's.
    """

    def __init__(self, lmp: Any, calculator: Calculator, elements: Sequence[str], fix: str) -> None:
        self._lmp, self._fix, self._elements = lmp, fix, np.array(elements)
        self._error: BaseException | None = None
        self.calculator = calculator

    def command(self, text: str) -> None:
        """LAMMPS' commands, as by ``lmp.commands_string``.

        Raises:
            Exception: what the potential raised in a step, after which LAMMPS ended the run.
        """
        self._lmp.commands_string(text)
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _callback(
        self,
        caller: object,
        step: int,
        n_atoms: int,
        tags: NDArray[Any],
        x: NDArray[np.float64],
        forces: NDArray[np.float64],
    ) -> None:
        try:
            self._evaluate(n_atoms, x, forces)
        except BaseException as error:  # LAMMPS prints it, and goes on with old forces
            self._error = self._error or error
            forces[:] = 0
            self._lmp.force_timeout()

    def _evaluate(self, n_atoms: int, x: NDArray[Any], forces: NDArray[Any]) -> None:
        atoms = self._atoms(n_atoms, x)
        forces[:] = self.calculator.get_property("forces", atoms)
        energy = self.calculator.get_property("energy", atoms)
        stress = voigt_6_to_full_3x3_stress(self.calculator.get_property("stress", atoms))
        virial = [float(-atoms.get_volume() * stress[a, b]) for a, b in _VOIGT]
        self._lmp.fix_external_set_energy_global(self._fix, float(energy))
        self._lmp.fix_external_set_virial_global(self._fix, virial)

    def _atoms(self, n_atoms: int, x: NDArray[Any]) -> Atoms:
        low, high, xy, yz, xz, pbc, _ = self._lmp.extract_box()
        lengths = np.subtract(high, low)
        cell = np.diag(lengths)
        cell[1, 0], cell[2, 0], cell[2, 1] = xy, xz, yz
        # In the order of x, which is not that of tags.
        types = self._lmp.numpy.extract_atom("type")[:n_atoms].ravel()
        symbols = self._elements[types - 1].tolist()
        return Atoms(symbols, positions=x - low, cell=cell, pbc=pbc)


def attach(
    lmp: Any,
    potential: HasPotential | Calculator | str | Path,
    elements: Sequence[str],
    fix: str = "amptorch",
) -> Attached:
    """Let a potential give the forces of a LAMMPS system, beside those of its pair style
    (``pair_style zero`` has none). Energy and virial are added to LAMMPS' own. Runs are to be
    started by :meth:`Attached.command`: an exception in the potential ends them and is raised
    there.

    Args:
        lmp: an object ``lammps.lammps`` whose box is there, in units metal, on one process.
        potential: a potential, a trainer, a path of what :func:`amptorch.load` opens, or any
            calculator of ASE with stress.
        elements: chemical symbols of the atom types.
        fix: name of the fix.

    Raises:
        ValueError: other units, several processes, or another number of elements than types.
    """
    units, processes = lmp.extract_global("units"), lmp.extract_setting("world_size")
    if units != "metal":
        raise ValueError(f"lmp: expected units metal (eV, Å), got {units}")
    if processes != 1:
        raise ValueError(f"lmp: expected one process, got {processes}")
    if lmp.extract_setting("ntypes") != len(elements):
        n_types = lmp.extract_setting("ntypes")
        raise ValueError(f"elements: expected one for each of {n_types} types, got {elements}")
    calculator = potential if isinstance(potential, Calculator) else AmpTorch(potential)
    attached = Attached(lmp, calculator, elements, fix)
    lmp.commands_string(
        f"fix {fix} all external pf/callback 1 1\nfix_modify {fix} energy yes virial yes"
    )
    lmp.set_fix_external_callback(fix, attached._callback)
    return attached
