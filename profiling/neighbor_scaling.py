"""Cost of angular functions against the number of neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from ase import Atoms

from amptorch.descriptor.Gaussian import Gaussian
from amptorch.preprocessing.validation import elements_of

from .timing import milliseconds

matplotlib.use("Agg")
from matplotlib import pyplot as plt

CUTOFFS = np.arange(4.0, 10.1, 1.0)
ANGULAR = {"etas": [0.005], "zetas": [1.0, 4.0], "gammas": [1.0, -1.0]}
REPEATS = 7


def neighbor_scaling(image: Atoms, path: Path) -> dict[str, Any]:
    """Time G4 and G5 alone at several cutoffs, plot to ``path``, and fit the exponents.

    Returns:
        By function: neighbours per atom, forward milliseconds, and the exponent of a power law
        through the upper half of the points.
    """
    curves = {name: _curve(name, image) for name in ("G4", "G5")}
    figure, axis = plt.subplots(figsize=(5, 4), layout="constrained")
    for name, curve in curves.items():
        label = f"{name}: exponent {curve['exponent']:.2f}"
        axis.loglog(curve["neighbours"], curve["milliseconds"], "o-", label=label)
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
        times.append(float(np.median(calls)))
    half = len(CUTOFFS) // 2
    exponent = np.polyfit(np.log(neighbours[half:]), np.log(times[half:]), 1)[0]
    return {"neighbours": neighbours, "milliseconds": times, "exponent": float(exponent)}
