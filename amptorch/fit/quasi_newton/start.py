"""Where a fit begins: the linear problem in it, and coordinates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ...data.frame import AtomsBatch
from ...potentials.ace.functions import Expansion
from ...potentials.ace.linear import LinearAce
from ...potentials.ace.model import Ace
from ..clock import Clock, TimeIsOver
from .coordinates import Coordinates, Part, cholesky
from .densities import Densities
from .loss import Loss
from .vector import elements_of_functions, indices, used_radial

# Frames whose rows are in memory at a time, and that densities are filled by; a step of radial
# coefficients.
FRAMES, STEP = 16, 1e-5
# Atoms whose derivatives in radial coefficients are looked at: at least so many, and components of
# forces for each number that is looked for.
LEAST_ATOMS, COMPONENTS = 1500, 1.5
# Part of the diagonal that is added, as few frames are looked at.
ADDED = 1e-6


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
        self._linear = _linear(model)
        own = torch.ones(len(self.places), dtype=torch.bool)
        constants = self._linear.constants()
        own[constants] = False
        self._order = torch.cat([constants, own.nonzero()[:, 0]])
        self.gram = torch.zeros(len(own), len(own), dtype=torch.float64)
        for rows in self._rows():
            self.gram.addmm_(rows.T, rows, alpha=2.0)

    def _rows(self) -> Iterator[Tensor]:
        for places, batch in self.loss.batches(range(len(self.loss.sizes)), FRAMES, self.model):
            yield self.rows(places, batch)

    def rows(self, places: Sequence[int], batch: AtomsBatch) -> Tensor:
        """J of a batch."""
        found = self._linear.rows(batch, self.loss.has_forces, virials=self.loss.stress > 0)
        given = [each for each in (found.energies, found.forces, found.virials) if each is not None]
        return self.loss.rooted(places, batch, given)[:, self._order]

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


def _linear(model: Ace) -> LinearAce:
    """Of the same functions and radial coefficients."""
    own = model.expansion
    linear = Expansion(
        own.elements, own.functions, [type(own.embeddings[0])()] * len(own.elements),
        own.inner_cutoff, own.n_max, own.l_max,
    )  # fmt: skip
    made = LinearAce(
        linear, model.n_radial, model.l_max, covariance=False, dtype=model.coefficients.dtype
    ).to(model.coefficients.device)
    with torch.no_grad():
        made.as_ace().radial.copy_(model.radial)
    return made


class Sample:
    """Some frames as one batch.

    Args:
        model: the model.
        loss: of the training frames.
        unknowns: how many numbers are looked for.
        seed: of the choice.
    """

    def __init__(self, model: Ace, loss: Loss, unknowns: int, seed: int) -> None:
        wanted = max(LEAST_ATOMS, COMPONENTS * unknowns / 3)
        order = np.random.default_rng(seed).permutation(len(loss.sizes))
        count = 1 + int(np.searchsorted(loss.sizes[order].cumsum(), wanted))
        places = sorted(order[:count].tolist())
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
    """Coordinates at the model's parameters.

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
    model, places, columns = problem.model, [], []
    used = used_radial(model).flatten().nonzero()[:, 0]
    used = used[:0] if trained == "functions" else used
    sample = Sample(model, problem.loss, len(used) + len(problem.places), seed)
    densities = Densities.of(model, sample.batch)
    first = densities.slopes[elements_of_functions(model), 0]
    scale = problem.padded(first)
    scale[: len(model.constants)] = 1.0
    penalties = []
    if trained != "radial":
        places.append(problem.places)
        columns.append(problem.rows(sample.places, sample.batch) * scale)
        penalties.append(problem.padded(curvature))
    try:
        of_radial = sample.of_radial(used, clock)
    except TimeIsOver:
        if trained == "radial":
            raise
        used = used[:0]
        of_radial = sample.of_radial(used, clock)
    places.append(indices(model)["radial"].flatten()[used])
    columns.append(of_radial)
    penalties.append(torch.zeros(len(used), dtype=torch.float64))
    rows = torch.cat(columns, 1)
    gram = 2 * rows.T @ rows
    gram += torch.diag(torch.cat(penalties) + ADDED * gram.diagonal())
    parts = [] if trained == "radial" else list(_parts(problem, densities, curvature))
    return Coordinates(origin, torch.cat(places), cholesky(gram), parts)


def _parts(problem: LinearProblem, densities: Densities, curvature: Tensor) -> Iterator[Part]:
    """Of densities but the first."""
    model = problem.model
    index, elements = indices(model)["coefficients"], elements_of_functions(model)
    n = len(model.constants)
    functions = problem.gram[n:, n:]
    for p in range(1, model.expansion.n_densities):
        has = torch.tensor([len(each.exponents) > p for each in model.expansion.embeddings])
        own = has[elements].nonzero()[:, 0]
        sizes = densities.bends(p)[elements[own]]
        gram = sizes[:, None] * functions[own][:, own] * sizes + torch.diag(curvature[own])
        ratios = (densities.slopes[:, p] / densities.slopes[:, 0])[elements[own]]
        yield Part(index[own, p], index[own, 0], ratios, cholesky(gram))
