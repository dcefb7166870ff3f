"""The section "model" of a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import check_choice
from ..settings import ModelSettings
from .shape import INVARIANTS, VERSIONS


@dataclass
class NepSettings(ModelSettings):
    """A neuroevolution potential on the descriptor "nep".

    Attributes:
        name: "nep".
        n_max: largest n of radial and of angular descriptors.
        invariants: of more than three bodies, of ``INVARIANTS``.
        neurons: of one hidden layer, or two.
        version: 4; 3 with one network for all elements, 5 with a constant for each.
    """

    name: str = "nep"
    n_max: Sequence[int] = (4, 4)
    invariants: Sequence[str] = ("222",)
    neurons: Sequence[int] = (30,)
    version: int = 4

    def __post_init__(self) -> None:
        self.name = str(self.name).lower()
        check_choice(self, "version", VERSIONS, "model")
        self.n_max = _integers("n_max", self.n_max, 0, (2,))
        if isinstance(self.neurons, int):
            self.neurons = (self.neurons,)
        self.neurons = _integers("neurons", self.neurons, 1, (1, 2))
        self.invariants = tuple(str(each) for each in self.invariants)
        for each in self.invariants:
            if each not in INVARIANTS:
                raise ValueError(
                    f"model: expected invariants to be of {', '.join(INVARIANTS)}, got {each!r}"
                )


def _integers(name: str, given: object, least: int, lengths: tuple[int, ...]) -> tuple[int, ...]:
    good = isinstance(given, (list, tuple)) and len(given) in lengths
    if not good or not all(type(each) is int and each >= least for each in given):  # type: ignore[attr-defined]
        number = " or ".join(map(str, lengths))
        raise ValueError(
            f"model: expected {name} to be {number} integers of {least} or more, got {given!r}"
        )
    return tuple(given)  # type: ignore[arg-type]
