"""Training by several processes that share every batch, started with ``torchrun``.

Each process takes its part of each batch and predicts it. Predictions and targets of all parts are
then laid one after the other in every process, so that the loss, whatever it is, and the errors are
those of the whole batch; each process differentiates the loss through its own predictions, and the
sum of these gradients over processes is the gradient of the whole. A run of several processes
therefore takes the steps of one process with the same batch size, up to rounding.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import Sampler

from ..data.frame import AtomsBatch, Labelled
from ..dataset.frames import Images
from ..dataset.loader import Batches, BatchLoader, Collate, Order
from ..processes.group import is_first, is_shared
from .nep_loss import NepLoss
from .net import AtomsNet, Step

if TYPE_CHECKING:
    from ..config import Config


def check_settings(settings: Config) -> None:
    """Raise a ``ValueError`` for what several processes cannot do together."""
    if not is_shared():
        return
    optim = settings.gradients
    for asked, what in (
        (settings.model.sees_whole_batches, "model: batchnorm would see a part of each batch"),
        (optim.gradient_clip is not None, "optim: gradient_clip would see a part of the gradient"),
        (optim.choice.net is not AtomsNet, "optim: this optimizer is for one process"),
        (optim.choice.annealing is not None, "optim: annealing is for one process"),
    ):
        if asked:
            raise ValueError(f"{what}; train without torchrun")


class SharedBatchLoader(BatchLoader):
    """As :class:`BatchLoader`, but each process reads its part of every batch.

    Gives a :class:`BatchPart`, and the targets of the whole batch.
    """

    def __init__(
        self,
        dataset: Images,
        batch_size: int,
        collate_fn: Collate,
        order: Order | None = None,
        prefetch: bool = False,
    ) -> None:
        super().__init__(dataset, batch_size, collate_fn, order, prefetch)
        self._size, self._batch_size = len(dataset), batch_size

    def batches(self, sampler: Sampler[int], batch_size: int) -> Batches:
        return _OwnParts(super().batches(sampler, batch_size))

    def __iter__(self) -> Iterator[Any]:
        # The order is drawn in every process, from one state of the generator.
        state = torch.get_rng_state()
        dist.broadcast(state, 0)
        torch.set_rng_state(state)
        for start, (batch, targets) in zip(
            range(0, self._size, self._batch_size), super().__iter__(), strict=True
        ):
            bounds = _bounds(min(self._batch_size, self._size - start))
            part = BatchPart.of(batch, [b - a for a, b in itertools.pairwise(bounds)])
            energies, *forces = targets
            yield part, (part.of_images(energies), *map(part.of_atoms, forces))


class _OwnParts:
    """Of each batch of indices the part of this process; one image where it has none."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[list[int]]:
        for indices in self._batches:
            bounds, rank = _bounds(len(indices)), dist.get_rank()
            yield indices[bounds[rank] : bounds[rank + 1]] or indices[:1]

    def __len__(self) -> int:
        return len(self._batches)


