"""Between which elements nuclei are taken to repel each other, and from where on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii

from ..data.keys import Keys
from ..data.targets import MissingTargetError, read_forces
from ..potentials.nep.zbl import NepZbl
from .facts import Facts

OUTER = 1.13
"""Where the repulsion ends, in sums of covalent radii."""


def outer_cutoffs(facts: Facts, most: float) -> dict[str, float]:
    """Where the repulsions of pairs of elements end, Å, by ``"H-O"``; empty without any.

    There are some where any two atoms are nearer than the sum of their covalent radii. A pair has
    one unless forces say otherwise, which are larger without it where it is not that of the data,
    as of hydrogen and oxygen that are bound to each other.

    Args:
        facts: of the data.
        most: Å, which none exceeds.
    """
    if not facts.forces or facts.distances.closest is None:
        return {}
    found = {}
    for pair in combinations_with_replacement(facts.elements, 2):
        touching = sum(float(covalent_radii[atomic_numbers[each]]) for each in pair)
        name, outer = "-".join(pair), round(min(OUTER * touching, most), 2)
        if _helps(facts, name, outer):
            found[name] = outer
    return found


def _helps(facts: Facts, pair: str, outer: float) -> bool:
    """Whether forces are no larger without the repulsion of a pair of elements."""
    baseline = NepZbl.from_settings({pair: outer}, elements=facts.elements)
    keys = Keys.of(facts.keys)
    frames = _with(facts.sample, pair)
    if not frames:
        return True
    try:
        whole = [read_forces(frame, "image", keys) for frame in frames]
    except MissingTargetError:
        return False
    parts = baseline.evaluate(frames).forces
    assert parts is not None
    before = sum(np.square(each).sum() for each in whole)
    after = sum(np.square(a - b).sum() for a, b in zip(whole, parts, strict=True))
    return bool(after <= before)


def _with(frames: Sequence[Atoms], pair: str) -> list[Atoms]:
    """Those with both elements."""
    wanted = {atomic_numbers[each] for each in pair.split("-")}
    return [frame for frame in frames if wanted <= {*frame.numbers.tolist()}]
