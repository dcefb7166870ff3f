"""Tables that kernels read, made from a parameter set once for each device and precision."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from ..backends import Parameters

MOST_KEPT = 32
"""Parameter sets whose tables stay on a device."""


@dataclass(frozen=True)
class Tables:
    """Tensors, and numbers that kernels are compiled for."""

    def to(self, device: torch.device, dtype: torch.dtype) -> Any:
        """Tables on another device: integers as int32, reals in another dtype."""
        moved: dict[str, Any] = {
            name: table.to(device, dtype if table.is_floating_point() else torch.int32)
            for name, table in vars(self).items()
            if isinstance(table, Tensor)
        }
        return replace(self, **moved)


R = TypeVar("R")
T = TypeVar("T", bound=Tables)


class Kept(Generic[R]):
    """What a function of parameter sets gave; equal sets share it.

    Args:
        make: from a parameter set, a dataclass with tensors on the CPU, and some more.
    """

    def __init__(self, make: Callable[..., R]) -> None:
        self.make = make
        self.kept: dict[tuple[Hashable, ...], R] = {}

    def __call__(self, parameters: Parameters, *more: Hashable) -> R:
        key = (*more, *map(_content, vars(parameters).values()))
        if key not in self.kept:
            if len(self.kept) == MOST_KEPT:
                del self.kept[next(iter(self.kept))]
            self.kept[key] = self.make(parameters, *more)
        return self.kept[key]


class TableCache(Generic[T]):
    """Builds and moves tables.

    Args:
        build: from a parameter set to its tables in int64 and float64.
    """

    def __init__(self, build: Callable[[Any], T]) -> None:
        self.kept: Kept[T] = Kept(lambda parameters, *place: build(parameters).to(*place))

    def __call__(self, parameters: Parameters, vectors: Tensor) -> T:
        """Tables on the device and in the dtype of some vectors."""
        return self.kept(parameters, vectors.device, vectors.dtype)


def _content(value: Hashable) -> Hashable:
    return value.numpy().tobytes() if isinstance(value, Tensor) else value


def power_of_two(n: int) -> int:
    """The smallest power of 2 that is no less; Triton's blocks have such sizes."""
    return 1 << max(n - 1, 0).bit_length()
