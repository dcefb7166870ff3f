"""Batches that are made where the network is: of frames that lie on the device, or of copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..data.frame import AtomsBatch, AtomsData, collate
from ..data.memory import fits_on_device
from ..data.primes import JacobianBatch
from .in_memory import DataCollater
from .resident import ResidentFrames, obstacle


class DeviceCollater:
    """Batches on a device.

    Args:
        collater: hands batches out.
        device: where they are made.
        images: those that are laid on the device, with the first batch; of images that are not
            among them a batch is made on the host and copied.
        reason: why there are none.
        verbose: print where the frames lie.
    """

    def __init__(
        self,
        collater: DataCollater,
        device: torch.device,
        images: Sequence[AtomsData] = (),
        reason: str = "",
        verbose: bool = False,
    ) -> None:
        self.collater, self.device, self.images, self.reason = collater, device, images, reason
        self._says = verbose
        self._frames: ResidentFrames | None = None
        self._places: dict[int, int] = {}

    def __call__(self, images: Sequence[AtomsData]) -> Any:
        frames = self._laid()
        if frames is not None:
            places = [self._places.get(id(image), -1) for image in images]
            if -1 not in places:
                return self.collater.labelled(frames.batch(places))
        batch = collate(images)
        if self.device.type == "cuda":
            batch = _pinned(batch).to(self.device, non_blocking=True)
        return self.collater.labelled(batch)

    def release(self) -> None:
        """Free the memory of the device; the next batch takes it anew."""
        self._frames, self._places = None, {}

    def __getstate__(self) -> dict[str, Any]:
        # Copies have images of their own.
        return {**vars(self), "_frames": None, "_places": {}}

    def _laid(self) -> ResidentFrames | None:
        if self.images and self._frames is None:
            self._frames = ResidentFrames(self.images, self.device)
            self._places = {id(image): place for place, image in enumerate(self.images)}
        if self._says:
            print(self.words())
            self._says = False
        return self._frames

    def words(self) -> str:
        """Where frames are, as the last batch found them."""
        if self._frames is None:
            return f"frames are copied to {self.device} batch by batch: {self.reason}"
        return f"frames lie on {self.device}: {self._frames.n_bytes / 1e9:.3g} GB"


def device_collater(
    collater: DataCollater,
    images: Sequence[AtomsData] | None,
    device: torch.device,
    resident: bool | str,
    verbose: bool,
) -> DataCollater | DeviceCollater:
    """What makes batches.

    Args:
        collater: makes them on the host.
        images: those of the data set; None where they are read from files.
        device: where the network is.
        resident: whether images lie on the device: True; False; or "auto", on a GPU and where they
            take at most half of the memory that is free there.
        verbose: print where they lie.

    Raises:
        ValueError: ``resident`` is True and images cannot lie on the device.
    """
    asked = resident is True
    if not asked and device.type != "cuda":
        return collater
    reason = "resident is False" if resident is False else _hindrance(images)
    if asked and reason:
        raise ValueError(f"optim: resident True: frames cannot lie on {device}: {reason}")
    if not (asked or reason or fits_on_device(images or (), device)):
        reason = "they would take more than half of the memory that is free there"
    return DeviceCollater(collater, device, () if reason else images or (), reason, verbose)


def _hindrance(images: Sequence[AtomsData] | None) -> str:
    return "they are read from files" if images is None else obstacle(images)


def _pinned(value: Any) -> Any:
    """A copy in memory of the host that a GPU reads while the host goes on; what lies on a device
    is as it is."""
    if isinstance(value, Tensor):
        return value if value.is_sparse or value.device.type != "cpu" else value.pin_memory()
    if isinstance(value, JacobianBatch):
        value = value.joined()
    if isinstance(value, AtomsBatch):
        return AtomsBatch(**{name: _pinned(each) for name, each in value.held().items()})
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{e.name: _pinned(getattr(value, e.name)) for e in fields(value)})
    return value
