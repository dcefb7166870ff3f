"""What a neuroevolution potential is made of, and how many numbers that are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...errors import nearest

INVARIANTS = ("222", "1111", "112", "123", "233", "134")
"""Of more than three bodies, in the order of nep.in."""
VERSIONS = (3, 4, 5)
MOST_ANGULAR = 90
"""Of GPUMD."""


@dataclass(frozen=True)
class Shape:
    """Numbers of nep.in.

    Attributes:
        elements: chemical symbols, in the order of nep.txt.
        n_max: radial and angular; n runs from 0 to it.
        basis_size: likewise of k.
        l_max: of 3-body invariants, from l = 1.
        invariants: more of them, in ``INVARIANTS``.
        neurons: of one hidden layer, or two.
        version: 3 has one network for all elements, 4 one for each, 5 a constant for each too.
    """

    elements: tuple[str, ...]
    n_max: tuple[int, int]
    basis_size: tuple[int, int]
    l_max: int
    invariants: tuple[str, ...]
    neurons: tuple[int, ...]
    version: int = 4

    def __post_init__(self) -> None:
        for each in self.invariants:
            if each not in INVARIANTS:
                raise ValueError(f"invariants: unknown {each!r}; {nearest(each, INVARIANTS)}")
        missing = [each for each in self.invariants if max(map(int, each)) > self.l_max]
        if missing:
            raise ValueError(f"invariants: {missing[0]} needs l_max {max(missing[0])} or more")
        if self.version not in VERSIONS:
            raise ValueError(f"version: expected one of {VERSIONS}, got {self.version!r}")
        if self.n_angular > MOST_ANGULAR:
            raise ValueError(
                f"n_max, l_max: expected {MOST_ANGULAR} angular descriptors at most, got "
                f"{self.n_angular}"
            )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Shape:
        """The shape of :meth:`to_json`."""
        made: dict[str, Any] = {
            name: tuple(value) if isinstance(value, Sequence) else value
            for name, value in values.items()
        }
        return cls(**made)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @property
    def compiled(self) -> bool:
        """Whether it is small enough for the kernel."""
        widest = self.n_elements * (self.basis_size[1] + 1) * (self.n_harmonics + 15)
        return (
            self.n_elements * (self.basis_size[0] + 1) <= 1 << 10
            and widest <= 1 << 14
            and max(self.neurons) <= 160
            and max(self.n_max) < 60
            and self.n_descriptors <= 160
        )

    @property
    def n_elements(self) -> int:
        return len(self.elements)

    @property
    def n_networks(self) -> int:
        return 1 if self.version == 3 else self.n_elements

    @property
    def n_radial(self) -> int:
        """Radial descriptors."""
        return self.n_max[0] + 1

    @property
    def n_angular(self) -> int:
        """Angular descriptors."""
        return (self.n_max[1] + 1) * (self.l_max + len(self.invariants))

    @property
    def n_descriptors(self) -> int:
        return self.n_radial + self.n_angular

    @property
    def n_harmonics(self) -> int:
        """Y_lm with l from 1."""
        return (self.l_max + 1) ** 2 - 1

    @property
    def n_features(self) -> int:
        """Of the descriptor "nep"."""
        radial, angular = (k + 1 for k in self.basis_size)
        return self.n_elements * (radial + angular * self.n_harmonics)
