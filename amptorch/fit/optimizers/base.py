"""What optimizers that are not torch's have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from ...data.memory import check_memory
from ...files.checkpoint import snapshot
from ...potentials.networks.model import MLP, AtomisticModel
from .eager import Eager


class Optimizer(Eager):
    """Optimizer that is told more than gradients. Its options are those of its parameter group.

    Attributes:
        memory: what it keeps from step to step, saved with it.
    """

    def __init__(self, parameters: Iterable[Any], **options: object) -> None:
        super().__init__(parameters, options)
        self.memory: dict[str, Any] = {}

    @property
    def options(self) -> dict[str, Any]:
        """The options, a schedule's learning rate among them."""
        return self.param_groups[0]

    def state_dict(self) -> dict[str, Any]:
        """Options and memory; torch's own would round the memory to the precision of weights."""
        options = {name: value for name, value in self.options.items() if name != "params"}
        return {"state": snapshot(self.memory), "param_groups": [{**options, "params": []}]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        saved = state_dict["param_groups"][0]
        self.options.update({name: value for name, value in saved.items() if name != "params"})
        self.memory = snapshot(state_dict["state"])


def check_is_smooth(model: nn.Module, name: str) -> AtomisticModel:
    """The model, unless its output is another one each time, or depends on the whole batch."""
    layers = (nn.Dropout, nn.BatchNorm1d)
    if not isinstance(model, AtomisticModel) or any(isinstance(m, layers) for m in model.modules()):
        raise ValueError(
            f"optimizer: {name} needs a model without dropout and batchnorm, on one GPU at most"
        )
    return model


def check_fits(numbers: int, name: str, advice: str) -> None:
    """Raise a ``ValueError`` where float64 ``numbers`` take more than half of the free memory."""
    needed, free = 8e-9 * numbers, check_memory()[0]
    if needed > 0.5 * free:
        raise ValueError(
            f"optimizer: {name} needs about {needed:.2g} GB of memory, expected at most half of "
            f"the {free:.2g} GB that are free; {advice}"
        )


def sizes(networks: Iterable[MLP]) -> list[int]:
    """Numbers of weights."""
    return [sum(p.numel() for p in network.parameters()) for network in networks]
