"""The section "model" of a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import check_choice
from ..settings import ModelSettings

NAMES = ("linear", "quadratic")


@dataclass
class LinearSettings(ModelSettings):
    """A polynomial of the fingerprint for each element.

    Attributes:
        name: "linear" or "quadratic", that with products of any two features too.
        covariance: keep what errors of predictions follow from, a square matrix of the number of
            coefficients.
    """

    name: str = "linear"
    covariance: bool = True

    def __post_init__(self) -> None:
        self.name = str(self.name).lower()
        check_choice(self, "name", NAMES, "model")
        check_choice(self, "covariance", (True, False), "model")
