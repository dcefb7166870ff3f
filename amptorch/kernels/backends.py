"""What can run the four operations of a fingerprint kernel: C++, Triton, the plain reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, Protocol

import torch
from torch import Tensor

from .. import _native
from .environment import Environment
from .reference import derivatives


class Parameters(Protocol):
    """Parameters of a kernel: a frozen dataclass of tensors, integers, floats and booleans."""

    @property
    def n_features(self) -> int:
        """Number of columns of G."""
        ...

    def touch(self) -> Tensor:
        """[n_species, n_species, n_touched], see ``kernels/pair_jacobian.py``."""
        ...


class Native(Protocol):
    """The four operations of C++ or Triton kernels, on contiguous tensors; no autograd."""

    def takes(self, parameters: Parameters, /) -> bool:
        """Whether there are kernels for these parameters."""
        ...

    def forward(self, environment: Environment, parameters: Parameters, /) -> Tensor: ...

    def jacobian(
        self, environment: Environment, parameters: Parameters, touch: Tensor, /
    ) -> tuple[Tensor, Tensor]: ...

    def vjp(
        self, environment: Environment, parameters: Parameters, gradient: Tensor, /
    ) -> Tensor: ...

    def jvp(
        self, environment: Environment, parameters: Parameters, changes: Tensor, /
    ) -> Tensor: ...


class Reference:
    """The backend that follows from a differentiable ``forward(environment, parameters)``."""

    def __init__(self, forward: Callable[[Environment, Any], Tensor]) -> None:
        self.forward = forward

    def jacobian(self, environment: Environment, parameters: Parameters) -> tuple[Tensor, Tensor]:
        forward = self._of_environment(parameters)
        blocks = derivatives.jacobian(forward, environment, parameters.touch())
        return forward(environment), blocks

    def vjp(self, environment: Environment, parameters: Parameters, gradient: Tensor) -> Tensor:
        return derivatives.vjp(self._of_environment(parameters), environment, gradient)

    def jvp(self, environment: Environment, parameters: Parameters, changes: Tensor) -> Tensor:
        return derivatives.jvp(self._of_environment(parameters), environment, changes)

    def _of_environment(self, parameters: Parameters) -> Callable[[Environment], Tensor]:
        return lambda environment: self.forward(environment, parameters)


class Cpp:
    """The C++ kernels of a stem, ``_native.<stem>_<operation>``.

    They take the environment, the fields of the parameters in their order, the number of threads,
    and then the arrays of the operation, those to be filled last.
    """

    def __init__(self, stem: str) -> None:
        self.stem = stem

    def takes(self, parameters: Parameters) -> bool:
        return True

    def forward(self, environment: Environment, parameters: Parameters) -> Tensor:
        features = _features(environment, parameters)
        self.run("forward", environment, parameters, features)
        return features

    def jacobian(
        self, environment: Environment, parameters: Parameters, touch: Tensor
    ) -> tuple[Tensor, Tensor]:
        features = _features(environment, parameters)
        blocks = environment.vectors.new_empty((environment.n_pairs, touch.shape[-1], 3))
        self.run("jacobian", environment, parameters, touch, features, blocks)
        return features, blocks

    def vjp(self, environment: Environment, parameters: Parameters, gradient: Tensor) -> Tensor:
        pulled = environment.vectors.new_empty((environment.n_pairs, 3))
        self.run("vjp", environment, parameters, gradient.detach(), pulled)
        return pulled

    def jvp(self, environment: Environment, parameters: Parameters, changes: Tensor) -> Tensor:
        features = _features(environment, parameters)
        self.run("jvp", environment, parameters, changes.detach(), features)
        return features

    def run(
        self, operation: str, environment: Environment, parameters: Parameters, *arrays: Tensor
    ) -> None:
        """One operation, from and into arrays."""
        getattr(_native, f"{self.stem}_{operation}")(
            environment.vectors.detach(),
            environment.first,
            environment.neighbors,
            environment.species,
            *values_of(parameters),
            torch.get_num_threads(),
            *arrays,
        )


def values_of(parameters: Parameters) -> list[Tensor | float]:
    """The values of the fields, in their order."""
    return [getattr(parameters, field.name) for field in fields(parameters)]  # type: ignore


def _features(environment: Environment, parameters: Parameters) -> Tensor:
    return environment.vectors.new_empty((environment.n_atoms, parameters.n_features))
