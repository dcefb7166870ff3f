"""Crystals of mlearn (Y. Zuo et al., J. Phys. Chem. A 124, 731 (2020)) with stresses as in ASE.

The frames themselves are not here: README.md says where they come from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms, units

__all__ = ["STRESS_KEY", "with_stresses"]

STRESS_KEY = "virial_stress_kbar_xx_yy_zz_xy_yz_xz"
_KBAR = 0.1 * units.GPa
_VOIGT = [0, 1, 2, 4, 5, 3]  # xx yy zz xy yz xz in ASE's order, xx yy zz yz xz xy


def with_stresses(frames: Sequence[Atoms]) -> list[Atoms]:
    """Copies of frames whose calculators give the stress, beside energy and forces.

    Args:
        frames: with ``info[STRESS_KEY]``: xx, yy, zz, xy, yz, xz in kbar, positive under
            compression, as VASP prints them. ASE's are in eV/Å^3, positive under tension.

    Raises:
        ValueError: a frame without six finite numbers there.
    """
    changed = []
    for index, frame in enumerate(frames):
        given = np.asarray(frame.info.get(STRESS_KEY, ()), dtype=float)
        if given.shape != (6,) or not np.isfinite(given).all():
            raise ValueError(f"frame {index}: expected six numbers in {STRESS_KEY}, got {given}")
        assert frame.calc is not None, f"frame {index}: expected energy and forces"
        copy = frame.copy()
        copy.calc = frame.calc.__class__(
            copy, **{**frame.calc.results, "stress": -_KBAR * given[_VOIGT]}
        )
        changed.append(copy)
    return changed
