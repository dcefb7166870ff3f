"""What ``report.json`` of a study holds."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from ase import Atoms

from ..descriptor.base_descriptor import BaseDescriptor
from ..report.machine import describe
from .options import Options
from .pool import Pool
from .study import LEVEL, Found, Result

REPEATS = 3


def content(
    pool: Pool,
    names: Sequence[str],
    result: Result,
    options: Options,
    images: Sequence[Atoms],
    parts: Sequence[int],
    spent: Mapping[str, float],
) -> dict[str, Any]:
    """Energies in eV/atom, forces in eV/Å, cost in µs an atom.

    Args:
        pool: of the study.
        names: of its functions, and of added noise.
        result: of the study.
        options: it was told.
        images: that were taken.
        parts: numbers of training, validation and test frames.
        spent: "fingerprints", seconds, and "memory", bytes of samples.
    """
    chosen = result.best(options.keep)
    methods = [each for each in options.methods if result.of(each)]
    best = {method: result.best(options.keep, method) for method in methods}
    cost = {method: _cost(pool.part(each.kept), images[0]) for method, each in best.items()}
    return {
        "name": f"{chosen.size} of {result.pool.size} functions",
        "level": LEVEL,
        "settings": asdict(options),
        "data": {
            "frames": dict(zip(("training", "validation", "test"), parts, strict=True)),
            "atoms": sum(map(len, images)),
            "elements": pool.descriptor.elements,
        },
        "functions": list(names),
        "noise": options.noise,
        "spent": {**spent, "methods": result.seconds},
        "pool": {**_found(result.pool), "cost": _cost(pool.descriptor, images[0])},
        "methods": {
            method: {
                "sets": [_found(each) for each in result.of(method)],
                "best": _found(best[method]),
                "cost": cost[method],
                "order": result.orders.get(method),
            }
            for method in methods
        },
        "chosen": {**_found(chosen), "method": chosen.method, "cost": cost[chosen.method]},
        "fp_params": pool.section(chosen.kept),
        "machine": describe(),
    }


def _found(each: Found) -> dict[str, Any]:
    return {
        "size": each.size,
        "kept": each.kept,
        "validation": asdict(each.validation),
        "test": {**asdict(each.test), "score": each.test.score},
        "p": each.p,
        "worse": each.worse,
    }


def _cost(descriptor: BaseDescriptor | None, image: Atoms) -> float | None:
    """Least time of fingerprints and of dE/dR of an image, µs an atom, without neighbours and
    networks; None where there is no such descriptor."""
    if descriptor is None:
        return None
    environment = descriptor.environment(image)
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        fingerprints = descriptor.fingerprints(environment)
        descriptor.vjp(environment, fingerprints)
        times.append(time.perf_counter() - begun)
    return 1e6 * float(np.min(times)) / len(image)
