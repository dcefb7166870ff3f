"""When a fit has come to its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from .settings import QuasiNewtonSettings


@dataclass(frozen=True)
class Stopping:
    """The rule: in the last ``min_iterations`` no iteration has lowered a loss by more than a part
    of it; of the training loss ``change_train``, of the validation loss, which is looked at every
    ``interval`` iterations, ``change_valid`` an iteration.

    Attributes:
        settings: of the fit.
        judged: whether there is a validation part.
    """

    settings: QuasiNewtonSettings
    judged: bool

    def ends(self, train: Sequence[float], valid: Sequence[float]) -> bool:
        """Whether a fit has ended, by its losses so far."""
        own = self.settings
        if len(train) > own.max_iterations:
            return True
        interval = own.interval
        depth = max(own.min_iterations // interval, 1)
        settled = _settled(train, own.min_iterations, own.change_train)
        if not self.judged:
            return settled
        other = _settled(valid, depth, own.change_valid * interval)
        return settled and other if own.stop == "both" else settled or other


def _settled(losses: Sequence[float], depth: int, least: float) -> bool:
    """Whether none of the last changes was a fall by more than a part."""
    if len(losses) <= depth:
        return False
    recent = losses[-depth - 1 :]
    return all(after >= before * (1 - least) for before, after in pairwise(recent))
