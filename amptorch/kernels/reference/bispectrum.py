"""Bispectrum components in plain torch: any floating dtype, any device, any order of derivative.

The equations are those of :mod:`amptorch.kernels.bispectrum`, written down as they stand. Slow and
plain on purpose: it is what the kernels are held against.
"""

from __future__ import annotations

from math import pi
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..clebsch_gordan import coupling, triples
from ..environment import Environment

if TYPE_CHECKING:
    from ..bispectrum import Bispectrum


def forward(environment: Environment, bispectrum: Bispectrum) -> Tensor:
    """Components ``B`` [n_atoms, n_features] in the dtype of the vectors.

    Args:
        environment: of one or many frames.
        bispectrum: the set of components.
    """
    dtype = environment.vectors.dtype
    # There are complex numbers of these precisions only.
    working = dtype if dtype in (torch.float32, torch.float64) else torch.float32
    densities = _densities(environment.to(working), bispectrum)
    columns = [
        _component(densities, *triple) / (triple[2] + 1 if bispectrum.normalize else 1)
        for triple in triples(bispectrum.twojmax)
    ]
    values = torch.stack(columns, -1)
    if bispectrum.zero:
        values = values - _lonely(environment.species, bispectrum).to(values)
    return values.flatten(1).to(dtype)


def wigner_matrices(alpha: Tensor, beta: Tensor, highest: int) -> list[Tensor]:
    """U^j [n, j + 1, j + 1], complex, for j up to ``highest``, of complex alpha, beta [n]."""
    alpha, beta = alpha.conj()[:, None], beta.conj()[:, None]
    matrices = [torch.ones_like(alpha)[:, :, None]]
    for j in range(1, highest + 1):
        rows: list[Tensor] = []
        for b in range(j + 1):
            if 2 * b > j:
                mirror = rows[j - b].flip(1).conj()
                signs = [(-1.0) ** (b - a) for a in range(j + 1)]
                rows.append(mirror * mirror.real.new_tensor(signs))
                continue
            below = matrices[-1][:, b]
            a = torch.arange(j, device=below.device, dtype=below.real.dtype)
            stay = ((j - a) / (j - b)).sqrt() * alpha * below
            step = ((a + 1) / (j - b)).sqrt() * beta * below
            edge = torch.zeros_like(alpha)
            rows.append(torch.cat([stay, edge], 1) - torch.cat([edge, step], 1))
        matrices.append(torch.stack(rows, 1))
    return matrices


def _densities(environment: Environment, bispectrum: Bispectrum) -> list[Tensor]:
    """V^j [n_atoms, n_densities, j + 1, j + 1], complex."""
    vectors, species = environment.vectors, environment.neighbor_species
    r = vectors.norm(dim=1)
    pairs = bispectrum.pairs.to(vectors)[environment.species[environment.centers], species]
    weights = bispectrum.weights.to(vectors)[species] * _switch(r, pairs, bispectrum)
    matrices = wigner_matrices(*_rotations(vectors, r, pairs[:, 0], bispectrum), bispectrum.twojmax)
    n_densities = bispectrum.n_species if bispectrum.chemical else 1
    places = environment.centers * n_densities + (species if bispectrum.chemical else 0)
    own = _own(environment.species, bispectrum).to(vectors)
    densities = []
    for j, matrix in enumerate(matrices):
        unit = torch.eye(j + 1, dtype=matrix.dtype, device=matrix.device)
        density = (own.flatten()[:, None, None] * unit).contiguous()
        density = density.index_add(0, places, weights[:, None, None] * matrix)
        densities.append(density.view(-1, n_densities, j + 1, j + 1))
    return densities


def _own(species: Tensor, bispectrum: Bispectrum) -> Tensor:
    """[n_atoms, n_densities]: whether an atom is part of its density."""
    if not bispectrum.chemical:
        return torch.ones_like(species)[:, None].bool()
    elements = torch.arange(bispectrum.n_species, device=species.device)
    return (species[:, None] == elements) | bispectrum.self_all


def _rotations(
    vectors: Tensor, r: Tensor, cutoff: Tensor, bispectrum: Bispectrum
) -> tuple[Tensor, Tensor]:
    """alpha and beta: z0/rho and r/rho are the cosine and the sine of theta, times its sign."""
    theta = bispectrum.rfac0 * pi * (r - bispectrum.rmin0) / (cutoff - bispectrum.rmin0)
    sign = torch.where(theta.sin() < 0, -1.0, 1.0).to(r)
    cosine, sine = sign * theta.cos(), sign * theta.sin()
    x, y, z = (sine[:, None] * vectors / r[:, None]).unbind(1)
    return torch.complex(cosine, -z), torch.complex(y, -x)


def _switch(r: Tensor, pairs: Tensor, bispectrum: Bispectrum) -> Tensor:
    cutoff, s, d = pairs.unbind(1)
    value = torch.ones_like(r)
    if bispectrum.switch:
        phase = (r - bispectrum.rmin0) / (cutoff - bispectrum.rmin0)
        value = (1 + torch.cos(pi * phase.clamp(min=0))) / 2
    inner = 1 + (r - s) / torch.where(d > 0, d, 1.0)
    inner = (1 - torch.cos(pi / 2 * inner.clamp(0, 2))) / 2
    value = value * torch.where(r >= s + d, 1.0, torch.where(r > s - d, inner, 0.0))
    return torch.where(r < cutoff, value, 0.0)


def _component(densities: list[Tensor], j1: int, j2: int, j: int) -> Tensor:
    """B of three angular momenta for all triples of densities [n_atoms, n, n, n]."""
    c = coupling(j1, j2, j).to(densities[0])
    half = torch.einsum("nxrp,pqa->nxrqa", densities[j1], c)
    columns = torch.einsum("nxrqa,nysq->nxyrsa", half, densities[j2])
    z = torch.einsum("nxyrsa,rsb->nxyba", columns, c)
    return torch.einsum("nxyba,nzba->nxyz", z, densities[j].conj()).real


def _lonely(species: Tensor, bispectrum: Bispectrum) -> Tensor:
    """[n_atoms, n, n, n, n_components], B of atoms without neighbours."""
    levels = [1.0 if bispectrum.normalize else j + 1.0 for _, _, j in triples(bispectrum.twojmax)]
    own = _own(species, bispectrum)
    all_three = own[:, :, None, None] & own[:, None, :, None] & own[:, None, None, :]
    return all_three[..., None] * torch.tensor(levels, device=species.device)
