"""What AMPTorch itself was measured to take."""

from __future__ import annotations

from collections.abc import Mapping

MILLISECONDS = {
    "fingerprints + primes": 407.0,
    "scaling": 94.0,
    "collate": 11.0,
    "training step": 21.0,
}
"""For a frame of 164 atoms of water on iron, on one thread: 36 symmetry functions, networks of
3 x 20 nodes, batches of 8, float64. Another machine has other milliseconds; what can be compared is
how they stand to each other."""

BEFORE_TRAINING = MILLISECONDS["fingerprints + primes"] + MILLISECONDS["scaling"]
IN_EPOCH = MILLISECONDS["collate"] + MILLISECONDS["training step"]

EPOCH_SECONDS, EPOCH_FRAMES = 8.8, 324
"""An epoch over that many of these frames, on two cores and in batches of 16."""

FUNCTIONS = 36
FORMULA, ATOMS = "H88Fe32O44", 164
WITHIN = 1.5
"""How far, as a factor, the proportion of two stages may be from the published one."""

STEP = ("forward", "backward", "optimizer step")


def with_step(costs: Mapping[str, float]) -> dict[str, float]:
    """Costs of the stages above from those of ``profiling.stages``."""
    step = sum(costs[stage] for stage in STEP)
    return {name: costs.get(name, step) for name in MILLISECONDS}


def deviation(costs: Mapping[str, float], stage: str) -> float:
    """Factor, at least 1, by which the cost of a stage over that of fingerprints and primes is off
    the published one."""
    first, found = "fingerprints + primes", with_step(costs)
    ratio = found[stage] / found[first] / (MILLISECONDS[stage] / MILLISECONDS[first])
    return max(ratio, 1.0 / ratio)
