"""The rules by which data choose a configuration; ``docs/cli.md`` tells them in words.

No name of a file and no element decides anything: only how many frames, atoms, elements and values
there are. Numbers were found on validation parts of the training frames of ``shared/data``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import shared
from .facts import Facts
from .shared import Rule


@dataclass(frozen=True)
class Preset:
    """How much is spent, relative to the standard.

    Attributes:
        epochs: factor of their number.
        functions: how many sizes of descriptor less (-1).
        width: factor of the width of networks.
        members: networks whose mean predicts.
    """

    epochs: float = 1.0
    functions: int = 0
    width: float = 1.0
    members: int = 3


PRESETS = {
    "fast": Preset(epochs=0.25, functions=-1, width=0.75, members=1),
    "standard": Preset(),
    "accurate": Preset(epochs=2.0),
}

CUTOFF = 6.0  # Å
# Symmetry functions by number of elements, so that all together are about a hundred; the last row
# is for fast runs. There are `radial` functions of each pair, 2 `narrow` len(zetas) of each triple.
FUNCTIONS: tuple[dict[str, Any], ...] = (
    {"radial": 18, "narrow": 5, "wide": 0, "zetas": [1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32]},
    {"radial": 14, "narrow": 3, "wide": 0, "zetas": [1, 2, 4, 8, 16]},
    {"radial": 14, "narrow": 3, "wide": 0, "zetas": [1, 4]},
    {"radial": 9, "narrow": 2, "wide": 0, "zetas": [1, 4]},
    {"radial": 7, "narrow": 2, "wide": 0, "zetas": [1]},
)
MOST_ELEMENTS = 4  # with functions of each pair and triple
MULTIPOLES: dict[str, dict[str, list[float]]] = {
    "MCSHs": {"orders": [0, 1, 2, 3], "sigmas": [0.4, 0.8, 1.2, 1.6, 2.0]}
}

VALUES_A_WEIGHT = 7.0
STEP = 0.5  # learning rate times width
NARROWEST, WIDEST = 16, 96
FRAMES_A_BATCH = (4.0, 8.0)  # fewer of few frames: small steps help more than quiet gradients
BATCHES_OF_MOST = 40  # of so many and more the batches have the larger number
FEW_ATOMS, MOST_ATOMS = 50.0, 1600.0  # of a frame whose batch has more, and of a batch
BATCHES = (2, 32)
BATCHES_A_PASS = 10  # at least
EPOCHS, STEPS, FEWEST = 240, 40, 30
OF_MEMBERS = 0.6  # of the epochs that one network alone has


def of(facts: Facts, preset: Preset) -> Iterator[Rule]:
    """All values for data, with their reasons."""
    yield from _model(facts, preset)
    yield from _optim(facts, preset)
    yield from _dataset(facts, preset)
    yield "cmd", "dtype", "float32", "half the memory of float64, errors as small"
    yield "cmd", "seed", 0, "of the first weights and the order of frames"


def _model(facts: Facts, preset: Preset) -> Iterator[Rule]:
    few = len(facts.elements) <= MOST_ELEMENTS
    why = "a network for each element" if few else "one network, as there are many elements"
    yield "model", "name", "bpnn" if few else "singlenn", why
    if few:
        yield "model", "element_mask", "fixed", "nothing of the other elements' networks"
    yield from shared.forces(facts)
    width = network_width(facts, preset)
    why = f"so many that {facts.n_values} values fitted are about {VALUES_A_WEIGHT:g} a weight"
    yield "model", "hidden_layers", [width, width], f"{why}, within {NARROWEST} and {WIDEST}"
    yield "model", "activation", "softplus", "fits few frames better than tanh, many as well"
    why = "the mean of so many errs less than each; predictions have one network"
    yield "model", "members", members(facts, preset), why


def _optim(facts: Facts, preset: Preset) -> Iterator[Rule]:
    batch = batch_size(facts)
    steps = math.ceil(facts.n_frames / batch)
    yield "optim", "optimizer", "soap", "has trained best with any amount of data"
    rate = float(f"{STEP / network_width(facts, preset):.2g}")
    yield "optim", "lr", rate, f"{STEP:g} over the width of the network"
    yield "optim", "batch_size", batch, f"{facts.n_frames} frames of {facts.size:.0f} atoms"
    most = EPOCHS * (1.0 if members(facts, preset) == 1 else OF_MEMBERS)
    epochs = max(FEWEST, most * min(1.0, math.sqrt(STEPS / steps)))
    yield "optim", "epochs", max(1, round(preset.epochs * epochs)), f"{steps} steps each"
    yield "optim", "energy_loss", "per_atom", "frames of all sizes count alike"
    if facts.forces:
        weight = min(max(100.0 / facts.size**2, 1e-3), 10.0)
        why = "100 over the square of the mean number of atoms"
        yield "optim", "force_coefficient", float(f"{weight:.3g}"), why
        yield from shared.stress_coefficient(facts, weight)
    why = "of training: the schedule ends with small steps, and few frames choose badly"
    yield "optim", "cp_metric", "loss", why
    yield "optim", "scheduler", {"policy": "WarmupCosine"}, "falls to 0 with the last epoch"


def _dataset(facts: Facts, preset: Preset) -> Iterator[Rule]:
    yield from shared.frames(facts, "all train")
    yield from _descriptor(facts, preset)
    why = "features that vary by less are not blown up"
    yield "dataset", "scaling", {"type": "standardize", "threshold": 1e-3}, why
    scaling = "forces" if facts.forces else "per_atom"
    yield "dataset", "target_scaling", scaling, "targets of the network are about 1"
    yield "dataset", "baseline", "linear", "energies then add up over atoms"
    yield "dataset", "save_fps", False, "to compute fingerprints anew takes seconds"


def _descriptor(facts: Facts, preset: Preset) -> Iterator[Rule]:
    number = len(facts.elements)
    if number > MOST_ELEMENTS:
        yield "dataset", "fp_scheme", "gmpordernorm", f"as many features for {number} elements"
        yield "dataset", "fp_params", MULTIPOLES, "docs/descriptors.md"
        return
    yield "dataset", "fp_scheme", "gaussian", "symmetry functions, chosen from the data"
    size = dict(functions(number, preset))
    yield (
        "dataset",
        "fp_params",
        {"auto": {"cutoff": CUTOFF, "shells": "even", "size": size}},
        f"for {number} " + ("element" if number == 1 else "elements"),
    )


def functions(n_elements: int, preset: Preset) -> dict[str, Any]:
    """Counts of symmetry functions, see ``amptorch.descriptor.Gaussian.auto.Size``."""
    return FUNCTIONS[min(n_elements - 1 - preset.functions, len(FUNCTIONS) - 1)]


def n_features(facts: Facts, preset: Preset) -> int:
    """Length of a fingerprint, at most."""
    number = len(facts.elements)
    if number > MOST_ELEMENTS:
        return len(MULTIPOLES["MCSHs"]["orders"]) * len(MULTIPOLES["MCSHs"]["sigmas"])
    size = functions(number, preset)
    triples = number * (number + 1) // 2
    return number * size["radial"] + 2 * triples * size["narrow"] * len(size["zetas"])


def network_width(facts: Facts, preset: Preset) -> int:
    """Nodes w of both hidden layers: n (F w + w²) weights of n networks on F features are
    the values that are fitted over ``VALUES_A_WEIGHT``; in steps of four."""
    networks = len(facts.elements) if len(facts.elements) <= MOST_ELEMENTS else 1
    weights = facts.n_values / VALUES_A_WEIGHT / networks
    half = n_features(facts, preset) / 2
    width = preset.width * (math.sqrt(half * half + weights) - half)
    return int(min(max(4 * round(width / 4), NARROWEST), WIDEST))


def members(facts: Facts, preset: Preset) -> int:
    """Networks whose mean predicts; one where data are so many that the widest can be had."""
    return preset.members if network_width(facts, preset) < WIDEST else 1


def batch_size(facts: Facts) -> int:
    """Frames of a batch: 8, down to 4 where frames are few, more of small frames and fewer of
    large ones."""
    fewest, most = FRAMES_A_BATCH
    usual = min(max(fewest, facts.n_frames / BATCHES_OF_MOST), most)
    usual *= max(1.0, FEW_ATOMS / facts.size)
    number = min(usual, MOST_ATOMS / facts.size, facts.n_frames / BATCHES_A_PASS)
    return int(min(max(round(number), BATCHES[0]), BATCHES[1]))
