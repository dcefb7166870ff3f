"""Frames too large to hold all their pairs at once: some atoms after others.

Energies E_i of the atoms of a part, and dE_i/dR_ij, ask for nothing but the vectors to their
neighbours: energies are laid side by side, forces and virials are sums over parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch

from ..data.frame import AtomsData, collate
from ..descriptor.base_descriptor import BaseDescriptor
from ..kernels.environment import Part
from ..kernels.force_pass import Passed, add_part
from ..preprocessing.utils import FeatureScaler
from .force_call import Outcome
from .model import Model

Run = Callable[[Part, bool], Passed]
"""What a part gives, with gradients of pairs or without."""


def in_stages(model: Model, descriptor: BaseDescriptor, scaler: FeatureScaler) -> Run:
    """Fingerprints, model and vjp one after the other, for any model and any descriptor without a
    ``prime_threshold``."""
    elements = torch.from_numpy(descriptor.element_indices)

    def run(part: Part, forces: bool) -> Passed:
        environment, n = part.environment, part.n_centers
        numbers = elements[environment.species[:n]]
        fingerprints = descriptor.fingerprints(environment)[:n]
        factors, _ = scaler.affine(numbers)
        data = AtomsData(fingerprint=fingerprints, atomic_numbers=numbers, num_nodes=n)
        scaler.norm([data], disable_tqdm=True)
        weights = next(model.parameters())
        batch = collate([data]).to(weights.device, weights.dtype)
        with torch.no_grad():
            energies, slopes = model.atomic_energies_and_gradient(batch, forces)
            gradients = energies.new_empty(0, 3)
            if forces:
                whole = slopes.new_zeros(environment.n_atoms, slopes.shape[1])
                whole[:n] = slopes * factors.to(slopes)
                gradients = descriptor.vjp(environment.to(whole.device, whole.dtype), whole)
        return Passed(None, fingerprints, energies.cpu(), gradients.cpu())

    return run


def in_parts(parts: Iterable[Part], run: Run, n_atoms: int, forces: bool) -> Outcome:
    """What all parts of one frame give together."""
    found: list[Passed] = []
    outcome = Outcome(torch.empty(0), np.empty(0), None)
    if forces:
        outcome.forces, outcome.virials = np.zeros((n_atoms, 3)), np.zeros((1, 3, 3))
    for part in parts:
        passed = run(part, forces)
        if outcome.forces is not None and outcome.virials is not None:
            add_part(part, passed.gradients, outcome.forces, outcome.virials[0])
        found.append(passed.without_gradients())
    outcome.fingerprints = torch.cat([each.fingerprints for each in found])
    outcome.energies = torch.cat([each.energies for each in found]).double().numpy()
    counts = [each.n_outside for each in found if each.n_outside is not None]
    outcome.n_outside = sum(counts) if len(counts) == len(found) else None
    return outcome
