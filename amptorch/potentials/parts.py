"""Frames too large to hold all their pairs at once: some atoms after others.

Energies E_i of the atoms of a part, and dE_i/dR_ij, ask for nothing but the vectors to their
neighbours: energies are laid side by side, forces and virials are sums over parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from ase import Atoms

from ..descriptor.base_descriptor import BaseDescriptor
from ..descriptor.environments import check_nearest, parted_on
from ..kernels.device_memory import free_bytes
from ..kernels.environment import Part
from ..kernels.force_pass import Passed, add_part
from ..kernels.neighbors import NeighborList, PartedNeighbors
from ..processes.stages import stage
from .force_call import ForceCall, Outcome

Run = Callable[[Part, bool], Passed]
"""What a part gives, with gradients of pairs or without."""

MOST_ATOMS, MOST_PAIRS = 1 << 17, 1 << 24
"""Of a part on a GPU, which is not faster with more."""
PAIR_BYTES = 256
"""Of a pair in float64, with what finding it, fingerprints and their derivatives hold of it at the
same time; what some descriptors need beyond that is found when memory does not suffice."""


class Sums:
    """Energies, and forces and virials if asked for, of frames whose parts come one by one.

    Args:
        frames: [n_atoms], the frame of each atom, where sums are to be.
        n_frames: how many there are.
        forces: whether there are forces.
    """

    def __init__(self, frames: torch.Tensor, n_frames: int, forces: bool) -> None:
        self.frames, self.with_forces = frames, forces
        zero = torch.zeros((), dtype=torch.float64, device=frames.device)
        self.forces, self.virials = zero.new_zeros(len(frames), 3), zero.new_zeros(n_frames, 3, 3)
        self.found: list[Passed] = []

    def add(self, part: Part, passed: Passed) -> None:
        """Take up a part, the next one."""
        if self.with_forces:
            gradients = passed.gradients.to(self.forces.device)
            with stage("amptorch::forces"):
                add_part(part, gradients, self.forces, self.virials, self.frames)
        self.found.append(passed.without_gradients())

    def outcome(self) -> Outcome:
        """What all parts gave; fingerprints stay where they are."""
        energies = torch.cat([each.energies for each in self.found])
        counts = [each.n_outside for each in self.found if each.n_outside is not None]
        outcome = Outcome(
            torch.cat([each.fingerprints for each in self.found]),
            energies.double().cpu().numpy(),
            int(sum(counts)) if len(counts) == len(self.found) else None,
        )
        if self.with_forces:
            outcome.forces = self.forces.cpu().numpy()
            outcome.virials = self.virials.cpu().numpy()
        return outcome


def in_parts(parts: Iterable[Part], run: Run, n_atoms: int, forces: bool) -> Outcome:
    """What all parts of one frame on the CPU give together."""
    sums = Sums(torch.zeros(n_atoms, dtype=torch.int64), 1, forces)
    for part in parts:
        sums.add(part, run(part, forces))
    return sums.outcome()


def on_gpu(
    call: ForceCall,
    descriptor: BaseDescriptor,
    images: Sequence[Atoms],
    names: Sequence[str],
    forces: bool,
    kept: NeighborList | None = None,
) -> Outcome:
    """What images give, whose neighbours too are found on a GPU.

    Args:
        call: on the GPU.
        descriptor: makes the fingerprints.
        images: list of ``Atoms``; with ``kept`` one.
        names: of the images, in errors.
        forces: give forces and virials.
        kept: neighbours of a system that moves, whose state the image is.

    Raises:
        ValueError: see :meth:`BaseDescriptor.environment`.
    """
    neighbors = parted_on(descriptor, images, call.device, names, kept)
    check_nearest(neighbors.nearest(), descriptor, images, names)
    outcome = within_memory(neighbors, call.run_part, call.dtype, forces)
    check_nearest(neighbors.nearest(), descriptor, images, names)  # of a list it is known by now
    return outcome


def within_memory(
    neighbors: PartedNeighbors, run: Run, dtype: torch.dtype, forces: bool
) -> Outcome:
    """What frames give on a GPU, as many pairs at a time as there is memory for.

    Args:
        neighbors: of the frames.
        run: on the GPU.
        dtype: of the vectors.
        forces: give forces and virials.
    """
    sums = Sums(neighbors.frames, neighbors.n_frames, forces)
    most = most_pairs(neighbors.frames.device)
    begin, n_atoms = 0, len(neighbors.frames)
    while begin < n_atoms:
        end = min(neighbors.end(begin, most), begin + MOST_ATOMS)
        found = _tried(neighbors, begin, end, run, dtype, forces)
        if found is None:
            most = min(most, neighbors.n_pairs(begin, end)) // 2
            continue
        sums.add(*found)
        begin = end
        del found  # before the next one is made
    return sums.outcome()


def _tried(
    neighbors: PartedNeighbors, begin: int, end: int, run: Run, dtype: torch.dtype, forces: bool
) -> tuple[Part, Passed] | None:
    """A part and what it gives; None where there is not the memory, of which nothing is held."""
    try:
        with stage("amptorch::neighbours"):
            part = neighbors.part(begin, end, dtype)
        return part, run(part, forces)
    except torch.cuda.OutOfMemoryError:
        if end - begin == 1:
            raise
        return None


def most_pairs(device: torch.device) -> int:
    """Of a part, that take no more than half of the memory that is free."""
    return int(min(MOST_PAIRS, free_bytes(device) / 2 / PAIR_BYTES))
