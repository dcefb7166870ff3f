"""Frames that lie on a device one after the other, and batches gathered of them there.

The host knows how many atoms and pairs each frame has. So it says where the rows of a batch are
with one small copy, and the device gathers them: nothing waits, and nothing large is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.frame import AtomsBatch, AtomsData
from ..data.primes import Computed, JacobianBatch, PairJacobian, Primes
from ..kernels.device_memory import copied
from ..kernels.environment import Environment
from ..processes.stages import stage

Numbers = NDArray[np.int64]
Form = Computed | PairJacobian
"""Of the primes of a frame."""

OF_FRAMES = ("energy", "stress", "volume", "weight")
AT_ONCE = 64
"""Frames that are laid one after the other before they are copied."""


def obstacle(images: Sequence[AtomsData]) -> str:
    """Why images cannot lie on a device one after the other; empty where they can."""
    if not images:
        return "there are none"
    if len({frozenset(image.keys) - {"group"} for image in images}) > 1:
        return "they have not all the same targets"
    primes = [image.primes for image in images] if "primes" in images[0] else []
    if any(type(each) is not type(primes[0]) for each in primes):
        return "their primes are of several forms"
    if primes and not isinstance(primes[0], Form):
        return "their primes are sparse matrices"
    return ""


class Lay:
    """Lays tensors of frames one after the other on a device.

    Args:
        device: where.

    Attributes:
        n_bytes: that they take by now.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.n_bytes = 0

    def rows(self, parts: Sequence[Tensor], dtype: torch.dtype | None = None) -> Tensor:
        """[n, ...] of parts that have some rows each, [n_part, ...]."""
        size = (sum(map(len, parts)), *parts[0].shape[1:])
        laid = torch.empty(size, dtype=dtype or parts[0].dtype, device=self.device)
        begin = 0
        for start in range(0, len(parts), AT_ONCE):
            # Few large copies take a fraction of the time of many small ones.
            joined = torch.cat(list(parts[start : start + AT_ONCE]))
            laid[begin : begin + len(joined)].copy_(joined)
            begin += len(joined)
        self.n_bytes += laid.numel() * laid.element_size()
        return laid

    def items(self, parts: Sequence[Tensor]) -> Tensor:
        """[n_frames, ...] of parts that are of a frame each."""
        return self.rows([each[None] for each in parts])


class Sizes:
    """How many rows each of all frames has.

    Args:
        counts: atoms or pairs of each frame.
    """

    def __init__(self, counts: Sequence[int]) -> None:
        self.counts = np.array(counts, dtype=np.int64)
        self.starts = np.cumsum(self.counts) - self.counts

    def of(self, frames: Numbers) -> Numbers:
        """[3, n] of the frames of a batch: how many rows, where they begin in the batch, and by how
        much further on they begin in all frames."""
        counts = self.counts[frames]
        begins = np.cumsum(counts) - counts
        return np.stack([counts, begins, self.starts[frames] - begins])


@dataclass
class Rows:
    """Where the rows of a batch are, atoms or pairs.

    Attributes:
        counts, begins: [n_frames], how many there are of each frame, and where they begin.
        frames: [n], which frame of the batch each is of.
        places: [n], where each is among those of all frames.
    """

    counts: Tensor
    begins: Tensor
    frames: Tensor
    places: Tensor

    @classmethod
    def of(cls, sizes: Tensor, total: int) -> Rows:
        """The rows, ``total`` of them, that ``sizes`` tells of; see :class:`Sizes`."""
        counts, begins, shifts = sizes
        # Told the total, the device is not asked for it.
        frames = torch.repeat_interleave(counts, output_size=total)
        places = torch.arange(total, device=sizes.device).add_(shifts.index_select(0, frames))
        return cls(counts, begins, frames, places)

    def take(self, values: Tensor) -> Tensor:
        """[n, ...] of those of all frames."""
        return values.index_select(0, self.places)


class Environments:
    """Those of all frames.

    Args:
        environments: of each frame.
        lay: where to.
    """

    def __init__(self, environments: Sequence[Environment], lay: Lay) -> None:
        self.vectors = lay.rows([each.vectors for each in environments])
        self.neighbors = lay.rows([each.neighbors for each in environments], torch.int32)
        self.counts = lay.rows([each.first.diff() for each in environments])
        self.species = lay.rows([each.species for each in environments])

    def of(self, atoms: Rows, pairs: Rows) -> Environment:
        """That of a batch."""
        counts = atoms.take(self.counts)
        first = counts.new_zeros(len(counts) + 1)
        torch.cumsum(counts, 0, out=first[1:])
        return Environment(
            pairs.take(self.vectors),
            first,
            atoms.begins.index_select(0, pairs.frames).add_(pairs.take(self.neighbors)),
            atoms.take(self.species),
        )


