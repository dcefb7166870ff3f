"""The rules of neuroevolution potentials; ``docs/nep.md`` tells them in words.

Numbers are those of GPUMD where it has defaults; those of the fit by the errors of the PbTe frames
that were trained on, none kept apart, and weights by validation parts of mlearn's training frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from . import shared
from .facts import Facts
from .repulsion import outer_cutoffs
from .rules import Preset
from .shared import Rule

# Atoms within the radial and the angular cutoff, where they lie as densely as in the mean; least
# and largest cutoffs, Å, and those where nothing is dense.
NEIGHBORS = (65.0, 16.0)
BOUNDS = ((5.0, 8.0), (3.5, 5.0))
CUTOFFS = (6.0, 4.0)
SIZES = (4, 6, 8)  # of n_max and basis_size, from fast to accurate
NEURONS = 30
ATOMS_A_BATCH = 250
MOST_A_BATCH = 32
STEPS = 4000
EPOCHS = (10, 1000)
RATE = 0.01
FORCE, VIRIALS = 0.1, 1.0  # weight of forces, and by how much more virials of atoms count


def nep(facts: Facts, preset: Preset) -> Iterator[Rule]:
    """All values for data, with their reasons."""
    size = SIZES[1 + (preset.functions if preset.functions < 0 else int(preset.epochs > 1))]
    yield "model", "name", "nep", "a neuroevolution potential"
    yield from shared.forces(facts)
    yield "model", "n_max", [size, size], "GPUMD's default is 6"
    yield "model", "invariants", ["222"], "GPUMD's default"
    yield "model", "neurons", [NEURONS], "GPUMD's default"
    yield from _optim(facts, preset)
    yield from _dataset(facts, size)
    yield "cmd", "dtype", "float32", "twice as fast as float64, errors as small"
    yield "cmd", "seed", 0, "of the first weights and the order of frames"


def _optim(facts: Facts, preset: Preset) -> Iterator[Rule]:
    batch = int(min(max(round(ATOMS_A_BATCH / facts.size), 1), MOST_A_BATCH, facts.n_frames))
    steps = math.ceil(facts.n_frames / batch)
    yield "optim", "optimizer", "soap", "has trained best with any amount of data"
    yield "optim", "lr", RATE, "falls to 0 with the last step"
    yield "optim", "batch_size", batch, f"about {ATOMS_A_BATCH} atoms"
    epochs = min(max(round(STEPS / steps), EPOCHS[0]), EPOCHS[1])
    yield "optim", "epochs", max(1, round(preset.epochs * epochs)), f"{steps} steps each"
    yield "optim", "energy_loss", "per_atom", "frames of all sizes count alike"
    if facts.forces:
        yield "optim", "force_coefficient", FORCE, "energies, which are far fewer, fit as well"
    yield from shared.stress_coefficient(facts, FORCE, VIRIALS)
    yield "optim", "cp_metric", "loss", "the schedule ends with small steps"
    yield "optim", "scheduler", {"policy": "WarmupCosine"}, "falls to 0 with the last epoch"


def _dataset(facts: Facts, size: int) -> Iterator[Rule]:
    yield from shared.frames(facts, "all train")
    yield "dataset", "fp_scheme", "nep", "sums over neighbours that NEP's descriptors are made of"
    params: dict[str, Any] = {"cutoff": cutoffs(facts), "basis_size": [size, size], "l_max": 4}
    numbers = " and ".join(f"{each:g}" for each in NEIGHBORS)
    yield "dataset", "fp_params", params, f"{numbers} neighbours within the cutoffs"
    yield "dataset", "target_scaling", "forces" if facts.forces else "per_atom", "numbers near 1"
    yield "dataset", "baseline", *_baseline(facts)
    yield "dataset", "save_fps", False, "to compute sums anew takes seconds"


def _baseline(facts: Facts) -> tuple[Any, str]:
    ends = outer_cutoffs(facts, cutoffs(facts)[1])
    if not ends:
        return "linear", "energies near 0"
    options: dict[str, Any] = {"outer": ends, "elements": facts.elements}
    if len(facts.elements) == 1:
        options["outer"] = next(iter(ends.values()))
    why = f"energies near 0; pairs at {facts.distances.closest:.2f} of the sum of covalent radii"
    return ["linear", {"nep_zbl": options}], f"{why}: repulsion of nuclei"


def cutoffs(facts: Facts) -> list[float]:
    """Radial and angular, Å: radii of spheres that so many atoms share."""
    each = zip(NEIGHBORS, BOUNDS, CUTOFFS, strict=True)
    return [shared.cutoff(facts, *numbers) for numbers in each]
