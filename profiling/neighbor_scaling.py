"""Cost of angular functions against the number of neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.optimize import nnls

from amptorch.descriptor.Gaussian import Gaussian
from amptorch.preprocessing.validation import elements_of

from .timing import milliseconds

matplotlib.use("Agg")
from matplotlib import pyplot as plt

CUTOFFS = np.arange(4.0, 10.1, 1.0)
ANGULAR = {"etas": [0.005], "zetas": [1.0, 4.0], "gammas": [1.0, -1.0]}
REPEATS = 7


def neighbor_scaling(image: Atoms, path: Path) -> dict[str, Any]:
    """Time G4 and G5 alone at several cutoffs, fit t = a + b n + c n^2, and plot to ``path``.

    Returns:
        By function: neighbours per atom n, shortest forward call t in ms, the coefficients (none is
        negative), and the exponent of a power law through b n + c n^2.
    """
    curves = {name: _curve(name, image) for name in ("G4", "G5")}
    figure, axis = plt.subplots(figsize=(5, 4), layout="constrained")
    for name, curve in curves.items():
        (points,) = axis.loglog(curve["neighbours"], curve["milliseconds"], "o")
        n = np.geomspace(curve["neighbours"][0], curve["neighbours"][-1])
        a, b, c = curve["coefficients"]
        label = f"{name}: {a:.2g} + {b:.2g} n + {c:.2g} n², exponent {curve['exponent']:.2f}"
        axis.loglog(n, a + b * n + c * n**2, color=points.get_color(), label=label)
    axis.set(xlabel="neighbours per atom", ylabel=f"forward, {len(image)} atoms (ms)")
    axis.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return curves


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