class ResidentPrimes:
    """Those of all frames.

    Args:
        primes: of each frame, all of one form.
        lay: where to.
        gathers: lay stored blocks there, too; without it batches have those of ``primes``, as
            kernels of the CPU take them, which copies nothing.
    """

    def __init__(self, primes: Sequence[Form], lay: Lay, gathers: bool) -> None:
        self.first = primes[0]
        self.stored = [each for each in primes if isinstance(each, PairJacobian)]
        self.stay = bool(self.stored) and not gathers
        self.plain = all(isinstance(each, Computed) and each.plain for each in primes)
        self.sizes = Sizes([each.environment.n_pairs for each in primes])
        if not self.stay:
            self.factors = lay.rows([each.factors for each in primes])
            self.environments = Environments([each.environment for each in primes], lay)
        if self.stored and gathers:
            self.values = lay.rows([each.values for each in self.stored])
            self.touch = self.stored[0].touch.to(lay.device)

    def of(self, frames: Numbers, atoms: Rows, pairs: Tensor) -> Primes:
        """Those of a batch; ``pairs`` are the sizes of its frames."""
        if self.stay:
            return JacobianBatch([self.stored[each] for each in frames])
        factors = atoms.take(self.factors)
        rows = Rows.of(pairs, int(self.sizes.counts[frames].sum()))
        environment = self.environments.of(atoms, rows)
        if isinstance(self.first, Computed):
            computed = replace(self.first, environment=environment, factors=factors)
            return replace(computed, plain=self.plain)
        return PairJacobian(environment, factors, rows.take(self.values), self.touch)


class ResidentFrames:
    """Images one after the other on a device.

    Args:
        images: of a data set, without an :func:`obstacle`.
        device: where they lie.
        gathers: lay the blocks of stored primes there, too; by default where the device is not the
            CPU, whose kernels take them from the images.

    Attributes:
        images: the same.
        n_bytes: that they take on the device.
    """

    def __init__(
        self, images: Sequence[AtomsData], device: torch.device, gathers: bool | None = None
    ) -> None:
        self.images, self._device, lay = images, device, Lay(device)
        self._sizes = Sizes([image.num_nodes for image in images])
        self._of_atoms = {
            name: lay.rows([image[name] for image in images])
            for name in ("fingerprint", "atomic_numbers", "forces")
            if name in images[0]
        }
        self._of_frames = {
            name: lay.items([_of_one(name, image) for image in images])
            for name in OF_FRAMES
            if name in images[0]
        }
        gathers = device.type != "cpu" if gathers is None else gathers
        given = [image.primes for image in images] if "primes" in images[0] else []
        primes = [each for each in given if isinstance(each, Form)]
        self._primes = ResidentPrimes(primes, lay, gathers) if primes else None
        self.n_bytes = lay.n_bytes

    def batch(self, frames: Sequence[int]) -> AtomsBatch:
        """What ``collate`` makes of the images at these places, moved to the device."""
        with stage("amptorch::collate"):
            return self._batch(np.array(frames, dtype=np.int64))

    def _batch(self, frames: Numbers) -> AtomsBatch:
        sizes = [frames[None], self._sizes.of(frames)]
        if self._primes is not None:
            sizes.append(self._primes.sizes.of(frames))
        table = copied(np.concatenate(sizes), self._device)
        total = int(self._sizes.counts[frames].sum())
        atoms = Rows.of(table[1:4], total)
        batch = AtomsBatch(
            num_nodes=total,
            num_graphs=len(frames),
            batch=atoms.frames,
            natoms=atoms.counts,
            **{name: atoms.take(values) for name, values in self._of_atoms.items()},
            **{name: values.index_select(0, table[0]) for name, values in self._of_frames.items()},
        )
        if self._primes is not None:
            batch.primes = self._primes.of(frames, atoms, table[4:])
        return batch


def _of_one(name: str, image: AtomsData) -> Tensor:
    """A target of an image; its energy is a number, whether in a list of one or not."""
    value = image[name]
    assert isinstance(value, Tensor)
    return value.reshape(()) if name == "energy" else value
