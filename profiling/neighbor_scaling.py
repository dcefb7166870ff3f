"""Cost of angular functions against the number of neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.optimize import nnls

from amptorch.data.reading import elements_of
from amptorch.descriptor.Gaussian import Gaussian

from .report import Figure, Section, Table
from .report.plots import COLORS, figure_svg, panels
from .timing import milliseconds

CUTOFFS = np.arange(4.0, 10.1, 1.0)
ANGULAR = {"etas": [0.005], "zetas": [1.0, 4.0], "gammas": [1.0, -1.0]}
REPEATS = 7


def neighbor_scaling(image: Atoms) -> Section:
    """Time G4 and G5 alone at several cutoffs and fit t = a + b n + c n^2.

    t is the shortest forward call in ms, n the number of neighbours per atom; no coefficient is
    negative, and the exponent is that of a power law through b n + c n^2.
    """
    curves = {name: _curve(name, image) for name in ("G4", "G5")}
    rows = [
        [name, *(f"{each:.2g}" for each in curve["coefficients"]), f"{curve['exponent']:.2f}"]
        for name, curve in curves.items()
    ]
    text = (
        f"Shortest forward call t (ms) for a frame of {len(image)} atoms with n neighbours per "
        f"atom, at cutoffs of {CUTOFFS[0]:g} to {CUTOFFS[-1]:g} Å: t = a + b n + c n², none of the "
        "coefficients negative. The exponent is that of a power law through b n + c n²."
    )
    return Section(
        "Cost against neighbours",
        [text],
        [Table(["", "a", "b", "c", "exponent"], rows)],
        [Figure("neighbor_scaling", _draw(curves))],
    )


def _draw(curves: Mapping[str, Mapping[str, Any]]) -> str:
    figure, (axis,) = panels()
    for color, (name, curve) in zip(COLORS, curves.items(), strict=False):
        axis.loglog(curve["neighbours"], curve["milliseconds"], "o", color=color)
        n = np.geomspace(curve["neighbours"][0], curve["neighbours"][-1])
        a, b, c = curve["coefficients"]
        axis.loglog(n, a + b * n + c * n**2, color=color, label=f"{name}: {curve['exponent']:.2f}")
    axis.set(xlabel="neighbours per atom", ylabel="forward (ms)")
    axis.legend(title="exponent")
    return figure_svg(figure)


def _curve(name: str, image: Atoms) -> dict[str, Any]:
    neighbours, times = [], []
    for cutoff in CUTOFFS:
        setup = {"default": {name: ANGULAR, "cutoff": float(cutoff)}}
        descriptor = Gaussian(setup, elements_of([image]))
        environment = descriptor.environment(image)
        neighbours.append(environment.n_pairs / len(image))
        calls = milliseconds(lambda d=descriptor, e=environment: d.fingerprints(e), REPEATS)
        times.append(min(calls))  # a single pause would bend the fit
    n, t = np.array(neighbours), np.array(times)
    a, b, c = _fit(n, t)
    exponent = np.polyfit(np.log(n), np.log(b * n + c * n**2), 1)[0]
    return {
        "neighbours": neighbours,
        "milliseconds": times,
        "coefficients": [a, b, c],
        "exponent": float(exponent),
    }


def _fit(n: NDArray[np.float64], t: NDArray[np.float64]) -> list[float]:
    """a, b, c by least squares of relative errors."""
    powers = np.stack([n**0, n, n**2], axis=1)
    return nnls(powers / t[:, None], np.ones_like(t))[0].tolist()
