"""The section "model" of a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from ...errors import check_choice, check_class, check_integer, is_number, nearest
from ..registry import DEFAULT
from ..settings import ModelSettings


@dataclass
class ModelConfig(ModelSettings):
    """Network: handed on to the model class as keyword arguments."""

    name: str = DEFAULT
    num_layers: int = 5
    num_nodes: int = 20
    hidden_layers: Sequence[int] | None = None
    activation: type[nn.Module] = nn.Tanh
    batchnorm: bool = False
    dropout: bool = False
    dropout_rate: float = 0.5
    initialization: str = "xavier"
    element_mask: str = "trained"
    members: int = 1

    def __post_init__(self) -> None:
        known, given = ("bpnn", "singlenn"), self.name
        self.name = str(given).lower()
        if self.name not in known:
            raise ValueError(f"model: unknown name {given!r}; {nearest(self.name, known)}")
        check_class(self, "activation", "model", "torch.nn.Tanh")
        check_choice(self, "element_mask", ("trained", "fixed"), "model")
        check_integer(self, "num_layers", "model", least=0)
        check_integer(self, "num_nodes", "model", least=1)
        check_integer(self, "members", "model", least=1)
        if self.hidden_layers is not None and not _are_widths(self.hidden_layers):
            raise ValueError(
                f"model: expected hidden_layers to be a list of integers >= 1, got "
                f"{self.hidden_layers!r}"
            )
        if self.members > 1 and self.name == "bpnn" and self.element_mask != "fixed":
            raise ValueError(
                f"model: members {self.members} need element_mask 'fixed', got "
                f"{self.element_mask!r}"
            )
        if not (is_number(self.dropout_rate) and 0 <= self.dropout_rate < 1):
            raise ValueError(f"model: expected dropout_rate in [0, 1), got {self.dropout_rate!r}")

    @property
    def sees_whole_batches(self) -> bool:
        return self.batchnorm

    def advice(self, rate: str) -> str:
        if self.initialization == "zero":
            return "see initialization 'zero' (model)"
        return f"see {rate} and activation ({getattr(self.activation, '__name__', '')}, model)"


def _are_widths(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(type(n) is int and n >= 1 for n in value)
