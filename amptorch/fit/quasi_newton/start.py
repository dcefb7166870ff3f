"""Where a fit begins: the linear problem in it, and coordinates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ...data.frame import AtomsBatch
from ...potentials.ace.density_rows import DensityRows
from ...potentials.ace.model import Ace
from ..clock import Clock, TimeIsOver
from .coordinates import Block, Coordinates, cholesky
from .loss import Loss
from .vector import elements_of_functions, indices, used_radial

# Frames whose rows are in memory at a time, and that densities are filled by; a step of radial
# coefficients.
FRAMES, STEP = 16, 1e-5
# Atoms whose derivatives are looked at: at least so many, and components of forces for each number
# that is looked for, of coefficients and of radial ones, which take longer.
LEAST_ATOMS, MANY, FEW = 1500, 10.0, 5.0
# Part of the diagonal that is added, as few frames are looked at.
ADDED = 1e-6
# Part of the curvature in radial coefficients that coordinates have, so that steps in these are
# larger.
RADIAL = 0.2


class LinearProblem:
    """In constants and the coefficients of the first density, with all others as they are.

    Args:
        model: the model.
        loss: of the training frames.

    Attributes:
        places: [n], of these numbers among all parameters, constants first.
        gram: 2 J^T J [n, n], with J their derivatives times roots of the loss's factors.
    """

    def __init__(self, model: Ace, loss: Loss) -> None:
        self.model, self.loss = model, loss
        index = indices(model)
        self.places = torch.cat([index["constants"], index["coefficients"][:, 0]])
        linear, n = DensityRows(model), len(self.places)
        self.gram = torch.zeros(n, n, dtype=torch.float64)
        for places, batch in loss.batches(range(len(loss.sizes)), FRAMES, model):
            rows = self.rooted(linear, places, batch)
            self.gram.addmm_(rows.T, rows, alpha=2.0)

    def rooted(self, linear: DensityRows, places: Sequence[int], batch: AtomsBatch) -> Tensor:
        """Rows of constants and coefficients of a density times roots of the loss's factors."""
        found = linear.rows(batch, self.loss.has_forces, virials=self.loss.stress > 0)
        given = [each for each in (found.energies, found.forces, found.virials) if each is not None]
        return self.loss.rooted(places, batch, given)[:, linear.order]

    def squares(self, power: float) -> Tensor:
        """[functions], of the columns of J of coefficients, times degree^(2 power)."""
        degrees = torch.tensor(self.model.expansion.degrees, dtype=torch.float64)
        return 0.5 * self.gram.diagonal()[len(self.model.constants) :] * degrees ** (2 * power)

    def solve(self, curvature: Tensor, gradient: Tensor) -> Tensor:
        """The change of the numbers [n] that makes loss and penalties smallest, where the first
        density is linear.

        Args:
            curvature: [functions], second derivatives of penalties.
            gradient: [all parameters], of both.
        """
        factor = cholesky(self.gram + torch.diag(self.padded(curvature)))
        return -torch.cholesky_solve(gradient[self.places][:, None], factor)[:, 0]

    def padded(self, of_functions: Tensor) -> Tensor:
        """[n], 0 for constants."""
        return torch.cat([of_functions.new_zeros(len(self.model.constants)), of_functions])


def some_frames(loss: Loss, components: float, seed: int) -> list[int]:
    """Places of frames with so many components of forces, or all."""
    wanted = max(LEAST_ATOMS, components / 3)
    order = np.random.default_rng(seed).permutation(len(loss.sizes))
    count = 1 + int(np.searchsorted(loss.sizes[order].cumsum(), wanted))
    return sorted(order[:count].tolist())


class Sample:
    """Some frames as one batch.

    Args:
        model: the model.
        loss: of the training frames.
        places: the frames.
    """

    def __init__(self, model: Ace, loss: Loss, places: Sequence[int]) -> None:
        self.model, self.loss = model, loss
        ((self.places, self.batch),) = loss.batches(places, len(places), model)

    def of_radial(self, used: Tensor, clock: Clock) -> Tensor:
        """Derivatives of energies and forces times roots of the loss's factors in radial
        coefficients, at places in the flat parameter, by differences.

        Raises:
            TimeIsOver: there is none for all of them.
        """
        radial = self.model.radial.detach().view(-1)
        columns = []
        with torch.no_grad():
            before = self._values()
            for step in clock.steps(len(used)):
                place = int(used[step])
                kept = radial[place].clone()
                radial[place] += STEP
                columns.append((self._values() - before) / STEP)
                radial[place] = kept
        return torch.cat([before[:, :0], *columns], 1)

    def _values(self) -> Tensor:
        energies, *others = self.model(self.batch)
        rows = [energies[:, None]]
        if self.loss.has_forces:
            rows.append(others[0].reshape(-1, 1))
        if self.loss.stress > 0:
            virials = others[1] * self.batch.volume[:, None]
            rows.append(virials.reshape(-1, 1))
        return self.loss.rooted(self.places, self.batch, rows)


