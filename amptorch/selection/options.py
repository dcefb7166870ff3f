"""What a study is told."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..errors import check_integer
from .study import METHODS, check_methods

LEAST = {"keep": 1, "frames": 0, "seeds": 2, "epochs": 1, "hidden": 1, "force_atoms": 1}


@dataclass(frozen=True)
class Options:
    """Of a study.

    Attributes:
        keep: functions at most.
        sizes: numbers of functions to try; none for a quarter, half, all and twice of ``keep``.
        methods: names.
        forces: whether forces are fitted.
        frames: how many are taken, evenly spread; 0 for all.
        seeds: networks that are trained on each set.
        epochs: of a training.
        hidden: nodes of both layers.
        force_atoms: atoms of each frame whose forces are fitted.
        seed: of the split, the draws and the first network.
        noise: functions of random numbers that are added.
    """

    keep: int = 40
    sizes: tuple[int, ...] = ()
    methods: tuple[str, ...] = METHODS
    forces: bool = True
    frames: int = 0
    seeds: int = 5
    epochs: int = 80
    hidden: int = 16
    force_atoms: int = 8
    seed: int = 0
    noise: int = 0

    def __post_init__(self) -> None:
        for name, least in {**LEAST, "seed": 0, "noise": 0}.items():
            check_integer(self, name, "select", least)
        check_methods(self.methods)
        if not self.methods:
            raise ValueError("methods: expected at least one, got none")
        if any(each < 1 for each in self.sizes):
            raise ValueError(f"sizes: expected numbers >= 1, got {self.sizes}")

    def sizes_of(self, number: int) -> list[int]:
        """Numbers of functions to try, of a pool of so many.

        Raises:
            ValueError: ``keep`` is not less than the pool, or no size is at most ``keep``.
        """
        if self.keep >= number:
            raise ValueError(f"keep: expected less than the {number} of the pool, got {self.keep}")
        wanted = self.sizes or (self.keep // 4, self.keep // 2, self.keep, 2 * self.keep)
        found = sorted({each for each in wanted if 0 < each < number})
        if not found or found[0] > self.keep:
            raise ValueError(
                f"sizes: expected one of at most keep, {self.keep}, got {list(self.sizes)}"
            )
        return found

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """Those of networks."""
        return tuple(range(self.seed, self.seed + self.seeds))

    def of_samples(self) -> dict[str, Any]:
        """What samples depend on."""
        names = ("forces", "frames", "force_atoms", "seed")
        return {name: value for name, value in asdict(self).items() if name in names}

    def of_sets(self) -> dict[str, Any]:
        """What errors and rankings depend on: all but the methods."""
        return {name: value for name, value in asdict(self).items() if name != "methods"}
