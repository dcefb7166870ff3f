"""The four operations from what a stem launches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from torch import Tensor

from ..backends import Parameters
from ..environment import Environment

P = TypeVar("P", bound=Parameters)

OPTIONS = {"enable_fp_fusion": True}
"""Of every launch. Triton's default for it changes with 3.10."""


class Launch(ABC, Generic[P]):
    """The kernels of a stem with their tables and intermediate results on one environment."""

    @abstractmethod
    def __init__(self, environment: Environment, parameters: P) -> None: ...

    @staticmethod
    @abstractmethod
    def takes(parameters: P) -> bool:
        """Whether there are kernels for these parameters."""

    @abstractmethod
    def features(self) -> Tensor:
        """G [n_atoms, n_features]."""

    @abstractmethod
    def push(self, changes: Tensor) -> Tensor:
        """The change of G [n_atoms, n_features] with the vectors."""

    @abstractmethod
    def pull(self, gradient: Tensor | None, output: Tensor) -> None:
        """Fills dE/dR_ij [n_pairs, 3], without a gradient dG/dR_ij [n_pairs, n_touched, 3]; where
        a neighbour touches fewer features the rest of its block is left as it is."""


class Kernels:
    """The Triton kernels of a stem, see :class:`amptorch.kernels.backends.Native`."""

    def __init__(self, launch: type[Launch[Any]]) -> None:
        self.launch = launch
        self.takes = launch.takes

    def forward(self, environment: Environment, parameters: Parameters) -> Tensor:
        return self.launch(environment, parameters).features()

    def jacobian(
        self, environment: Environment, parameters: Parameters, touch: Tensor
    ) -> tuple[Tensor, Tensor]:
        launch = self.launch(environment, parameters)
        blocks = environment.vectors.new_zeros(environment.n_pairs, touch.shape[-1], 3)
        launch.pull(None, blocks)
        return launch.features(), blocks

    def vjp(self, environment: Environment, parameters: Parameters, gradient: Tensor) -> Tensor:
        pulled = environment.vectors.new_empty(environment.n_pairs, 3)
        self.launch(environment, parameters).pull(gradient, pulled)
        return pulled

    def jvp(self, environment: Environment, parameters: Parameters, changes: Tensor) -> Tensor:
        return self.launch(environment, parameters).push(changes)
