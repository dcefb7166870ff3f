"""The section "optim" of a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ...errors import check_choice, check_integer, check_keys, is_number
from ..settings import FitSettings

SOLVERS = ("svd", "ridge", "lasso", "elastic_net", "ard")
KINDS = ("energy", "forces", "stress")
WEIGHTS = {"energy": 100.0, "forces": 1.0, "stress": 0.0}
# Tried where alpha is "cv".
GRID = tuple(10.0**exponent for exponent in range(-14, 0))


@dataclass
class LeastSquaresSettings(FitSettings):
    """Least squares, see ``docs/linear.md``.

    Attributes:
        solver: "svd", "ridge", "lasso", "elastic_net" or "ard".
        alpha: penalty of columns scaled to norm 1; a list, or "cv" for decades, has the best of
            several chosen by cross-validation. "svd" and "ard" have none.
        degree_power: p, alpha is d^(2 p) times as large for a function of degree d; models of ace
            know degrees, of all others d = 1.
        folds: parts of a cross-validation, which has frames in turn.
        l1_ratio: of "elastic_net".
        weights: by which rows are multiplied: "energy" (per atom), "forces", "stress".
        groups: the same for frames by ``atoms.info["group"]``; what is not given is ``weights``'s.
        smart_weights: mean squares of each group and kind of row, in place of sums.
        boltzmann: temperature in K; squares of a frame count exp(-(e - e_min) / (k_B T)) times,
            e its energy per atom above baselines.
        batch_size: frames whose rows are there at once.
    """

    reads_once: ClassVar[bool] = True

    # Follow from the weights.
    force_coefficient: float = field(default=0.0, init=False)
    stress_coefficient: float = field(default=0.0, init=False)
    solver: str = "ridge"
    alpha: float | str | Sequence[float] = 1e-12
    degree_power: float = 0.0
    folds: int = 5
    l1_ratio: float = 0.5
    weights: Mapping[str, float] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    smart_weights: bool = False
    boltzmann: float | None = None
    batch_size: int = 16

    def __post_init__(self) -> None:
        self.solver = str(self.solver).lower()
        check_choice(self, "solver", SOLVERS, "optim")
        check_integer(self, "folds", "optim", least=2)
        check_integer(self, "batch_size", "optim", least=1)
        check_choice(self, "smart_weights", (True, False), "optim")
        _check_weights(self.weights, "weights")
        for name, weights in self.groups.items():
            _check_weights(weights, f"groups, {name}")
        if not (is_number(self.l1_ratio) and 0 < self.l1_ratio <= 1):
            raise ValueError(f"optim: expected l1_ratio in (0, 1], got {self.l1_ratio!r}")
        if self.boltzmann is not None and not _is_positive(self.boltzmann):
            raise ValueError(f"optim: expected boltzmann to be K > 0, got {self.boltzmann!r}")
        if not (is_number(self.degree_power) and self.degree_power >= 0):
            raise ValueError(f"optim: expected degree_power >= 0, got {self.degree_power!r}")
        if self.degree_power and self.solver != "ridge":
            raise ValueError(f"optim: degree_power is of the solver ridge, got {self.solver!r}")
        self._check_alpha()
        self.force_coefficient = self._largest("forces") ** 2
        self.stress_coefficient = self._largest("stress") ** 2

    def _check_alpha(self) -> None:
        least = 1e-300 if self.solver in ("lasso", "elastic_net") else 0.0
        for alpha in self.alphas:
            if not (is_number(alpha) and alpha >= least):
                raise ValueError(
                    f"optim: expected alpha to be a number >= 0, > 0 for {self.solver}, a list of "
                    f'these or "cv", got {self.alpha!r}'
                )

    @property
    def alphas(self) -> list[Any]:
        """Those to try."""
        if self.solver in ("svd", "ard"):
            return [0.0]
        if self.alpha == "cv":
            return list(GRID)
        many = isinstance(self.alpha, (list, tuple)) and len(self.alpha) > 0
        return list(self.alpha) if many else [self.alpha]  # type: ignore[arg-type]

    def weight(self, group: str, kind: str) -> float:
        """By which rows of a kind, "energy", "forces" or "stress", of a group are multiplied."""
        return float({**WEIGHTS, **self.weights, **self.groups.get(group, {})}[kind])

    def _largest(self, kind: str) -> float:
        return max(self.weight(group, kind) for group in ("", *self.groups))

    def settle_without_forces(self) -> None:
        self.force_coefficient = 0.0
        self._expect_without_forces("stress_coefficient", 0)


def _check_weights(weights: object, name: str) -> None:
    if not isinstance(weights, Mapping):
        raise ValueError(f"optim: expected {name} to be a mapping, got {weights!r}")
    check_keys(weights, WEIGHTS, f"optim, {name}")
    for kind, value in weights.items():
        if not (is_number(value) and value >= 0):
            raise ValueError(f"optim, {name}: expected {kind} to be a number >= 0, got {value!r}")


def _is_positive(value: object) -> bool:
    return is_number(value) and value > 0  # type: ignore[operator]
