"""A fit of one set of functions: linear first, then all that is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...descriptor.base_descriptor import BaseDescriptor
from ...potentials.ace.model import Ace
from ..clock import Clock
from .coordinates import Coordinates
from .densities import fill
from .loss import Errors, Loss
from .minimizer import Minimizer
from .penalties import Penalties
from .settings import QuasiNewtonSettings
from .start import FRAMES, LinearProblem, coordinates_of
from .vector import gradient_of, indices, set_vector, vector_of


@dataclass
class Round:
    """Attributes:
    model: which has the accepted parameters between iterations.
    loss: of the training frames.
    penalties: beside it.
    coordinates: of the minimizer.
    minimizer: in these.
    errors: of the accepted parameters.
    """

    model: Ace
    loss: Loss
    penalties: Penalties
    coordinates: Coordinates
    minimizer: Minimizer
    errors: Errors

    @classmethod
    def start(
        cls,
        model: Ace,
        loss: Loss,
        settings: QuasiNewtonSettings,
        descriptor: BaseDescriptor,
        seed: int,
        clock: Clock,
        begun: Callable[[float, Errors], None],
    ) -> Round:
        """From a model's parameters, the first density by least squares where asked for.

        Args:
            model: the model.
            loss: of the training frames.
            settings: of the fit.
            descriptor: of the fingerprints.
            seed: of the frames that coordinates are made of.
            clock: of the fit.
            begun: called with loss and penalties, and errors, before these are, which takes long.

        Raises:
            TimeIsOver: there is none for coordinates.
        """
        problem = LinearProblem(model, loss)
        squares = problem.squares(settings.degree_power)
        penalties = Penalties.of(settings, squares, descriptor)
        if settings.trained != "radial":
            _begin(problem, penalties, settings)
        value, _, errors = evaluate(model, loss, penalties)
        begun(value, errors)
        origin, curvature = vector_of(model), penalties.curvature
        coordinates = coordinates_of(problem, curvature, settings.trained, origin, seed, clock)
        return cls._of(model, loss, penalties, coordinates, settings, None)

    @classmethod
    def resumed(
        cls,
        model: Ace,
        loss: Loss,
        settings: QuasiNewtonSettings,
        descriptor: BaseDescriptor,
        state: dict[str, Any],
    ) -> Round:
        """From :meth:`state`."""
        penalties = Penalties.of(settings, state["squares"], descriptor)
        coordinates = Coordinates.from_state(state["coordinates"])
        made = cls._of(model, loss, penalties, coordinates, settings, state["minimizer"])
        made.errors = Errors(**state["errors"])
        return made

    @classmethod
    def _of(
        cls,
        model: Ace,
        loss: Loss,
        penalties: Penalties,
        coordinates: Coordinates,
        settings: QuasiNewtonSettings,
        state: dict[str, Any] | None,
    ) -> Round:
        made = cls(model, loss, penalties, coordinates, None, Errors(0.0, 0.0, 0.0))  # type: ignore[arg-type]
        zeros = torch.zeros(coordinates.size, dtype=torch.float64)
        if state is None:
            made.minimizer = Minimizer.start(made._value, settings.memory, zeros)
        else:
            made.minimizer = Minimizer.from_state(made._value, settings.memory, state)
        made.settle()
        return made

    @property
    def trains_radial(self) -> bool:
        """Whether radial coefficients are among the coordinates."""
        first = int(indices(self.model)["radial"].min())
        return any(bool((each.places >= first).any()) for each in self.coordinates.blocks)

    def iterations(self) -> Iterator[tuple[float, Errors]]:
        """Go on, and give the value, with penalties, and errors after each; ends where no step is
        found."""
        while self.minimizer.step():
            yield self.minimizer.value, self.errors

    def settle(self) -> None:
        """Give the model what was accepted; a line search may have been interrupted anywhere."""
        set_vector(self.model, self.coordinates.parameters(self.minimizer.x))

    def _value(self, x: Tensor) -> tuple[float, Tensor]:
        set_vector(self.model, self.coordinates.parameters(x))
        value, gradient, self.errors = evaluate(self.model, self.loss, self.penalties)
        return value, self.coordinates.gradient(gradient)

    def state(self) -> dict[str, Any]:
        """Plain values and tensors, to go on from."""
        return {
            "squares": self.penalties.squares,
            "coordinates": self.coordinates.state(),
            "minimizer": self.minimizer.state(),
            "errors": vars(self.errors),
        }


def evaluate(model: Ace, loss: Loss, penalties: Penalties) -> tuple[float, Tensor, Errors]:
    """Loss with penalties, its gradient in the parameters, and errors."""
    model.zero_grad()
    errors = loss.evaluate(model, gradient=True)
    penalty = penalties(model)
    penalty.backward()  # type: ignore[no-untyped-call]
    return errors.loss + float(penalty.detach()), gradient_of(model), errors


def _begin(problem: LinearProblem, penalties: Penalties, settings: QuasiNewtonSettings) -> None:
    """Fill densities that are 0, and solve for the first one, or for constants alone."""
    model, loss = problem.model, problem.loss
    _, batch = next(loss.batches(range(len(loss.sizes)), FRAMES, model))
    fill(model, batch)
    vector = vector_of(model)
    _, gradient, _ = evaluate(model, loss, penalties)
    if settings.start == "linear":
        vector[problem.places] += problem.solve(penalties.curvature, gradient)
    else:
        n = len(model.constants)
        vector[:n] -= torch.linalg.pinv(problem.gram[:n, :n], hermitian=True) @ gradient[:n]
    set_vector(model, vector)
