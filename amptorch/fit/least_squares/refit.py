"""A least-squares fit whose rows are kept: solved again, with another penalty or more frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...dataset.frames import Frames
from ...potentials.model import LinearModel
from .fitted import Fitted
from .moments import Gram, Key, Moments
from .rows import RowReader
from .settings import LeastSquaresSettings


@dataclass
class Refit:
    """Rows that a model was fitted to, and rows that were added to them.

    Attributes:
        model: whose coefficients are solved for.
        settings: of the fit, but for the penalty; ``groups`` has the weights of frames of
            ``info["group"]`` that are added.
        moments: of the rows before.
    """

    model: LinearModel
    settings: LeastSquaresSettings
    moments: Moments
    _added: Moments = field(init=False)

    def __post_init__(self) -> None:
        self._added = Moments(self.moments.size, self.moments.kind)

    @classmethod
    def of(
        cls, model: LinearModel, settings: LeastSquaresSettings, state: Mapping[str, Any]
    ) -> Refit:
        """That of a run.

        Args:
            state: what the run kept of itself.
        """
        moments = Moments(model.num_params + 1, Gram)
        moments.take(state["moments"])
        return cls(model, settings, moments)

    def add(self, frames: Frames) -> None:
        """Frames whose ``info["group"]`` no frame before has."""
        reader = RowReader(self.model, self.settings, self.model.coefficients.device)
        reader.read(frames, self._added, 1)

    def solve(self, alpha: float, spread: bool = False) -> dict[str, float]:
        """Give the model the coefficients of a penalty, and with ``spread`` what errors of these
        follow from.

        Returns:
            Root mean square errors of the rows before the added ones, by kind, in scaled units.
        """
        fitted = Fitted(self.model, replace(self.settings, alpha=alpha), self._all)
        fitted.put(fitted.solve()[0], spread)
        return self.moments.errors(self.model.coefficients.detach().double().cpu())

    @property
    def _all(self) -> Moments:
        parts: dict[Key, Gram] = {**self.moments.parts, **self._added.parts}
        return Moments(self.moments.size, self.moments.kind, parts)

    def state(self) -> dict[str, Any]:
        """What a run keeps of itself."""
        return {"moments": self._all.state()}
