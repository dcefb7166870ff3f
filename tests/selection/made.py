"""Small problems whose answer is known: energies and forces of few functions, among noise."""

from __future__ import annotations

import torch

from amptorch.selection.material import Material
from amptorch.selection.samples import Samples, scaled

TRUE = (1, 4, 6)
"""Functions that energies are made of, of eight."""


def problem(n_frames: int = 24, n_atoms: int = 12, n_species: int = 1, seed: int = 0) -> Samples:
    """Atoms that move along lines, G_if = a_f sin(r_i . k_f), with neighbours that do not matter;
    e = 0.8 G_1 + tanh(G_4) + 0.7 G_6 + 0.3 G_1 G_6; other functions are noise, with slopes of noise."""
    drawn = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=drawn, dtype=torch.float64)

    n, functions = n_frames * n_atoms, 8
    positions, waves = normal(n, 3), normal(functions, 3)
    features = torch.sin(positions @ waves.T)
    slopes = torch.cos(positions @ waves.T)[:, :, None] * waves
    noise = [f for f in range(functions) if f not in TRUE]
    features[:, noise], slopes[:, noise] = normal(n, len(noise)), normal(n, len(noise), 3)
    g = features[:, TRUE]
    energies = 0.8 * g[:, 0] + torch.tanh(g[:, 1]) + 0.7 * g[:, 2] + 0.3 * g[:, 0] * g[:, 2]
    by = [0.8 + 0.3 * g[:, 2], torch.cosh(g[:, 1]) ** -2, 0.7 + 0.3 * g[:, 0]]
    by = torch.stack(by, 1)
    forces = -torch.einsum("nf,nfx->nx", by, slopes[:, TRUE])
    frames, moving = torch.arange(n) // n_atoms, torch.arange(0, n, 3)
    return Samples(
        features=features,
        species=torch.arange(n) % n_species,
        frames=frames,
        sizes=torch.full((n_frames,), float(n_atoms), dtype=torch.float64),
        energies=torch.zeros(n_frames, dtype=torch.float64).index_add(0, frames, energies),
        slopes=slopes[moving],
        rows=moving,
        moved=torch.arange(len(moving)),
        forces=forces[moving],
        force_frames=frames[moving],
    )


def material(samples: Samples | None = None, **options: object) -> Material:
    """Two thirds of the frames train, the others validate."""
    given = (problem() if samples is None else samples).to(torch.float32)
    training = torch.arange(given.n_frames)[: 2 * given.n_frames // 3]
    validation = torch.arange(len(training), given.n_frames)
    n_species = int(given.species.max()) + 1
    ready = scaled(given, training, n_species)
    spans = given.features.amax(0) - given.features.amin(0)
    settings = {"seeds": (0, 1), "epochs": 60, "hidden": 8, "least": 2, "most": 4, **options}
    return Material(
        ready.of_frames(training), ready.of_frames(validation), spans, n_species, **settings
    )