def _bounds(size: int) -> list[int]:
    """Where the parts of a batch begin and end."""
    count = dist.get_world_size()
    return [size * part // count for part in range(count + 1)]


class BatchPart(AtomsBatch):
    """A process's part of a batch, as long as the whole.

    Attributes:
        images: number of images of each process.
        atoms: number of atoms of each process.
        all_natoms: [images of the whole], atoms of each image.
    """

    images: list[int]
    atoms: list[int]
    all_natoms: Tensor

    @classmethod
    def of(cls, batch: AtomsBatch, images: Sequence[int]) -> BatchPart:
        """The part of this process, where the parts have so many images."""
        part = cls(**vars(batch))
        part.images = list(images)
        part.all_natoms = _joined(part.natoms, part.images)
        part.atoms = [int(natoms.sum()) for natoms in part.all_natoms.split(part.images)]
        return part

    def __len__(self) -> int:
        return len(self.all_natoms)

    def of_images(self, values: Tensor) -> Tensor:
        """Values of images of all processes, one after the other."""
        return _joined(values, self.images)

    def of_atoms(self, values: Tensor) -> Tensor:
        """Values of atoms of all processes, one after the other."""
        return _joined(values, self.atoms)

    def whole(self) -> AtomsBatch:
        """Which atom, of which element, belongs to which image of the whole batch, and what losses
        ask of images beside energies."""
        numbers = torch.arange(len(self), device=self.all_natoms.device)
        asked = [name for name in ("stress", "volume", "weight") if name in self]
        return AtomsBatch(
            batch=numbers.repeat_interleave(self.all_natoms),
            natoms=self.all_natoms,
            num_graphs=len(self),
            atomic_numbers=self.of_atoms(self.atomic_numbers),
            **{name: self.of_images(self[name]) for name in asked},
        )


def _joined(values: Tensor, counts: Sequence[int]) -> Tensor:
    """Rows of all processes one after the other; differentiable in this one's rows.

    A process that was given no image of its own leaves out the one it has.
    """
    own = values[: counts[dist.get_rank()]]
    rows = own.new_zeros((max(counts), *own.shape[1:]))
    rows[: len(own)] = own.detach()
    received = [torch.empty_like(rows) for _ in counts]
    dist.all_gather(received, rows)
    parts = [each[:count] for each, count in zip(received, counts, strict=True)]
    parts[dist.get_rank()] = own
    return torch.cat(parts)


class SharedNet(AtomsNet):
    """Net whose batches are :class:`BatchPart`: predictions, losses and gradients are those of the
    whole batch, in every process."""

    def infer(self, x: BatchPart, **fit_params: object) -> tuple[Tensor, ...]:  # type: ignore[override]
        """Scaled energies [n_images], forces [n_atoms, 3] and stresses, if asked for, of the whole
        batch."""
        energies, forces, *stresses = super().infer(x, **fit_params)
        of_atoms = x.of_atoms(forces) if forces.ndim == 2 else forces
        return (x.of_images(energies), of_atoms, *map(x.of_images, stresses))

    def images_of(self, batch: AtomsBatch | None) -> AtomsBatch:
        """Those of the whole batch."""
        assert isinstance(batch, BatchPart)
        return batch.whole()

    def of_parameters(self, criterion: NepLoss) -> Tensor:
        """The same in every process; its gradient is the first one's, as gradients are summed."""
        value = super().of_parameters(criterion)
        return value if is_first() else value.detach()

    def train_step_single(self, batch: Labelled, **fit_params: object) -> Step:
        """One process's part of the gradient, then the sum over processes."""
        step = super().train_step_single(batch, **fit_params)
        parameters = [p for p in self.module_.parameters() if p.requires_grad]
        return {**step, "loss": add_gradients(parameters, step["loss"])}

    def validation_step(self, batch: Labelled, **fit_params: object) -> Step:
        """With the loss of the first process, as that of :func:`add_gradients`."""
        step = super().validation_step(batch, **fit_params)
        loss = step["loss"].detach().clone()
        dist.broadcast(loss, 0)
        return {**step, "loss": loss}


def add_gradients(parameters: Sequence[Tensor], loss: Tensor) -> Tensor:
    """Sum gradients over processes; one that no process has stays None.

    Returns:
        The loss of the first process. On GPUs sums come in any order, so that losses of two may
        differ in the last bit, and what is decided by them, when training ends or by how far a line
        search goes, has to be the same in all.
    """
    there = [float(p.grad is not None) for p in parameters]
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    first = loss.detach() if is_first() else torch.zeros_like(loss)
    # One message: the numbers are few, and each message costs its way.
    counts = parameters[0].new_tensor(there)
    flat = torch.cat([first.to(counts).view(1), counts, *(each.flatten() for each in gradients)])
    dist.all_reduce(flat)
    of_first, there_sum, *sums = flat.split([1, len(parameters), *(p.numel() for p in parameters)])
    for parameter, count, total in zip(parameters, there_sum.tolist(), sums, strict=True):
        parameter.grad = total.view_as(parameter).clone() if count else None
    return of_first.view(()).to(loss)
