"""Published grids of symmetry-function parameters, eta in 1/Å^2 and r_s in Å.

Imbalzano et al., J. Chem. Phys. 148, 241730 (2018); Gastegger et al., J. Chem. Phys. 148, 241709
(2018).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .descriptor_set import check_cutoff


def imbalzano_shifted(cutoff: float, number: int) -> NDArray[np.float64]:
    """Rows (eta, r_s) of ``number`` shells, narrow near the atom and wide far from it:
    r_m = rc / n^(m/n), r_s = r_m, eta = 1 / (r_(m-1) - r_m)^2, m = n..1, n = number."""
    n = _at_least(number, 2)
    radii = check_cutoff(cutoff) * float(n) ** -(np.arange(n + 1) / n)
    return np.stack([(radii[:-1] - radii[1:]) ** -2, radii[1:]], axis=1)[::-1]


def gastegger_centered(lower: float, upper: float, number: int) -> NDArray[np.float64]:
    """eta = 1 / (2 r^2) of functions about the atom whose widths r are spread evenly."""
    radii = np.linspace(check_cutoff(lower), check_cutoff(upper), _at_least(number, 1))
    return 0.5 * radii**-2


def _at_least(number: int, least: int) -> int:
    if not isinstance(number, (int, np.integer)) or number < least:
        raise ValueError(f"number: expected an integer >= {least}, got {number!r}")
    return int(number)
