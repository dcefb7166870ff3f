"""The fit of expansions with several densities and radial functions that are trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from ...dataset.frames import Frames
from ...descriptor.ace import Ace as Descriptor
from ...errors import Diverged
from ...potentials.ace.model import Ace
from ...potentials.potential import Potential
from ..base import History, Run
from ..clock import Clock, TimeIsOver
from ..settings import FitSettings
from .initial import take_up
from .ladder import rounds_of
from .loss import Errors, Loss
from .rounds import Round
from .settings import QuasiNewtonSettings
from .stopping import Stopping
from .vector import set_vector, vector_of


class QuasiNewton:
    """L-BFGS on the loss of all frames, from the solution of the linear part.

    Args:
        run: what this is of.
    """

    Settings: ClassVar[type[FitSettings]] = QuasiNewtonSettings

    def __init__(self, run: Run) -> None:
        assert isinstance(run.settings.optim, QuasiNewtonSettings)
        self._run, self._settings = run, run.settings.optim
        self._history: list[Mapping[str, Any]] = [*run.history]
        self._clock = Clock(run.settings.cmd)

    def run(self, potential: Potential, train: Frames, valid: Frames | None = None) -> History:
        """Fit the model. Ctrl-C ends the run with the last iteration.

        Raises:
            ValueError: a model of another kind.
            Diverged: losses are not finite.
        """
        model = potential.model
        if not isinstance(model, Ace):
            raise ValueError(f"optim: quasi_newton fits models ace, not {type(model).__name__}")
        numbers = potential.descriptor.element_indices.tolist()
        self._potential, self._model = potential, model
        own = self._run.device
        self._loss = Loss(train, self._settings, numbers, own)
        self._judge = None if valid is None else Loss(valid, self._settings, numbers, own)
        state = self._run.state
        state = None if state is None or state["finished"] else state
        if state is None and not self._history:
            self._begin(potential, model)
        first = 0 if state is None else state["round"]
        chosen = rounds_of(model, self._settings.rounds) if state is None else state["rounds"]
        self._rounds = chosen
        try:
            for k in range(first, len(chosen)):
                self._clock.share(len(chosen) - k)
                self._go(k, state)
                state = None
        except KeyboardInterrupt:
            self._run.say("stopped; the last iteration is kept")
        return self._history

    def _begin(self, potential: Potential, model: Ace) -> None:
        """Take up initial potentials."""
        if not self._settings.sources:
            return
        if self._loss.unit != 1:
            raise ValueError(
                'optim: initial_potential is in eV, expected "dataset": {"target_scaling": "none"}'
            )
        descriptor = potential.descriptor
        assert isinstance(descriptor, Descriptor)
        for line in take_up(model, descriptor, self._settings.sources):
            self._run.say(line)

    def _go(self, number: int, state: dict[str, Any] | None) -> None:
        """One round: until it has settled or its time is over."""
        count, self._number, self._chosen = len(self._rounds), number, self._rounds[number]
        part = self._model.part(self._chosen)
        if state is None and count > 1:
            size = part.expansion.n_functions
            self._run.say(f"round {number + 1} of {count}: {size} functions")
        if state is not None:
            set_vector(part, state["model"])
        if state is not None and "coordinates" in state:
            self._best, self._first = state["best"], state["first"]
            settings, descriptor = self._settings, self._potential.descriptor
            going = Round.resumed(part, self._loss, settings, descriptor, state)
        else:
            self._best, self._first = None, len(self._history) if state is None else state["first"]
            del self._history[self._first :]
            try:
                going = self._start(part)
            except TimeIsOver:
                self._run.say("no time for more than the linear solution")
                return
        ended = False
        try:
            ended = self._iterate(going)
            if ended and self._judge is not None and "valid_loss" not in self._history[-1]:
                row = dict(self._history[-1])
                row["event_cp"] = self._look(going.model, row)
                self._history[-1] = row
        finally:
            going.settle()
            self._keep(going, finished=ended and number == count - 1)
            self._leave_best(going)

    def _start(self, part: Ace) -> Round:
        """A round from the beginning; the linear solution is kept before coordinates are made."""
        before = vector_of(part)

        def begun(value: float, errors: Errors) -> None:
            self._record(part, value, errors)
            self._model.take(part, self._chosen)
            state = {"rounds": self._rounds, "round": self._number, "first": self._first}
            state |= {"model": before, "finished": False}
            self._run.keep(self._potential, self._history, state)

        seed = self._run.settings.cmd.seed
        given = self._loss, self._settings, self._potential.descriptor, seed, self._clock
        going = Round.start(part, *given, begun)
        if self._settings.trained == "all" and not going.trains_radial:
            self._run.say("no time for radial functions: coefficients alone are trained")
        return going

    def _iterate(self, going: Round) -> bool:
        """Whether the round has come to its end, and not its time."""
        self._clock.begin()
        if self._ends() or self._clock.is_over:
            return self._ends()
        for value, errors in going.iterations():
            looks = self._record(going.model, value, errors)
            if looks and self._clock.is_time_to_write():
                self._keep(going, finished=False)
            if self._ends():
                return True
            if self._clock.is_over:
                return False
        return True

    @property
    def _rows(self) -> list[Mapping[str, Any]]:
        """Of this round, that of its start first."""
        return self._history[self._first :]

    def _ends(self) -> bool:
        train = [row["train_loss"] for row in self._rows]
        valid = [row["valid_loss"] for row in self._rows if "valid_loss" in row]
        return Stopping(self._settings, self._judge is not None).ends(train, valid)

    def _record(self, model: Ace, value: float, errors: Errors) -> bool:
        """A row of the history and a line; whether the validation part was to be looked at."""
        if not value < float("inf"):
            raise Diverged("quasi_newton: losses are not finite; see the data")
        iteration = len(self._rows)
        row: dict[str, Any] = {"epoch": len(self._history) + 1, "round": self._number + 1}
        row |= {"event_cp": True, "train_loss": value, **_named("train", errors)}
        looks = iteration % self._settings.interval == 0
        if self._judge is not None:
            row["event_cp"] = looks and self._look(model, row)
        self._history.append(row)
        self._say(row, iteration)
        self._clock.tick()
        return looks

    def _look(self, model: Ace, row: dict[str, Any]) -> bool:
        """Judge by the validation part, and say whether it is the best so far."""
        assert self._judge is not None
        found = self._judge.evaluate(model, gradient=False)
        row |= {"valid_loss": found.loss, **_named("valid", found)}
        better = self._best is None or found.loss < self._best["loss"]
        if better:
            self._best = {"loss": found.loss, "model": vector_of(model)}
        return better

    def _keep(self, going: Round, finished: bool) -> None:
        """Write the best model of the round, and what to go on from."""
        last: Tensor = vector_of(going.model)
        state = {"rounds": self._rounds, "round": self._number, "first": self._first}
        state |= {"best": self._best, "model": last, "finished": finished, **going.state()}
        self._leave_best(going)
        self._run.keep(self._potential, self._history, state)
        set_vector(going.model, last)

    def _leave_best(self, going: Round) -> None:
        """Give the potential the best model of the round; without a validation part, the last."""
        if self._best is not None:
            set_vector(going.model, self._best["model"])
        self._model.take(going.model, self._chosen)

    def _say(self, row: Mapping[str, Any], iteration: int) -> None:
        text = f"iteration {iteration}: loss {row['train_loss']:.6g}"
        for name in ("train", "valid"):
            if f"{name}_loss" in row:
                energy, forces = (1e3 * row[f"{name}_{kind}_rmse"] for kind in ("energy", "forces"))
                text += f", {name} {energy:.2f} meV/atom, {forces:.1f} meV/Å"
        self._run.say(text)


def _named(part: str, errors: Errors) -> dict[str, float]:
    """Root mean squares, in eV/atom and eV/Å."""
    return {f"{part}_energy_rmse": errors.energy, f"{part}_forces_rmse": errors.forces}
