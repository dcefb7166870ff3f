"""Batches spread over several GPUs of one machine."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..data.frame import AtomsBatch, AtomsData
from ..dataset.loader import Collate


class ParallelCollater:
    """Collates a list of batches, one per GPU, from the images of one batch.

    Args:
        num_gpus: 0 or 1 gives what ``collater`` gives.
        collater: collates images to ``(batch, targets)``.
    """

    def __init__(self, num_gpus: int, collater: Collate) -> None:
        self.num_gpus = num_gpus
        self.collater = collater

    def __call__(self, images: Sequence[AtomsData]) -> Any:
        if self.num_gpus < 2:
            return self.collater(images)
        parts = min(self.num_gpus, len(images))
        bounds = [len(images) * part // parts for part in range(parts + 1)]
        collated = [self.collater(images[a:b]) for a, b in itertools.pairwise(bounds)]
        batches = BatchList(batch for batch, _ in collated)
        targets = zip(*(target for _, target in collated), strict=True)
        return batches, tuple(torch.cat(parts) for parts in targets)


class BatchList(list):
    """Batches that move together; its length is the number of images."""

    def __len__(self) -> int:
        return sum(batch.num_graphs for batch in self)

    def to(self, device: str | torch.device) -> BatchList:
        """Itself: each batch moves to its own GPU when it is evaluated."""
        return self


class DataParallel(nn.Module):
    """Evaluates each batch of a list on its own GPU and joins the outputs.

    Args:
        module: network; its parameters stay on ``output_device``.
        output_device: where outputs are gathered.
        num_gpus: number of GPUs.
    """

    def __init__(self, module: nn.Module, output_device: torch.device, num_gpus: int) -> None:
        super().__init__()
        self.module = module
        self.output_device = output_device
        self.devices = [torch.device("cuda", index) for index in range(num_gpus)]

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """That of the network, so that checkpoints do not tell how many GPUs there were."""
        return self.module.state_dict(*args, **kwargs)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """That of the network."""
        return self.module.load_state_dict(*args, **kwargs)

    def forward(self, batches: AtomsBatch | BatchList) -> tuple[Tensor, ...]:
        """Energies and forces of all batches."""
        if isinstance(batches, AtomsBatch):
            return self.module(batches.to(self.output_device))
        devices = self.devices[: len(list(iter(batches)))]
        replicas = nn.parallel.replicate(self.module, devices)
        inputs = [(batch.to(device),) for batch, device in zip(batches, devices, strict=True)]
        outputs = nn.parallel.parallel_apply(replicas, inputs, devices=devices)
        parts = zip(*outputs, strict=True)
        return tuple(torch.cat([p.to(self.output_device) for p in part]) for part in parts)
