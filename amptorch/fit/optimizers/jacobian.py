"""Derivatives of energies and of single force components to the weights of the networks.

With shares s_in of network n in the energy of atom i (see ``amptorch.model``) and
v_ci = dF_c / d(dE/dG_i), which the primes give,

    E_f = sum_{i in f, n} s_in N_n(G_i)          dE_f/dw_n = sum_i s_in dN_n(G_i)/dw_n
    F_c = sum_{i, n} s_in v_ci . dN_n/dG (G_i)  dF_c/dw_n = sum_i s_in d/dw_n (v_ci . dN_n/dG (G_i))

Only the neighbours of an atom have a v_ci. Shares are taken as constants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap

from ...data.frame import AtomsBatch
from ...potentials.networks.model import MLP, AtomisticModel

# Numbers in the largest array of a call: observations x atoms of one x features.
_CHUNK = 4_000_000

Gradients = Callable[..., dict[str, Tensor]]
"""By weights, of each observation, from weights and arrays."""

Blocks = list[Tensor]
"""A Jacobian by network: [n_observations, n_weights of the network]."""


@dataclass
class _Atoms:
    """Atoms of observations, padded with atom 0 of share 0.

    Attributes:
        index: [n_observations, width].
        shares: the same.
    """

    index: Tensor
    shares: Tensor


def weights_of(model: AtomisticModel) -> Tensor:
    """The weights of all networks in one vector, float64."""
    parts = [p.detach().flatten() for net in model.perceptrons() for p in net.parameters()]
    return torch.cat(parts).double()


def set_weights(model: AtomisticModel, values: Tensor) -> None:
    """Set the weights of all networks from one vector."""
    parameters = [p for network in model.perceptrons() for p in network.parameters()]
    with torch.no_grad():
        for parameter, part in zip(
            parameters, values.split([p.numel() for p in parameters]), strict=True
        ):
            parameter.copy_(part.view_as(parameter))


def move(model: AtomisticModel, change: Tensor) -> None:
    """Add a vector to the weights of all networks."""
    set_weights(model, weights_of(model) + change)


def of_energies(model: AtomisticModel, batch: AtomsBatch) -> Blocks:
    """Jacobian of the energies of the frames."""
    with torch.no_grad():
        shares = model.shares(batch.atomic_numbers)
    blocks = []
    for n, network in enumerate(model.perceptrons()):
        atoms = _gather(batch.batch, shares[:, n], batch.num_graphs)
        fingerprints = batch.fingerprint[atoms.index]
        blocks.append(_by_chunks(_energy_gradients(network), network, fingerprints, atoms.shares))
    return blocks


def of_forces(model: AtomisticModel, batch: AtomsBatch, components: Tensor) -> Blocks:
    """Jacobian of force components.

    Args:
        model: the network.
        batch: frames.
        components: [n_rounds, n_frames], one component of every frame in each round, as
            3 * atom of the batch + axis.

    Returns:
        Blocks over rounds, in each over frames.
    """
    with torch.no_grad():
        shares = model.shares(batch.atomic_numbers)
    per_round = max(1, _CHUNK // max(1, batch.fingerprint.numel()))
    parts = [_of_forces(model, batch, chunk, shares) for chunk in components.split(per_round)]
    return [torch.cat(blocks) for blocks in zip(*parts, strict=True)]


def _of_forces(
    model: AtomisticModel, batch: AtomsBatch, components: Tensor, shares: Tensor
) -> Blocks:
    directions = _directions(batch, components)  # [n_rounds, n_atoms, n_features]
    touched = directions.ne(0).any(2)
    rounds, atom = torch.nonzero(touched, as_tuple=True)
    observation = rounds * batch.num_graphs + batch.batch[atom]
    blocks = []
    for n, network in enumerate(model.perceptrons()):
        atoms = _gather(observation, shares[atom, n], components.numel())
        where = atoms.index
        blocks.append(
            _by_chunks(
                _slope_gradients(network),
                network,
                batch.fingerprint[atom[where]],
                atoms.shares,
                directions[rounds[where], atom[where]],
            )
        )
    return blocks


def _directions(batch: AtomsBatch, components: Tensor) -> Tensor:
    """dF_c / d(dE/dG): one transposed product of the primes gives a component of every frame."""
    slopes = torch.zeros_like(batch.fingerprint).requires_grad_()
    assert batch.primes is not None, "forces need images converted with primes"
    forces = batch.primes.forces(slopes)
    found = []
    for row in components:
        chosen = torch.zeros_like(forces)
        chosen.view(-1)[row] = 1.0
        (direction,) = torch.autograd.grad(forces, slopes, chosen, retain_graph=True)
        found.append(direction)
    return torch.stack(found)


def _gather(observation: Tensor, shares: Tensor, n_observations: int) -> _Atoms:
    """Entries of each observation whose share is not 0, side by side."""
    kept = torch.nonzero(shares != 0)[:, 0]
    kept = kept[torch.argsort(observation[kept], stable=True)]
    owner = observation[kept]
    counts = torch.bincount(owner, minlength=n_observations)
    width = max(1, int(counts.max()))
    column = torch.arange(len(kept), device=kept.device) - (counts.cumsum(0) - counts)[owner]
    index = kept.new_zeros((n_observations, width))
    padded = shares.new_zeros((n_observations, width))
    index[owner, column] = kept
    padded[owner, column] = shares[kept]
    return _Atoms(index, padded)


def _energy_gradients(network: MLP) -> Gradients:
    def energy(weights: dict[str, Tensor], fingerprints: Tensor, shares: Tensor) -> Tensor:
        return (functional_call(network, weights, fingerprints)[:, 0] * shares).sum()

    return vmap(grad(energy), in_dims=(None, 0, 0))


def _slope_gradients(network: MLP) -> Gradients:
    def slope(
        weights: dict[str, Tensor], fingerprints: Tensor, shares: Tensor, directions: Tensor
    ) -> Tensor:
        def energy(inputs: Tensor) -> Tensor:
            return (functional_call(network, weights, inputs)[:, 0] * shares).sum()

        return (grad(energy)(fingerprints) * directions).sum()

    return vmap(grad(slope), in_dims=(None, 0, 0, 0))


def _by_chunks(gradients: Gradients, network: MLP, fingerprints: Tensor, *arrays: Tensor) -> Tensor:
    weights = {name: value.detach() for name, value in network.named_parameters()}
    rows = max(1, _CHUNK // max(1, fingerprints[0].numel()))
    found = []
    for chunk in zip(fingerprints.split(rows), *(a.split(rows) for a in arrays), strict=True):
        parts = gradients(weights, *chunk)
        found.append(torch.cat([parts[name].flatten(1) for name in weights], 1))
    return torch.cat(found)
