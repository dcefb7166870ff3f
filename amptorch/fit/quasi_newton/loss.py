"""The loss of all frames, and its gradient, a few frames at a time.

    L = (1 - kappa) sum_s w_s (dE_s / N_s)^2 + kappa sum_si w_si |dF_si|^2
        + stress_coefficient sum_s w_s |V_s d sigma_s / N_s|^2

in eV and Å, with weights of :mod:`.weights`; the last over frames that have a stress.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...data.frame import AtomsBatch, AtomsData, collate
from ...dataset.frames import Frames, part
from ...dataset.loader import BatchLoader
from ...potentials.ace.model import Ace
from ...preprocessing.scaling import unscaled
from .settings import QuasiNewtonSettings
from .weights import Targets, Weights


@dataclass
class Errors:
    """Attributes:
    loss: L.
    energy, forces: root mean squares of all frames, eV/atom and eV/Å.
    """

    loss: float
    energy: float
    forces: float


class Loss:
    """Of a model on some frames.

    Args:
        frames: scaled, with forces where kappa is not 0.
        settings: of the fit.
        elements: atomic numbers.
        device: to compute on.
    """

    def __init__(
        self,
        frames: Frames,
        settings: QuasiNewtonSettings,
        elements: Sequence[int],
        device: torch.device,
    ) -> None:
        self._frames, self._settings, self._device = frames, settings, device
        self.unit = float(frames.target_scaler.target_std)
        targets = [_targets(frames[k], frames, elements) for k in range(len(frames))]
        self.kappa = _kappa(settings, targets)
        self.weights: Weights = settings.policy.weights(targets)
        self.sizes = np.array([len(each.squares) for each in targets])
        self.stress = settings.stress_coefficient
        self.has_forces = self.kappa > 0 or self.stress > 0

    def evaluate(self, model: Ace, gradient: bool) -> Errors:
        """L and errors; adds the gradient to ``grad`` of the parameters where asked for."""
        total, size = np.zeros(3), self._settings.batch_size
        with torch.set_grad_enabled(gradient):
            for places, batch in self.batches(range(len(self.sizes)), size, model):
                loss, squares = self._of_batch(model, places, batch)
                if gradient:
                    loss.backward()  # type: ignore[no-untyped-call]
                total += [float(loss.detach()), *squares]
        energy, forces = total[1] / len(self.sizes), total[2] / (3 * self.sizes.sum())
        return Errors(float(total[0]), float(energy**0.5), float(forces**0.5))

    def batches(
        self, places: Sequence[int], size: int, model: Ace
    ) -> Iterator[tuple[Sequence[int], AtomsBatch]]:
        """Batches of the frames at some places, and the places of each."""
        own, first = part(self._frames, places), 0
        for batch in BatchLoader(own, size, collate, prefetch=self._frames.prefetch):
            count = len(batch)
            yield places[first : first + count], batch.to(self._device, model.coefficients.dtype)
            first += count

    def factors(self, places: Sequence[int], batch: AtomsBatch) -> tuple[Tensor, Tensor, Tensor]:
        """What squares of errors of energies [n_frames], of forces [n_atoms, 1] and of virials
        [n_frames, 1], all in scaled units, of a batch are multiplied by."""
        like, squares = batch.energy, self.unit**2
        sizes = batch.natoms.to(like)
        frames = squares * like.new_tensor(self.weights.frames[list(places)]) / sizes.square()
        atoms = squares * like.new_tensor(np.concatenate([self.weights.atoms[k] for k in places]))
        return (1 - self.kappa) * frames, self.kappa * atoms[:, None], self.stress * frames[:, None]

    def rooted(self, places: Sequence[int], batch: AtomsBatch, rows: Sequence[Tensor]) -> Tensor:
        """Rows of energies [n_frames, p], forces [3 n_atoms, p] and virials [6 n_frames, p], times
        roots of the factors, one after the other; what is not given is left out."""
        repeats = (1, 3, 6)
        found = []
        for each, factor, count in zip(rows, self.factors(places, batch), repeats, strict=False):
            roots = factor.flatten().repeat_interleave(count).sqrt()
            if count == 6:
                roots = torch.where(batch.stress.flatten().isnan(), 0.0, roots)
            found.append(each * roots[:, None])
        return torch.cat(found).double().cpu()

    def _of_batch(
        self, model: Ace, places: Sequence[int], batch: AtomsBatch
    ) -> tuple[Tensor, tuple[float, float]]:
        energies, *others = model(batch)
        of_energies, of_forces, of_virials = self.factors(places, batch)
        errors, squares = energies - batch.energy, 0.0
        loss = (of_energies * errors.square()).sum()
        if self.kappa > 0:
            of_atoms = (others[0] - batch.forces).square()
            loss = loss + (of_forces * of_atoms).sum()
            squares = self.unit**2 * float(of_atoms.detach().sum())
        if self.stress > 0:
            virials = batch.volume[:, None] * (others[1] - batch.stress)
            known = ~batch.stress.isnan()
            loss = loss + (of_virials * torch.where(known, virials, 0.0).square()).sum()
        per_atom = self.unit * errors.detach() / batch.natoms
        return loss, (float(per_atom.square().sum()), squares)


def _targets(scaled: AtomsData, frames: Frames, elements: Sequence[int]) -> Targets:
    image = unscaled(scaled, frames.scalers)
    numbers, size = image.atomic_numbers.numpy(), float(image.num_nodes)
    shares = np.array([(numbers == each).sum() / size for each in elements])
    squares = np.zeros(image.num_nodes)
    if "forces" in image:
        squares = image.forces.square().sum(1).numpy()
    weight = float(scaled.weight) if "weight" in scaled else 1.0
    return Targets(float(image.energy) / size, shares, squares, weight)


def _kappa(settings: QuasiNewtonSettings, targets: Sequence[Targets]) -> float:
    if settings.kappa != "auto":
        return float(settings.kappa)
    energies = np.var([each.energy for each in targets])
    forces = np.var(np.sqrt(np.concatenate([each.squares for each in targets])))
    return float(energies / (energies + forces)) if energies + forces > 0 else 0.5
