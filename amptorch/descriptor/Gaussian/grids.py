"""Grids of symmetry-function parameters, eta in 1/Å^2 and r_s in Å.

Published ones: Imbalzano et al., J. Chem. Phys. 148, 241730 (2018); Gastegger et al., J. Chem.
Phys. 148, 241709 (2018). The even ones are those that trained best on ``shared/data``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .checks import check_cutoff


def imbalzano_shifted(cutoff: float, number: int) -> NDArray[np.float64]:
    """Rows (eta, r_s) of ``number`` shells, narrow near the atom and wide far from it:
    r_m = rc / n^(m/n), r_s = r_m, eta = 1 / (r_(m-1) - r_m)^2, m = n..1, n = number."""
    n = _at_least(number, 2)
    radii = check_cutoff(cutoff) * float(n) ** -(np.arange(n + 1) / n)
    return np.stack([(radii[:-1] - radii[1:]) ** -2, radii[1:]], axis=1)[::-1]


def imbalzano_centered(cutoff: float, number: int) -> NDArray[np.float64]:
    """eta_m = (n^(m/n) / rc)^2, m = 0..n, n = number - 1, of functions about the atom."""
    n = _at_least(number, 2) - 1
    return (float(n) ** (np.arange(n + 1) / n) / check_cutoff(cutoff)) ** 2


def gastegger_shifted(lower: float, upper: float, number: int) -> NDArray[np.float64]:
    """Rows (eta, r_s) of shells of one width, the step of the grid: r_s spread evenly,
    eta = 1 / (2 d^2), d = (upper - lower) / (number - 1)."""
    shifts = _spread(lower, upper, _at_least(number, 2))
    return np.stack([np.full(number, 0.5 * (shifts[1] - shifts[0]) ** -2), shifts], axis=1)


def gastegger_centered(lower: float, upper: float, number: int) -> NDArray[np.float64]:
    """eta = 1 / (2 r^2) of functions about the atom whose widths r are spread evenly."""
    return 0.5 * _spread(lower, upper, _at_least(number, 1)) ** -2


def _spread(lower: float, upper: float, number: int) -> NDArray[np.float64]:
    if not 0 < lower < check_cutoff(upper):
        raise ValueError(f"lower: expected a length > 0 and under {upper} Å, got {lower!r}")
    return np.linspace(lower, upper, number)


NARROWEST = 0.35
"""Width (Å) of even shells, which are no narrower where there are many."""


def even_shells(nearest: float, cutoff: float, number: int) -> NDArray[np.float64]:
    """Rows (eta, r_s) of shells of one width w, eta = 1 / (2 w^2), spread evenly from 0.35 Å under
    the nearest distance, or half the cutoff if that is nearer, to 1.5 w under the cutoff rc;
    w is 0.35 Å, or 0.8 of the room over the number of steps, if that is more."""
    n = _at_least(number, 2)
    first = min(max(nearest - NARROWEST, 0.0), 0.5 * check_cutoff(cutoff))
    width = max(NARROWEST, 0.8 * (cutoff - first) / (n - 1))
    shifts = np.linspace(first, cutoff - 1.5 * width, n)
    return np.stack([np.full(n, 0.5 * width**-2), shifts], axis=1)


def even_centered(cutoff: float, number: int) -> NDArray[np.float64]:
    """eta of ``number`` functions about the atom: 0, which leaves the cutoff function alone, and
    from 0.72 / rc^2 to 7.2 / rc^2 in equal ratios (of two the last), widths of 0.83 to 0.26 rc."""
    n = _at_least(number, 1)
    steps = np.arange(n - 2, -1, -1) / max(n - 2, 1)
    return np.concatenate([[0.0], 7.2 * check_cutoff(cutoff) ** -2 * 10.0**-steps])


def _at_least(number: int, least: int) -> int:
    if not isinstance(number, (int, np.integer)) or number < least:
        raise ValueError(f"number: expected an integer >= {least}, got {number!r}")
    return int(number)
