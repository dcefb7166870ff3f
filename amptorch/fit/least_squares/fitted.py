"""What sums of rows say: a solution, its penalty and its errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import Diverged
from ...potentials.model import LinearModel
from . import solvers
from .moments import Key, Moments
from .problem import Problem, Solution, Spread
from .settings import LeastSquaresSettings


@dataclass
class Fitted:
    """Moments, and what is made of them.

    Attributes:
        model: whose coefficients are the unknowns.
        settings: weights and solver.
        moments: of rows; for the solver "svd" triangles.
    """

    model: LinearModel
    settings: LeastSquaresSettings
    moments: Moments

    def __post_init__(self) -> None:
        self.weights = weights_of(self.moments, self.settings)
        self.rows = self.moments.count(self.weights)
        self.constants = self.model.constants()
        self.factors = factors_of(self.model, self.settings)

    def solve(self) -> tuple[Solution, float]:
        """The solution, and alpha."""
        if self.settings.solver == "svd":
            root = self.moments.root(self.weights)
            _check_finite(root)
            return solvers.svd(root), 0.0
        alphas = self.settings.alphas
        alpha = alphas[0] if len(alphas) == 1 else self._best(alphas)
        return self._path(self.weights, [alpha])[0], alpha

    def spread(self, solution: Solution) -> Spread:
        """What errors of the coefficients follow from."""
        whole = self.moments.gram(self.weights)
        errors = self.moments.squares(self.weights, solution.coefficients)
        return Spread.of(whole, solution, self.constants, self.rows, errors)

    def put(self, solution: Solution, spread: bool = True) -> None:
        """Give the model a solution, and what errors of its coefficients follow from where it
        holds that.

        Args:
            solution: of these rows.
            spread: False leaves the latter, which takes longer than the solution, as it was.

        Raises:
            Diverged: it is not finite.
        """
        if not solution.coefficients.isfinite().all():
            raise Diverged("least squares: coefficients are not finite; see the data")
        model = self.model
        with torch.no_grad():
            model.coefficients.copy_(solution.coefficients)
            if spread and model.inverse is not None and model.noise is not None:
                found = self.spread(solution)
                model.inverse.copy_(found.inverse)
                model.noise.fill_(found.noise)
            if model.energy_weight is not None:
                model.energy_weight.fill_(self.settings.weight("", "energy"))

    def _best(self, alphas: list[float]) -> float:
        """The penalty whose squares of errors, each fold judged by a fit to the others, are
        smallest."""
        errors = torch.zeros(len(alphas), dtype=torch.float64)
        for fold in sorted({key.fold for key in self.weights}):
            inside = {key: w for key, w in self.weights.items() if key.fold != fold}
            outside = {key: w for key, w in self.weights.items() if key.fold == fold}
            found = [each.coefficients for each in self._path(inside, alphas)]
            errors += torch.tensor([self.moments.squares(outside, each) for each in found])
        return alphas[int(errors.argmin())]

    def _path(self, weights: Mapping[Key, float], alphas: list[float]) -> list[Solution]:
        whole = self.moments.gram(weights)
        _check_finite(whole)
        problem, own = Problem.of(whole, self.constants, self.moments.count(weights)), self.settings
        if own.degree_power:
            return solvers.by_factor(problem, problem.of_others(self.factors), alphas)
        return solvers.path(problem, own.solver, alphas, own.l1_ratio)


def _check_finite(matrix: Tensor) -> None:
    if not matrix.isfinite().all():
        raise Diverged("least squares: rows are not finite; see fingerprints and targets")


def factors_of(model: LinearModel, settings: LeastSquaresSettings) -> Tensor:
    """[p], of the penalty of each coefficient."""
    return model.degrees() ** (2 * settings.degree_power)


def weights_of(moments: Moments, settings: LeastSquaresSettings) -> dict[Key, float]:
    """Weights of all rows that have one."""
    found = {}
    for key in moments.parts:
        weight = settings.weight(key.group, key.kind)
        if settings.smart_weights:
            same = [each for each in moments.parts if each[:2] == key[:2]]
            weight /= max(moments.count(same), 1) ** 0.5
        if weight > 0:
            found[key] = weight
    return found