def coordinates_of(
    problem: LinearProblem,
    curvature: Tensor,
    trained: str,
    origin: Tensor,
    seed: int,
    clock: Clock,
) -> Coordinates:
    """Coordinates at the model's parameters: constants and all c_fp together, and c_nlk. What these
    two have to do with each other is left out, for which frames would have to be many more.

    Args:
        problem: the linear problem of the model.
        curvature: [functions], second derivatives of penalties of coefficients.
        trained: "all", "functions" or "radial".
        origin: the parameters.
        seed: of the frames that are looked at.
        clock: of the fit; where radial coefficients would take too long there are none of these.

    Raises:
        TimeIsOver: where nothing else is trained.
    """
    blocks = [] if trained == "radial" else [_of_coefficients(problem, curvature, seed)]
    try:
        if trained != "functions":
            blocks.append(_of_radial(problem, seed, clock))
    except TimeIsOver:
        if trained == "radial":
            raise
    return Coordinates(origin, blocks)


class CoefficientRows:
    """J in constants and c_fp of all densities that an element has.

    Args:
        problem: the linear problem of the model.

    Attributes:
        places: [m], of these among all parameters.
        functions: [m], the function of each; -1 for constants.
    """

    def __init__(self, problem: LinearProblem) -> None:
        self._problem, model = problem, problem.model
        index, elements = indices(model), elements_of_functions(model)
        counts = torch.tensor([len(each.exponents) for each in model.expansion.embeddings])
        densities = range(model.expansion.n_densities)
        owns = [(counts > p)[elements].nonzero()[:, 0] for p in densities]
        self._linear = [DensityRows(model, p) for p in densities]
        constants, n = index["constants"], len(index["constants"])
        self._columns = [n + own for own in owns]
        self._columns[0] = torch.cat([torch.arange(n), self._columns[0]])
        coefficients = [index["coefficients"][own, p] for p, own in enumerate(owns)]
        self.places = torch.cat([constants, *coefficients])
        self.functions = torch.cat([torch.full((n,), -1), *owns])

    def of(self, places: Sequence[int], batch: AtomsBatch) -> Tensor:
        """Those of a batch."""
        both = zip(self._linear, self._columns, strict=True)
        blocks = [self._problem.rooted(each, places, batch)[:, own] for each, own in both]
        return torch.cat(blocks, 1)


def _of_coefficients(problem: LinearProblem, curvature: Tensor, seed: int) -> Block:
    """Of constants and all c_fp."""
    model, loss, rows = problem.model, problem.loss, CoefficientRows(problem)
    m = len(rows.places)
    chosen = some_frames(loss, MANY * m, seed)
    gram = torch.zeros(m, m, dtype=torch.float64)
    for places, batch in loss.batches(chosen, FRAMES, model):
        own = rows.of(places, batch)
        gram.addmm_(own.T, own, alpha=2.0 * len(loss.sizes) / len(chosen))
    penalties = torch.where(rows.functions < 0, 0.0, curvature[rows.functions])
    return _block(rows.places, gram, penalties)


def _of_radial(problem: LinearProblem, seed: int, clock: Clock) -> Block:
    """Of the c_nlk that functions have."""
    model, loss = problem.model, problem.loss
    used = used_radial(model).flatten().nonzero()[:, 0]
    chosen = some_frames(loss, FEW * len(used), seed)
    rows = Sample(model, loss, chosen).of_radial(used, clock)
    gram = 2.0 * RADIAL * len(loss.sizes) / len(chosen) * (rows.T @ rows)
    return _block(indices(model)["radial"].flatten()[used], gram, torch.zeros(len(used)))


def _block(places: Tensor, gram: Tensor, penalties: Tensor) -> Block:
    return Block(places, cholesky(gram + torch.diag(penalties + ADDED * gram.diagonal())))
