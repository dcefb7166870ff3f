"""The section "model" of configurations of ACE potentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...errors import check_choice, check_integer, is_number
from ..settings import ModelSettings
from .ladder import Powers

NAMES = ("ace", "linear_ace")


@dataclass
class AceSettings(ModelSettings):
    """Attributes:
    name: "ace", or "linear_ace", which is linear in what is trained.
    functions: number of them for an element, at most.
    neighbors: mean numbers of neighbours, by the elements of centre and neighbour, by which sets of
        elements share the functions; None: evenly.
    powers: weights of the number of factors, sum n and sum l in the power by which functions are
        chosen, the smallest first, up to l = 5 and six factors; None: 1 of all, in narrower limits.
    densities: exponents of the densities of "ace"; "linear_ace" has one, of exponent 1.
    covariance: of "linear_ace", see :class:`amptorch.potentials.linear.settings.LinearSettings`.
    active_sets: find active sets of the training atoms when training ends, of which extrapolation
        grades are made.
    """

    name: str = "ace"
    functions: int = 700
    neighbors: Mapping[str, Mapping[str, float]] | None = None
    powers: Powers | None = None
    densities: tuple[float, ...] = (1.0, 0.5)
    covariance: bool = True
    active_sets: bool = False

    def __post_init__(self) -> None:
        self.name = str(self.name).lower()
        check_choice(self, "name", NAMES, "model")
        check_choice(self, "covariance", (True, False), "model")
        check_choice(self, "active_sets", (True, False), "model")
        check_integer(self, "functions", "model", least=1)
        if self.powers is not None:
            self.powers = checked_powers(self.powers)
        self.densities = (1.0,) if self.name == "linear_ace" else tuple(self.densities)
        if not self.densities or not all(is_number(m) and m > 0 for m in self.densities):
            raise ValueError(f"model: expected densities > 0, got {self.densities!r}")


def checked_powers(given: object) -> Powers:
    """Weights of a power that grows with every factor, n and l.

    Raises:
        ValueError: others.
    """
    values = tuple(given) if isinstance(given, (list, tuple)) else ()
    if len(values) == 3 and all(map(is_number, values)):
        order, n, ell = map(float, values)
        if n > 0 and ell > 0 and order + n > 0:
            return order, n, ell
    raise ValueError(
        "model: expected powers to be weights of order, n and l, of which those of n and l, and "
        f"order + n, are > 0, got {given!r}"
    )
