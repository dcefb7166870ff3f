"""What the rules know of data: how much there is of what, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from ase import Atoms

from ..data.keys import KINDS, Keys, holds, proposals
from .distances import Distances

SAMPLED = 200
"""The first frames, all of which are of the sample; then of every other one as many again, ..."""


@dataclass(frozen=True)
class Facts:
    """Of a data set.

    Attributes:
        n_frames: number of frames.
        atoms: number of atoms of each element in all frames together.
        forces: whether every frame has forces.
        keys: names of energy, forces, stress and virial, where they are not ASE's and were found by
            their looks.
        volume: of an atom, Å^3: the median of the frames that are periodic in all directions, None
            without such.
        stresses: share of the frames that have a stress or virial.
        sample: frames all over the data.
        every: gives all frames once more; None where only the sample is kept.
    """

    n_frames: int
    atoms: Mapping[str, int]
    forces: bool
    keys: Mapping[str, str] = field(default_factory=dict)
    volume: float | None = None
    stresses: float = 0.0
    sample: Sequence[Atoms] = field(default=(), compare=False, repr=False)
    every: Callable[[], Iterable[Atoms]] | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, images: Iterable[Atoms], keys: Mapping[str, str] | None = None) -> Facts:
        """One pass over images, of which a sample is kept; names that are given are not looked for.

        Raises:
            ValueError: no image.
        """
        n_frames = with_forces = with_stress = 0
        atoms: Counter[str] = Counter()
        names, volumes, sample = dict(keys or {}), [], _Sample()
        for image in images:
            if not n_frames and keys is None:
                names = found_keys(image)
            n_frames += 1
            atoms.update(image.get_chemical_symbols())
            with_forces += holds(image, "forces", Keys.of(names))
            with_stress += holds(image, "stress", Keys.of(names))
            if image.pbc.all():
                volumes.append(image.get_volume() / len(image))
            sample.see(image)
        if not n_frames:
            raise ValueError("data: expected at least one frame, got none")
        return cls(
            n_frames,
            dict(sorted(atoms.items())),
            with_forces == n_frames,
            names,
            float(np.median(volumes)) if volumes else None,
            with_stress / n_frames,
            sample.frames,
            images.__iter__ if isinstance(images, Sequence) else None,
        )

    @cached_property
    def distances(self) -> Distances:
        """The shortest ones of all frames, or of the sample where only that is kept."""
        return Distances.of(self.sample if self.every is None else self.every(), self.elements)

    @property
    def elements(self) -> list[str]:
        """Chemical symbols, sorted."""
        return sorted(self.atoms)

    @property
    def n_atoms(self) -> int:
        """In all frames together."""
        return sum(self.atoms.values())

    @property
    def size(self) -> float:
        """Mean number of atoms of a frame."""
        return self.n_atoms / self.n_frames

    @property
    def n_values(self) -> int:
        """Numbers that are fitted: components of forces, or energies where there are no forces."""
        return 3 * self.n_atoms if self.forces else self.n_frames


class _Sample:
    """More and more thinly sown frames."""

    def __init__(self) -> None:
        self.frames: list[Atoms] = []
        self._seen, self._stride = 0, 1

    def see(self, image: Atoms) -> None:
        """Take in an image, or let it pass."""
        self._seen += 1
        if self._seen % self._stride:
            return
        self.frames.append(image)
        if len(self.frames) % SAMPLED == 0:
            self._stride *= 2


def found_keys(image: Atoms) -> dict[str, str]:
    """Names of energy and forces in an image that has no energy of ASE's, by their looks; beside
    one the forces of GPUMD, which calls them "force"."""
    found = {kind: name for kind, name in proposals(image).items() if kind in KINDS}
    if not holds(image, "energy", Keys()):
        return found
    gpumd = found.get("forces") == "force" and not holds(image, "forces", Keys())
    return {"forces": "force"} if gpumd else {}
