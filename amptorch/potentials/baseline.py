"""A potential as a baseline: another one is fitted to what it leaves (Δ-learning)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from ase import Atoms

from ..data.baseline import Contribution, State
from ..data.targets import virial_of
from . import saved
from .loading import opened
from .potential import HasPotential, Potential


class OfPotential:
    """What a potential predicts. Files hold the potential itself, so that they stand alone.

    Args:
        potential: it is kept as it is now.
    """

    name = "potential"

    def __init__(self, potential: Potential) -> None:
        self.potential = potential

    @classmethod
    def from_settings(cls, potential: str | Path | HasPotential) -> OfPotential:
        """Of a potential, or of the file or folder that holds it (:func:`amptorch.load`)."""
        return cls(opened(potential).potential)

    def evaluate(self, images: Sequence[Atoms], forces: bool = True) -> Contribution:
        """Energies of images and of their atoms, forces and virials."""
        if forces and not self.potential.forces:
            raise ValueError(
                "baseline: potential: forces are asked for, and it was trained with get_forces "
                "False: it gives energies only"
            )
        found = self.potential.evaluate(images, forces)
        if not forces:
            return Contribution(found.energy, found.energies)
        virials = [virial_of(*each) for each in zip(images, found.stress, strict=True)]
        return Contribution(found.energy, found.energies, found.forces, virials)

    def state(self) -> State:
        """The potential, in parts."""
        return self._state

    @cached_property
    def _state(self) -> State:
        of = self.potential
        values, arrays = saved.taken_apart(
            saved.Parts(of.model, of.descriptor, of.scalers, of.keys)
        )
        copies = {name: each.detach().cpu().clone() for name, each in arrays.items()}
        return {"values": values, "arrays": copies}

    @classmethod
    def from_state(cls, state: State) -> OfPotential:
        """Of the potential of :meth:`state`."""
        arrays = {name: each.clone() for name, each in state["arrays"].items()}
        parts = saved.put_together(state["values"], arrays)
        return cls(Potential(parts.model, parts.descriptor, parts.scalers, parts.keys))
