"""Random structures for the tests that compare a kernel with its reference on many of them."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from amptorch.kernels.environment import Environment
from amptorch.kernels.neighbors import find_neighbors

MOST_SPECIES = 4

MANY = settings(max_examples=4 * settings().max_examples)
"""Examples of a kernel are cheap: 4 times those of other tests, so 100 by default."""


@st.composite
def environments(draw: st.DrawFn) -> tuple[Environment, int, float]:
    """Neighbours of up to five atoms that keep 0.5 Å apart, in a skewed cell that may be smaller
    than the cutoff and periodic along any axes; the number of elements, and the cutoff."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_species = draw(st.integers(1, MOST_SPECIES))
    cell = np.diag(random.uniform(3.5, 7.0, 3)) + random.uniform(-1.0, 1.0, (3, 3))
    scaled = random.permutation(np.indices((3, 3, 3)).reshape(3, -1).T / 3)
    positions = (scaled[: draw(st.integers(1, 5))] + random.uniform(-0.05, 0.05, 3)) @ cell
    positions += random.uniform(-0.1, 0.1, positions.shape)
    pbc = draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
    species = random.integers(0, n_species, len(positions))
    cutoff = draw(st.sampled_from([1.0, 2.5, 3.7]))
    return find_neighbors(positions, cell, pbc, species, cutoff), n_species, cutoff
