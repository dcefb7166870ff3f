"""How a run ended: with a model that says nothing finite, one that learned nothing, or well.

The model that a run keeps is tried on some of its images. R^2 = 1 - sum (y - p)^2 / sum (y - <y>)^2
of the values y and the predictions p; a model that gives always the mean has 0.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.frame import collate
from ..errors import Diverged, FitWarning
from ..files import checkpoint
from ..preprocessing.utils import TargetScaler
from ..processes import group

if TYPE_CHECKING:
    from ..config import Config
    from ..dataset.frames import Frames
    from .net import AtomsNet

Array = NDArray[np.float64]

# Images that a model is tried on: runs of neighbours, as files are read best.
RUNS, RUN = 4, 25
POOR = 0.5  # R^2 under which nothing was learned
# What there must be to judge by: less is a try of a script, not a fit.
IMAGES = 12
EPOCHS_TO_TELL, EPOCHS_TO_LEARN = 10, 50
CONSTANT = 1e-3  # spread of predictions relative to that of the values
STILL = 1e-4  # change of the weights relative to them
_LEAST_SPREAD = 1e-6  # eV/atom or eV/Å; values that differ by less are one


@dataclass
class Fit:
    """Values and predictions.

    Attributes:
        values, predictions: of one shape, in eV/atom or eV/Å.
    """

    values: Array
    predictions: Array

    @property
    def is_finite(self) -> bool:
        """Whether all predictions are."""
        return bool(np.isfinite(self.predictions).all())

    @property
    def r2(self) -> float | None:
        """R^2, or None where the values do not vary."""
        if self.values.std() < _LEAST_SPREAD:
            return None
        residual = np.square(self.values - self.predictions).mean()
        return float(1.0 - residual / self.values.var())

    @property
    def is_poor(self) -> bool:
        """Whether R^2 says that nothing was learned."""
        return self.r2 is not None and self.r2 < POOR

    @property
    def is_constant(self) -> bool:
        """Whether all predictions are the same, where the values are not."""
        spread = self.values.std()
        return bool(spread > _LEAST_SPREAD and self.predictions.std() < CONSTANT * spread)


def settle(
    net: AtomsNet,
    model: nn.Module,
    dataset: Frames,
    cp_dir: str | None,
    failure: Diverged | None,
) -> dict[str, Fit]:
    """Try the model that a run keeps, and keep another where it gives nothing finite.

    Args:
        net: the net that trained the model.
        dataset: scaled images.
        cp_dir: folder whose ``params.pt`` is put right, or None.
        failure: what stopped the run, or None.

    Returns:
        Fits of "energy" (without baseline) and, with force training, "forces".

    Raises:
        Diverged: the run was stopped, or its last model is not finite.
    """
    fits = tried(model, dataset, net.device)
    kept = "the best model until then is kept"
    if not all(fit.is_finite for fit in fits.values()):
        failure = failure or Diverged(
            f"training: the model after epoch {len(net.history)} gives no finite energies or forces"
        )
        model.load_state_dict(net.finite_ or {})
        kept = "the last model that gave finite ones is kept"
        if cp_dir is not None and group.is_first():
            checkpoint.save(model.state_dict(), Path(cp_dir) / "params.pt")
    net.finite_ = None
    if failure is None:
        return fits
    where = "" if cp_dir is None else f" in {cp_dir}"
    advice = f"A smaller lr than {net.lr!r} (optim) helps most, or gradient_clip"
    raise Diverged(f"{failure}; {kept}{where}. {advice}")


def tried(model: nn.Module, dataset: Frames, device: torch.device) -> dict[str, Fit]:
    """Fits of "energy" and, where the model gives them, "forces" on some images of a data set."""
    model.eval()
    scaler, found = dataset.target_scaler, []
    with torch.no_grad():
        for chunk in _chunks(len(dataset)):
            batch = collate([dataset[index] for index in chunk]).to(device)
            energies, forces, *_ = model(batch)
            fits = [_fit(scaler, batch.energy, energies, "energy", batch.natoms.cpu())]
            if len(forces):
                fits.append(_fit(scaler, batch.forces, forces, "forces"))
            found.append(fits)
    names = ("energy", "forces")
    return {
        name: _joined(fits) for name, fits in zip(names, zip(*found, strict=True), strict=False)
    }


def _chunks(count: int) -> list[range]:
    if count <= RUNS * RUN:
        return [range(start, min(count, start + RUN)) for start in range(0, count, RUN)]
    starts = [k * (count - RUN) // (RUNS - 1) for k in range(RUNS)]
    return [range(start, start + RUN) for start in starts]


def _fit(
    scaler: TargetScaler,
    values: Tensor,
    predictions: Tensor,
    part: str,
    sizes: Tensor | float = 1.0,
) -> Fit:
    """Of one batch, no longer scaled, and divided by sizes."""
    pair = (scaler.denorm(each.cpu().double(), part) for each in (values, predictions))
    return Fit(*((each / sizes).numpy().ravel() for each in pair))


def _joined(fits: Sequence[Fit]) -> Fit:
    return Fit(
        np.concatenate([fit.values for fit in fits]),
        np.concatenate([fit.predictions for fit in fits]),
    )


def warn_of_poor_fit(fits: dict[str, Fit], net: AtomsNet, settings: Config) -> None:
    """Warn where a run has learned nothing, and name the key of the configuration to look at.

    Warns:
        FitWarning: the weights have hardly moved, and, with twelve images or more, predictions that
            are all the same after 10 epochs, or R^2 of energies or forces under 0.5 after 50.
    """
    energies, forces = fits["energy"], fits.get("forces")
    epochs = len(net.history) if len(energies.values) >= IMAGES else 0
    what = None
    if net.moved_ < STILL and (energies.r2 is None or energies.is_poor):
        what = f"the weights have hardly moved; {_too_slow(net, settings)}"
    elif epochs >= EPOCHS_TO_TELL and _is_constant(energies, forces):
        what = f"the model gives the same for all images; {_dead(settings)}"
    elif epochs >= EPOCHS_TO_LEARN:
        what = _poor(energies, forces, net, settings)
    if what is not None:
        warnings.warn(f"training: nothing was learned: {what}", FitWarning, stacklevel=5)


def _is_constant(energies: Fit, forces: Fit | None) -> bool:
    return energies.is_constant or (forces is not None and forces.is_constant)


def _too_slow(net: AtomsNet, settings: Config) -> str:
    optim = settings.gradients
    if optim.scheduler is not None:
        return f"see lr ({optim.lr!r}) and scheduler (optim)"
    return f"lr {optim.lr!r} (optim) is too small, or epochs {len(net.history)} too few"


def _dead(settings: Config) -> str:
    return settings.model.advice(f"lr ({settings.gradients.lr!r}, optim)")


def _poor(energies: Fit, forces: Fit | None, net: AtomsNet, settings: Config) -> str | None:
    if energies.is_poor:
        advice = f"see lr ({settings.gradients.lr!r}) and epochs ({len(net.history)})"
        if settings.dataset.baseline is None:
            advice += ", or set baseline 'linear' (dataset)"
        return f"R^2 of energies per atom is {energies.r2:.2f}; {advice}"
    if forces is not None and forces.is_poor:
        coefficient = settings.gradients.force_coefficient
        return (
            f"R^2 of forces is {forces.r2:.2f}; see force_coefficient ({coefficient!r}, optim) and "
            f"target_scaling ({settings.dataset.target_scaling!r}, dataset)"
        )
    return None
