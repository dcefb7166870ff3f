"""Memory of a GPU, and copies to it."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def free_bytes(device: torch.device) -> float:
    """Of a GPU; infinity for other devices."""
    if device.type != "cuda":
        return float("inf")
    free, _ = torch.cuda.mem_get_info(device)
    # What torch has taken from the device and does not use is as free.
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def copied(values: NDArray[Any], device: torch.device) -> Tensor:
    """On a device, for which the host does not wait."""
    tensor = torch.from_numpy(values)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor
