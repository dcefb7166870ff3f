"""The least-squares fit of a linear model to frames, whose rows are read once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from ...dataset.frames import Frames
from ...potentials.model import LinearModel
from ...potentials.potential import Potential
from ...processes import group
from ..base import History, Run
from ..settings import FitSettings
from .fitted import Fitted, weights_of
from .moments import Gram, Moments, Triangle
from .problem import Solution
from .rows import RowReader
from .settings import KINDS, LeastSquaresSettings
from .stresses import StressSample


class LeastSquares:
    """Minimises the weighted squares of errors of energies per atom, forces and stresses.

    Where a run goes on, its rows are added to those of the run before.

    Args:
        run: what this is of.
    """

    Settings: ClassVar[type[FitSettings]] = LeastSquaresSettings

    def __init__(self, run: Run) -> None:
        assert isinstance(run.settings.optim, LeastSquaresSettings)
        self._run, self._settings = run, run.settings.optim

    def run(self, potential: Potential, train: Frames, valid: Frames | None = None) -> History:
        """Fit the model.

        Raises:
            Diverged: rows or coefficients are not finite.
            ValueError: ``groups`` names one that no frame is of.
        """
        model = potential.model
        if not isinstance(model, LinearModel):
            raise ValueError(f"optim: least squares fit no {type(model).__name__}")
        settings, sample = self._settings, StressSample()
        reader = RowReader(model, settings, self._run.device, sample.add)
        many = len(settings.alphas) > 1
        moments = Moments(model.num_params + 1, Triangle if settings.solver == "svd" else Gram)
        if self._run.state is not None:
            moments.take(self._run.state["moments"])
        reader.read(train, moments, settings.folds if many else 1)
        self._check(moments)
        fitted = Fitted(model, settings, moments)
        solution, alpha = fitted.solve()
        fitted.put(solution)
        scale = float(train.target_scaler.target_std)
        if group.is_first() and {"energy", "forces"} <= {key.kind for key in moments.parts}:
            sample.warn(model, settings, moments, scale)
        row = {"epoch": len(self._run.history) + 1, "event_cp": True, "alpha": alpha}
        row |= _errors(moments, settings, solution.coefficients, scale, "train")
        if valid is not None:
            judged = Moments(moments.size, moments.kind)
            reader.read(valid, judged, 1)
            row |= _errors(judged, settings, solution.coefficients, scale, "valid")
        self._say(fitted, solution, row)
        history = [*self._run.history, row]
        self._run.keep(potential, history, {"moments": moments.state()})
        return history

    def _check(self, moments: Moments) -> None:
        groups = {key.group for key in moments.parts}
        for name in self._settings.groups:
            if name not in groups:
                raise ValueError(
                    f"optim: groups: no frame has info['group'] {name!r}, only {sorted(groups)}; "
                    "files of the original keep none"
                )

    def _say(self, fitted: Fitted, solution: Solution, row: Mapping[str, Any]) -> None:
        count, settings = int((solution.coefficients != 0).sum()), self._settings
        self._run.say(
            f"{settings.solver}: {count} of {len(solution.coefficients)} coefficients are not 0, "
            f"{fitted.rows} rows, alpha {row['alpha']:.3g}"
        )
        for name, value in row.items():
            if name.endswith("_rmse"):
                self._run.say(f"  {name}: {value:.6g}")


def _errors(
    moments: Moments, settings: LeastSquaresSettings, coefficients: Tensor, scale: float, part: str
) -> dict[str, float]:
    """Mean weighted squares, and root mean squares in eV/atom, eV/Å and eV/Å^3."""
    weights = weights_of(moments, settings)
    loss = moments.squares(weights, coefficients) / max(moments.count(weights), 1)
    errors = moments.errors(coefficients)
    found = {f"{part}_{kind}_rmse": scale * errors[kind] for kind in KINDS if kind in errors}
    return {f"{part}_loss": loss, **found}
