"""The section "optim" of a configuration with the fit "quasi_newton"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ...errors import check_choice, check_integer, check_keys, is_number
from ..settings import FitSettings
from .weights import Weighting

NOT_NEGATIVE = ["l1", "l2", "stress_coefficient", "change_train", "change_valid"]
NOT_NEGATIVE += ["alpha", "degree_power"]


@dataclass
class Ladder:
    """A fit in rounds: each has more functions than the one before.

    Attributes:
        step: functions of a block that a round adds, at least.
        fraction: the same, of those that the block has.
        order: in which they come, by "body" or "power".
    """

    step: int = 100
    fraction: float = 0.0
    order: str = "body"

    def __post_init__(self) -> None:
        check_integer(self, "step", "optim, ladder", least=1)
        check_choice(self, "order", ("body", "power"), "optim, ladder")
        if not (is_number(self.fraction) and self.fraction >= 0):
            raise ValueError(f"optim, ladder: expected fraction >= 0, got {self.fraction!r}")

    @classmethod
    def of(cls, given: object) -> Ladder:
        """That of a step, or of a mapping of the attributes."""
        if not isinstance(given, Mapping):
            return cls(step=given)  # type: ignore[arg-type]  # which is checked
        values: dict[str, Any] = dict(given)
        check_keys(values, [each.name for each in fields(cls)], "optim, ladder")
        return cls(**values)


@dataclass
class QuasiNewtonSettings(FitSettings):
    """See ``docs/ace.md``; the loss is in eV and Å.

    Attributes:
        kappa: weight of forces, that of energies is 1 - kappa; "auto" has it from the spread of
            both.
        weighting: "uniform", "energy" or a mapping, see :class:`.weights.Weighting`.
        l1, l2: of coefficients of functions.
        smoothness: of radial functions, their slopes and curvatures.
        start: "linear" has constants and coefficients of the first density from least squares,
            with all others as they are; "model" constants alone.
        alpha: penalty of that least squares, of columns scaled to norm 1.
        degree_power: p, alpha is d^(2 p) times as large for a function of degree d = Σn + Σl.
        trained: "all", "functions" or "radial", coefficients of radial functions.
        batch_size: frames whose pairs are in memory at a time; it changes no result.
        change_train, change_valid: relative changes of losses in an iteration under which the fit
            ends.
        stop: "both" or "either" of these.
        min_iterations, max_iterations: of a fit, or of a round of a ladder.
        interval: iterations between looks at the validation part.
        memory: pairs of changes that the curvature is taken from.
        initial_potential: where to begin: a ``.yaml``, a checkpoint folder, or several of these.
        ladder: None, or functions that a round adds, or a mapping, see :class:`Ladder`.
    """

    fit: str = "quasi_newton"
    kappa: float | str = 0.3
    weighting: Any = "uniform"
    l1: float = 1e-8
    l2: float = 1e-8
    smoothness: Sequence[float] = (0.0, 0.0, 0.0)
    start: str = "linear"
    alpha: float = 1e-8
    degree_power: float = 0.0
    trained: str = "all"
    batch_size: int = 100
    change_train: float = 5e-5
    change_valid: float = 1e-5
    stop: str = "both"
    min_iterations: int = 200
    max_iterations: int = 2000
    interval: int = 10
    memory: int = 50
    initial_potential: Any = None
    ladder: Any = None

    def __post_init__(self) -> None:
        for name in ("batch_size", "min_iterations", "max_iterations", "interval", "memory"):
            check_integer(self, name, "optim", least=1)
        check_choice(self, "start", ("linear", "model"), "optim")
        check_choice(self, "trained", ("all", "functions", "radial"), "optim")
        check_choice(self, "stop", ("both", "either"), "optim")
        for name in NOT_NEGATIVE:
            value = getattr(self, name)
            if not (is_number(value) and value >= 0):
                raise ValueError(f"optim: expected {name} to be a number >= 0, got {value!r}")
        self.smoothness = tuple(self.smoothness)
        if len(self.smoothness) != 3 or not all(is_number(w) and w >= 0 for w in self.smoothness):
            raise ValueError(f"optim: expected smoothness of three >= 0, got {self.smoothness!r}")
        if self.kappa != "auto" and not (is_number(self.kappa) and 0 <= self.kappa <= 1):  # type: ignore[operator]
            raise ValueError(f'optim: expected kappa in [0, 1] or "auto", got {self.kappa!r}')
        self.policy, self.rounds = Weighting.of(self.weighting), None
        if self.ladder is not None:
            self.rounds = Ladder.of(self.ladder)
        self.force_coefficient = 1.0 if self.kappa == "auto" else float(self.kappa)

    @property
    def sources(self) -> list[Any]:
        """Of initial potentials."""
        given = self.initial_potential
        if given is None:
            return []
        return list(given) if isinstance(given, (list, tuple)) else [given]

    def settle_without_forces(self) -> None:
        self.kappa = self.force_coefficient = 0.0
        self._expect_without_forces("stress_coefficient", 0)
