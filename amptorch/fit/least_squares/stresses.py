"""Whether stresses are read with the right sign and order: those of a fit to energies and forces
alone know."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass, field, replace

import torch
from ase.units import GPa
from torch import Tensor

from ...data.inspection import DataWarning
from ...potentials.model import LinearModel
from .fitted import Fitted
from .moments import Moments, beside_target
from .settings import LeastSquaresSettings

# Frames of a group that are looked at, and the part of the difference that must be left of it.
FRAMES = 16
BETTER = 0.6
SHEAR = ("yz", "xz", "xy")


@dataclass
class StressSample:
    """Rows of stresses of some frames.

    Attributes:
        rows: by group, [n, 6, p + 1].
    """

    rows: dict[str, Tensor] = field(default_factory=dict)

    def add(self, group: str, rows: Tensor) -> None:
        """Keep rows [6 n, p + 1] as long as there are few."""
        known = self.rows.get(group, rows[:0].view(-1, 6, rows.shape[1]))
        more = rows.view(-1, 6, rows.shape[1])[: max(FRAMES - len(known), 0)]
        self.rows[group] = torch.cat([known, more])

    def warn(
        self, model: LinearModel, settings: LeastSquaresSettings, moments: Moments, unit: float
    ) -> None:
        """Compare.

        Args:
            model: whose coefficients are fitted.
            settings: of the fit with stresses.
            moments: of the rows.
            unit: of targets, eV.

        Warns:
            DataWarning: a group whose stresses agree far better with another sign or order.
        """
        if not self.rows:
            return
        alone = Fitted(model, without_stresses(settings), moments)
        c = alone.solve()[0].coefficients
        for group, rows in sorted(self.rows.items()):
            read = rows[:, :, -1]
            predicted = read + rows @ beside_target(c)
            for text in doubts(unit / GPa * predicted, unit / GPa * read):
                name = f"of the group {group!r} " if group else ""
                warnings.warn(
                    f"stresses {name}as they are read differ from those of a fit to energies and "
                    f'forces alone by {text}; dataset: {{"keys": {{"stress_convention": ...}}}}',
                    DataWarning,
                    stacklevel=2,
                )


def without_stresses(settings: LeastSquaresSettings) -> LeastSquaresSettings:
    """A quick fit of the other rows."""
    groups = {name: {**weights, "stress": 0.0} for name, weights in settings.groups.items()}
    weights = {**settings.weights, "stress": 0.0}
    return replace(settings, solver="ridge", alpha=1e-10, weights=weights, groups=groups)


def doubts(predicted: Tensor, read: Tensor) -> list[str]:
    """What would agree far better, of stresses [n, 6] in GPa.

    Frames of one volume leave the mean pressure open, so that the sign is doubted where several
    frames' differences from their mean say so, too.
    """
    found, sign = [], 1.0
    given, other = _rms(predicted - read), _rms(predicted + read)
    changes = predicted - predicted.mean(0), read - read.mean(0)
    likewise = _rms(changes[0] + changes[1]) < BETTER * _rms(changes[0] - changes[1])
    if other < BETTER * given and (likewise or len(read) == 1):
        found.append(f"{given:.2g} GPa, with the other sign by {other:.2g}")
        sign = -1.0
    shear, read = predicted[:, 3:], sign * read[:, 3:]
    orders = {
        order: _rms(shear - read[:, list(order)]) for order in itertools.permutations(range(3))
    }
    given, best = orders[0, 1, 2], min(orders, key=lambda order: orders[order])
    if orders[best] < BETTER * given:
        names = " ".join(SHEAR[each] for each in best)
        found.append(
            f"{given:.2g} GPa in yz xz xy, by {orders[best]:.2g} if {names} as they are read were "
            "yz xz xy"
        )
    return found


def _rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt())
