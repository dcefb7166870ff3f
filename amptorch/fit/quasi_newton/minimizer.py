"""L-BFGS, D. C. Liu and J. Nocedal, Math. Program. 45, 503 (1989), whose state can be kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

Function = Callable[[Tensor], tuple[float, Tensor]]
"""From x to a value and its gradient."""

# A step is good where the value falls by so much of what the slope promises; pairs of changes are
# kept where their cosine is above a bound.
ENOUGH, BENT = 1e-4, 1e-10
MOST_TRIALS = 20


@dataclass
class Minimizer:
    """Attributes:
    function: to be made small, whose curvature is about 1 in all directions.
    memory: pairs that are kept.
    x: where it is.
    value, gradient: there.
    pairs: changes of x and of the gradient, the latest last.
    """

    function: Function
    memory: int
    x: Tensor
    value: float
    gradient: Tensor
    pairs: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    @classmethod
    def start(cls, function: Function, memory: int, x: Tensor) -> Minimizer:
        """At some x."""
        return cls(function, memory, x, *function(x))

    def step(self) -> bool:
        """Go on; False where no shorter step makes the value smaller."""
        direction = -self._direction()
        slope = float(self.gradient @ direction)
        if not slope < 0:
            self.pairs, direction = [], -self.gradient
            slope = float(self.gradient @ direction)
        length = 1.0
        for _ in range(MOST_TRIALS):
            x = self.x + length * direction
            value, gradient = self.function(x)
            if math.isfinite(value) and value <= self.value + ENOUGH * length * slope:
                self._accept(x, value, gradient)
                return True
            length *= self._shorter(value, length * slope)
        return False

    def _shorter(self, value: float, promised: float) -> float:
        """By what a step is cut: to the lowest point of a parabola, within bounds."""
        if not math.isfinite(value):
            return 0.1
        return min(max(-promised / (2 * (value - self.value - promised)), 0.1), 0.5)

    def _accept(self, x: Tensor, value: float, gradient: Tensor) -> None:
        change, bend = x - self.x, gradient - self.gradient
        if float(change @ bend) > BENT * float(change.norm() * bend.norm()):
            self.pairs = [*self.pairs, (change, bend)][-self.memory :]
        self.x, self.value, self.gradient = x, value, gradient

    def _direction(self) -> Tensor:
        """The inverse curvature times the gradient, by two loops over the pairs."""
        found, factors = self.gradient.clone(), []
        for change, bend in reversed(self.pairs):
            factors.append(float(change @ found) / float(change @ bend))
            found -= factors[-1] * bend
        if self.pairs:
            change, bend = self.pairs[-1]
            found *= float(change @ bend) / float(bend @ bend)
        for (change, bend), factor in zip(self.pairs, reversed(factors), strict=True):
            found += (factor - float(bend @ found) / float(change @ bend)) * change
        return found

    def state(self) -> dict[str, Any]:
        """Plain values and tensors."""
        pairs = [torch.stack(each) for each in self.pairs]
        return {"x": self.x, "value": self.value, "gradient": self.gradient, "pairs": pairs}

    @classmethod
    def from_state(cls, function: Function, memory: int, state: dict[str, Any]) -> Minimizer:
        """That of :meth:`state`."""
        pairs = [(each[0], each[1]) for each in state["pairs"]]
        return cls(function, memory, **{**state, "pairs": pairs})
