"""One pass over frames: fingerprints of the pool, and slopes of some atoms."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from ase import Atoms
from torch import Tensor
from tqdm import tqdm

from ..data.targets import TargetReader, Targets
from ..kernels.environment import Environment
from .pool import Pool
from .samples import Samples, joined


def gathered(
    images: Iterable[Atoms],
    pool: Pool,
    reader: TargetReader,
    force_atoms: int,
    seed: int,
    show: bool = False,
) -> Samples:
    """Samples of images in float32, unscaled (eV, eV/Å).

    Args:
        images: that have what ``reader`` reads.
        pool: whose functions are computed.
        reader: of energies and, for slopes, forces.
        force_atoms: of each image, drawn at random, whose forces are taken.
        seed: of the draw.
        show: show a progress bar.
    """
    drawn = torch.Generator().manual_seed(seed)
    parts = []
    bar = tqdm(images, desc="fingerprints", unit=" images", disable=not show)
    for index, image in enumerate(bar):
        name = f"image {index}"
        targets = reader.read(image, name)
        number = min(force_atoms, len(image)) if reader.forces else 0
        moving = torch.randperm(len(image), generator=drawn)[:number].sort().values
        parts.append(_of_image(pool, pool.descriptor.environment(image, name), targets, moving))
    if not parts:
        raise ValueError("data: expected at least one frame, got none")
    return joined(parts)


def _of_image(pool: Pool, environment: Environment, targets: Targets, moving: Tensor) -> Samples:
    n, places = environment.n_atoms, pool.places
    slopes = torch.zeros(0, len(pool), 3)
    rows = moved = torch.zeros(0, dtype=torch.int64)
    if len(moving):
        fingerprint, values = pool.descriptor.jacobian(environment)
        slopes, rows, moved = _slopes(pool, environment, values, moving)
    else:
        fingerprint = pool.descriptor.fingerprints(environment)
    forces = torch.zeros(0, 3) if targets.forces is None else torch.as_tensor(targets.forces)
    return Samples(
        features=_spread(fingerprint, places[environment.species], len(pool)).float(),
        species=environment.species,
        frames=torch.zeros(n, dtype=torch.int64),
        sizes=torch.tensor([float(n)]),
        energies=torch.tensor([targets.energy], dtype=torch.float64),
        slopes=slopes,
        rows=rows,
        moved=moved,
        forces=forces[moving].float() if len(moving) else torch.zeros(0, 3),
        force_frames=torch.zeros(len(moving), dtype=torch.int64),
    )


def _spread(values: Tensor, functions: Tensor, number: int) -> Tensor:
    """[n, number, ...] from values [n, n_places, ...] of functions [n, n_places], -1 for none."""
    made = values.new_zeros(len(values), number + 1, *values.shape[2:])
    where = torch.where(functions < 0, number, functions)
    where = where.view(*where.shape, *[1] * (values.ndim - 2)).expand(values.shape)
    return made.scatter_add_(1, where, values)[:, :number]


def _slopes(
    pool: Pool, environment: Environment, values: Tensor, moving: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """dG_i/dr_k of pairs whose neighbour k moves, and dG_k/dr_k = - sum_j dG_k/dR_kj."""
    centers, neighbors, species = environment.centers, environment.neighbors, environment.species
    place = torch.full((environment.n_atoms,), -1)
    place[moving] = torch.arange(len(moving))
    columns = pool.descriptor.touch[species[centers], species[neighbors]]
    touched = torch.where(
        columns < 0, -1, pool.places[species[centers]].gather(1, columns.clamp(0))
    )
    pushed, own = place[neighbors] >= 0, place[centers] >= 0
    of_pairs = _spread(values[pushed], touched[pushed], len(pool)).float()
    sums = torch.zeros(len(moving), len(pool), 3)
    sums.index_add_(0, place[centers[own]], _spread(values[own], touched[own], len(pool)).float())
    slopes = torch.cat([of_pairs, -sums])
    rows = torch.cat([centers[pushed], moving])
    return slopes, rows, torch.cat([place[neighbors[pushed]], torch.arange(len(moving))])


def kept(path: Path, about: Mapping[str, Any], samples: Samples) -> None:
    """Write samples to a file, with what they are of."""
    from safetensors.torch import save_file

    tensors = {name: value for name, value in vars(samples).items() if torch.is_tensor(value)}
    save_file(
        {name: value.contiguous() for name, value in tensors.items()},
        str(path),
        {"about": json.dumps(about)},
    )


def found(path: Path, about: Mapping[str, Any]) -> Samples | None:
    """The samples of a file, if they are of the same."""
    from safetensors import safe_open

    if not path.is_file():
        return None
    with safe_open(str(path), "pt") as file:
        if json.loads(file.metadata()["about"]) != json.loads(json.dumps(about)):
            return None
        return Samples(**{name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
