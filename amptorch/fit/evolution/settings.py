"""The section "optim" of a configuration with the fit "evolution"."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import check_choice, check_integer, is_number
from ..settings import FitSettings

PARTS = ("lambda_e", "lambda_f", "lambda_v", "lambda_shear", "force_delta")


@dataclass
class EvolutionSettings(FitSettings):
    """Names are those of GPUMD's nep.in; the loss is in eV and Å.

    Attributes:
        generations: how many.
        population: members of each.
        batch_size: frames of a generation at most.
        full: all batches in each generation.
        sigma: how far members lie from the model's parameters at first.
        lambda_e, lambda_f, lambda_v, lambda_shear: weights of the errors.
        lambda_1, lambda_2: of the sizes of parameters; None where they follow from their number.
        force_delta: eV/Å; 0 gives all forces one weight.
        interval: generations between rows of the history.
    """

    fit: str = "evolution"
    generations: int = 10000
    population: int = 50
    batch_size: int = 1000
    full: bool = False
    sigma: float = 0.1
    lambda_e: float = 1.0
    lambda_f: float = 1.0
    lambda_v: float = 0.1
    lambda_shear: float = 1.0
    lambda_1: float | None = None
    lambda_2: float | None = None
    force_delta: float = 0.0
    interval: int = 100

    def __post_init__(self) -> None:
        for name, least in (("generations", 1), ("population", 2), ("batch_size", 1)):
            check_integer(self, name, "optim", least=least)
        check_integer(self, "interval", "optim", least=1)
        check_choice(self, "full", (True, False), "optim")
        if not (is_number(self.sigma) and 0 < self.sigma <= 1):
            raise ValueError(f"optim: expected sigma in (0, 1], got {self.sigma!r}")
        for name in (*PARTS, "lambda_1", "lambda_2"):
            value = getattr(self, name)
            optional = name in ("lambda_1", "lambda_2") and value is None
            if not optional and not (is_number(value) and value >= 0):
                raise ValueError(f"optim: expected {name} to be a number >= 0, got {value!r}")
        self.force_coefficient, self.stress_coefficient = self.lambda_f, self.lambda_v

    def settle_without_forces(self) -> None:
        self.lambda_f = self.force_coefficient = 0.0
        self.lambda_v = self.stress_coefficient = 0.0
