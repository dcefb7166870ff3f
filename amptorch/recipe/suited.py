"""The kind of potential that suits data where nobody says which."""

from __future__ import annotations

from .facts import Facts

NETWORKS, ACE = "networks", "ace"
# Fits of ACE look at all frames in each of their iterations.
MOST_ATOMS = 20_000


def suited(facts: Facts) -> tuple[str, str]:
    """Its name, one of :func:`amptorch.potentials.registry.recipes`, and the reason.

    Inner splits of mlearn's training frames of silicon and of molybdenum have ACE before networks
    in energies, forces and the time of a force call (``docs/choosing.md``); of three elements it
    is the reverse.
    """
    elements, atoms = len(facts.elements), facts.n_atoms
    if elements > 1:
        return NETWORKS, f"{elements} elements"
    if not facts.forces:
        return NETWORKS, "energies alone"
    if atoms > MOST_ATOMS:
        return NETWORKS, f"{atoms} atoms, more than {MOST_ATOMS}"
    return ACE, f"forces of one element, {atoms} atoms, not more than {MOST_ATOMS}"
