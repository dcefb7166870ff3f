"""The section "model" of configurations of ACE potentials."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import is_number
from ..settings import ModelSettings


@dataclass
class AceSettings(ModelSettings):
    """Attributes:
    functions: number of them for an element, at most.
    densities: exponents of the densities; 1 alone is a potential linear in its coefficients.
    """

    functions: int = 700
    densities: tuple[float, ...] = (1.0, 0.5)

    def __post_init__(self) -> None:
        if not isinstance(self.functions, int) or self.functions < 1:
            raise ValueError(f"model: expected functions >= 1, got {self.functions!r}")
        self.densities = tuple(self.densities)
        if not self.densities or not all(is_number(m) and m > 0 for m in self.densities):
            raise ValueError(f"model: expected densities > 0, got {self.densities!r}")
