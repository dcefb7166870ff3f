"""The processes that ``torchrun`` started: which one this is, and what one does for all."""

from __future__ import annotations

import atexit
import datetime
import os
import time
from collections.abc import Callable
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn

Value = TypeVar("Value")


# While the first process builds a store, which may take hours, the others wait.
PATIENCE = datetime.timedelta(days=2)


GRACE = 0.1  # seconds


def start() -> tuple[int, int]:
    """Join the processes that ``torchrun`` started.

    Returns:
        The number of this process and how many there are; 0 and 1 without ``torchrun``.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count < 2:
        return 0, 1
    if not dist.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, timeout=PATIENCE)
        atexit.register(_stop)
    return dist.get_rank(), dist.get_world_size()


def _stop() -> None:
    if dist.is_initialized():
        # gloo's threads may still hold tensors of the last message, and abort the process if they
        # let go of them when the interpreter is gone: this lets them do so before.
        time.sleep(GRACE)
        dist.destroy_process_group()
        time.sleep(GRACE)


def is_first() -> bool:
    """Whether this process is the one that writes and prints; true without ``torchrun``."""
    return not dist.is_initialized() or dist.get_rank() == 0


def is_shared() -> bool:
    """Whether several processes train together."""
    return dist.is_initialized()


def device(gpus: int) -> torch.device:
    """The GPU of this process, which it uses from then on, or the CPU without ``gpus``.

    Raises:
        ValueError: there is none, none for this process, or more than one was asked for each of
            several processes.
    """
    if not gpus:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ValueError(f"optim: gpus is {gpus}, but torch finds no GPU on this machine")
    if is_shared() and gpus > 1:
        raise ValueError(
            f"optim: with torchrun each process has one GPU, expected gpus 1, got {gpus}"
        )
    if not is_shared():
        return torch.device("cuda", 0)
    number, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= count:
        raise ValueError(
            f"optim: with torchrun each process has one GPU, but this machine has {count} of them: "
            f"expected --nproc_per_node {count} at most"
        )
    # What names no GPU would take memory of the first one, in each of the processes.
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


def first_alone(action: Callable[[], Value]) -> Value | None:
    """What the first process's call gives there, when it has ended; None elsewhere.

    Raises:
        RuntimeError: in the other processes, when the first one failed.
    """
    if not dist.is_initialized():
        return action()
    failed = [True]
    try:
        result = action() if is_first() else None
        failed = [False]
    finally:
        dist.broadcast_object_list(failed, 0)
    if failed[0]:
        raise RuntimeError("the first process failed; it says why")
    return result


def share(module: nn.Module) -> None:
    """Give every process the parameters and buffers of the first."""
    if is_shared():
        for value in module.state_dict().values():
            dist.broadcast(value, 0)


def of_the_first(action: Callable[[], Value]) -> Value:
    """What the first process's call gives, in every process."""
    result = [first_alone(action)]
    if is_shared():
        dist.broadcast_object_list(result, 0)
    return result[0]  # type: ignore[return-value]
