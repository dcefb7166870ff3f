"""What networks on the pool are trained with: fingerprints, some of their slopes, and targets.

Slopes are many times the rest: those of a few atoms a frame stand for all. An atom k that moves by
dr_k changes the features of atoms i near it, and in a sum over atoms E = sum_i e(G_i)

    F_k = - sum_i sum_f de/dG_if dG_if/dr_k
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Samples:
    """Of some frames; lengths in Å.

    Attributes:
        features: [n_atoms, n_functions].
        species: [n_atoms], int64.
        frames: [n_atoms], int64, of each atom, ascending.
        sizes: [n_frames], numbers of atoms.
        energies: [n_frames], in units of ``scale``.
        slopes: [n_rows, n_functions, 3], dG_i/dr_k.
        rows: [n_rows], int64, the atom i.
        moved: [n_rows], int64, the place of atom k in ``forces``.
        forces: [n_moved, 3], in units of ``scale`` over Å.
        force_frames: [n_moved], int64, of the atoms k.
        scale: of energies, eV.
        weight: of squares of energies per atom beside those of forces, in a loss.
    """

    features: Tensor
    species: Tensor
    frames: Tensor
    sizes: Tensor
    energies: Tensor
    slopes: Tensor
    rows: Tensor
    moved: Tensor
    forces: Tensor
    force_frames: Tensor
    scale: float = 1.0
    weight: float = 1.0

    @property
    def n_functions(self) -> int:
        """Of the pool, or the part of it."""
        return self.features.shape[1]

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.sizes)

    @property
    def with_forces(self) -> bool:
        """Whether there are any."""
        return len(self.forces) > 0

    @property
    def memory(self) -> int:
        """Bytes."""
        values = (getattr(self, name) for name in TENSORS)
        return sum(each.numel() * each.element_size() for each in values)

    def of_functions(self, kept: Tensor) -> Samples:
        """Those of some functions, by their places."""
        return replace(
            self,
            features=self.features[:, kept].contiguous(),
            slopes=self.slopes[:, kept].contiguous(),
        )

    def of_frames(self, kept: Tensor) -> Samples:
        """Those of some frames, in ascending order."""
        kept = kept.sort().values
        atoms, moving = _inside(self.frames, kept), _inside(self.force_frames, kept)
        rows = moving[self.moved] if len(self.moved) else self.moved.bool()
        return replace(
            self,
            features=self.features[atoms],
            species=self.species[atoms],
            frames=torch.searchsorted(kept, self.frames[atoms]),
            sizes=self.sizes[kept],
            energies=self.energies[kept],
            slopes=self.slopes[rows],
            rows=_renumbered(atoms, self.rows[rows]),
            moved=_renumbered(moving, self.moved[rows]),
            forces=self.forces[moving],
            force_frames=torch.searchsorted(kept, self.force_frames[moving]),
        )

    def to(self, dtype: torch.dtype) -> Samples:
        """The same in another precision."""
        values = {name: getattr(self, name) for name in TENSORS}
        made: dict[str, Any] = {
            name: value.to(dtype) if value.is_floating_point() else value
            for name, value in values.items()
        }
        return Samples(**made, scale=self.scale, weight=self.weight)

    def sums(self) -> Tensor:
        """[n_frames, n_functions]: means of features over the atoms of frames."""
        zeros = self.features.new_zeros(self.n_frames, self.n_functions)
        return zeros.index_add(0, self.frames, self.features) / self.sizes[:, None]

    def pushes(self) -> Tensor:
        """[3 n_moved, n_functions]: forces, were the energy the sum of one feature over atoms."""
        zeros = self.slopes.new_zeros(len(self.forces), self.n_functions, 3)
        summed = zeros.index_add(0, self.moved, self.slopes)
        return -summed.transpose(1, 2).reshape(-1, self.n_functions)


TENSORS = [each.name for each in fields(Samples) if each.name not in ("scale", "weight")]
"""Names of all but two numbers."""


def joined(parts: list[Samples]) -> Samples:
    """Frames of several one after the other."""
    atoms = _offsets([len(each.features) for each in parts])
    frames = _offsets([each.n_frames for each in parts])
    moved = _offsets([len(each.forces) for each in parts])
    shifts = {"frames": frames, "force_frames": frames, "rows": atoms, "moved": moved}
    made: dict[str, Any] = {}
    for name in TENSORS:
        own = [getattr(each, name) for each in parts]
        if name in shifts:
            own = [each + by for each, by in zip(own, shifts[name], strict=True)]
        made[name] = torch.cat(own)
    return Samples(**made)


def scaled(samples: Samples, training: Tensor, n_species: int) -> Samples:
    """Samples whose features have mean 0 and standard deviation 1 over the atoms of the training
    frames, energies less those of elements (least squares), energies and forces over one scale:
    the root mean square of forces, or of energies per atom without them. A feature that does not
    vary is 0."""
    atoms = _inside(samples.frames, training)
    known = samples.features[atoms].double()
    mean, spread = known.mean(0), known.std(0, correction=0)
    least = 1e-6 * known.abs().amax(0).clamp(min=1e-30)
    factor = torch.where(spread > least, 1 / spread.clamp(min=1e-300), 0.0)
    counts = samples.sizes.new_zeros(samples.n_frames, n_species).double()
    counts.index_put_((samples.frames, samples.species), counts.new_ones(()), accumulate=True)
    energies = samples.energies.double()
    elements = torch.linalg.lstsq(counts[training], energies[training, None], driver="gelsd")
    left = energies - (counts @ elements.solution)[:, 0]
    of_energy = float((left / samples.sizes).square()[training].mean().sqrt()) or 1.0
    pushed = samples.forces[_inside(samples.force_frames, training)]
    of_force = float(pushed.double().square().mean().sqrt()) if len(pushed) else 0.0
    scale = of_force or of_energy
    dtype = samples.features.dtype
    return replace(
        samples,
        features=((samples.features.double() - mean) * factor).to(dtype),
        slopes=samples.slopes * factor[:, None].to(dtype),
        energies=(left / scale).to(dtype),
        forces=samples.forces / scale,
        scale=scale,
        weight=(scale / of_energy) ** 2,
    )


def _inside(values: Tensor, kept: Tensor) -> Tensor:
    return torch.isin(values, kept)


def _renumbered(kept: Tensor, places: Tensor) -> Tensor:
    return (kept.cumsum(0) - 1)[places] if len(kept) else places


def _offsets(lengths: list[int]) -> list[int]:
    return torch.tensor([0, *lengths]).cumsum(0)[:-1].tolist()
