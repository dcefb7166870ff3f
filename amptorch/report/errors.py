"""Errors of a potential on images: what a report of a fit states."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from ..data.keys import Keys
from ..data.targets import MissingTargetError, read_energy, read_forces, read_stress
from ..potentials.potential import HasPotential, Potential
from ..potentials.prediction import Prediction
from ..preprocessing import ExtrapolationWarning

Array = NDArray[np.float64]
QUANTITIES = ("energy", "forces", "stress")


@dataclass
class Parity:
    """Reference and predicted values of one property.

    Attributes:
        reference, predicted: of one shape; energies in eV/atom, forces in eV/Å, stresses in
            eV/Å^3.
    """

    reference: Array
    predicted: Array

    @property
    def difference(self) -> Array:
        """Predicted minus reference."""
        return self.predicted - self.reference

    @property
    def rmse(self) -> float:
        """Root of the mean square of the differences."""
        return float(np.sqrt((self.difference**2).mean()))

    def errors(self) -> dict[str, float | None]:
        """RMSE, MAE, largest error, R^2 (None where the references do not vary), and how many."""
        error = self.difference
        spread = float(((self.reference - self.reference.mean()) ** 2).sum())
        squares = float((error**2).sum())
        return {
            "rmse": self.rmse,
            "mae": float(np.abs(error).mean()),
            "max": float(np.abs(error).max()),
            "r2": 1.0 - squares / spread if spread > 0 else None,
            "values": error.size,
        }


@dataclass
class Frame:
    """An image, its energy per atom [1], and forces [n_atoms, 3] and stress [6] where both the
    image and the potential have them."""

    index: int
    image: Atoms
    energy: Parity
    forces: Parity | None
    stress: Parity | None

    @property
    def group(self) -> str:
        """``atoms.info["group"]``, or nothing."""
        return str(self.image.info.get("group", ""))

    def summary(self) -> dict[str, Any]:
        """Error of the energy (eV/atom), RMSE and largest error of force components (eV/Å)."""
        forces = self.forces.errors() if self.forces is not None else {}
        return {
            "frame": self.index,
            "formula": self.image.get_chemical_formula(),
            "group": self.group,
            "energy": float(self.energy.difference[0]),
            "forces_rmse": forces.get("rmse"),
            "forces_max": forces.get("max"),
        }


@dataclass
class Evaluation:
    """Predictions for a set of images beside their own values.

    Attributes:
        extrapolation: what the potential said of fingerprints outside its training range, if any.
    """

    frames: Sequence[Frame]
    extrapolation: str = ""

    def parity(self, quantity: str) -> Parity | None:
        """All values of "energy", "forces" or "stress", or None where there are none."""
        found = [each for frame in self.frames if (each := getattr(frame, quantity)) is not None]
        return _joined(found) if found else None

    @property
    def quantities(self) -> list[str]:
        """Of "energy", "forces" and "stress", those there are."""
        return [name for name in QUANTITIES if self.parity(name) is not None]

    def errors(self) -> dict[str, dict[str, float | None]]:
        """Errors by quantity."""
        parities = {name: self.parity(name) for name in QUANTITIES}
        return {name: each.errors() for name, each in parities.items() if each is not None}

    def forces_by_element(self) -> dict[str, dict[str, float | None]]:
        """Force errors of the atoms of each element."""
        frames = [frame for frame in self.frames if frame.forces is not None]
        symbols = np.array([symbol for frame in frames for symbol in frame.image.symbols])
        forces = self.parity("forces")
        if forces is None:
            return {}
        return {
            str(element): Parity(forces.reference[own], forces.predicted[own]).errors()
            for element in np.unique(symbols)
            for own in [symbols == element]
        }

    def by_group(self) -> dict[str, dict[str, dict[str, float | None]]]:
        """Errors of each ``atoms.info["group"]``; empty where no image has one."""
        groups = sorted({frame.group for frame in self.frames})
        if groups == [""]:
            return {}
        return {
            group: Evaluation([f for f in self.frames if f.group == group]).errors()
            for group in groups
        }

    def worst(self, number: int) -> dict[str, list[dict[str, Any]]]:
        """The frames with the largest errors of energy, and those of force components."""
        frames = [frame.summary() for frame in self.frames]
        with_forces = [each for each in frames if each["forces_max"] is not None]
        return {
            "energy": sorted(frames, key=lambda each: -abs(each["energy"]))[:number],
            "forces": sorted(with_forces, key=lambda each: -each["forces_max"])[:number],
        }


def evaluate(
    trainer: HasPotential,
    images: Sequence[Atoms],
    indices: Sequence[int] | None = None,
    keys: Keys | None = None,
    show_progress: bool = False,
) -> Evaluation:
    """Predict images and set the numbers beside their own.

    Args:
        trainer: a trained or loaded :class:`amptorch.AtomsTrainer`, or a potential.
        images: with energies; forces and stresses are compared where an image has them.
        indices: what the frames are called, default their places in ``images``.
        keys: names of energy, forces, stress and virial, default those of the training data.
        show_progress: show a progress bar.

    Raises:
        ValueError: an image without energy, or with numbers that are none.
    """
    indices = range(len(images)) if indices is None else indices
    potential = trainer.potential
    keys = potential.keys if keys is None else keys
    found, extrapolation = _predict(potential, images, show_progress)
    frames = []
    for place, (index, image) in enumerate(zip(indices, images, strict=True)):
        name = f"image {index}"
        energy = np.array([read_energy(image, name, keys), found.energy[place]])
        forces = found.forces[place] if found.forces else None
        stress = found.stress[place] if found.stress else None
        frames.append(
            Frame(
                index,
                image,
                Parity(energy[:1] / len(image), energy[1:] / len(image)),
                _compared(read_forces, image, name, keys, forces),
                _compared(read_stress, image, name, keys, stress),
            )
        )
    return Evaluation(frames, extrapolation)


def _predict(
    potential: Potential, images: Sequence[Atoms], show_progress: bool
) -> tuple[Prediction, str]:
    """Predictions, and as text the warning that belongs into a report."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = potential.evaluate(images, potential.forces, show_progress=show_progress)
        potential.warn_outside(found)
    texts = []
    for each in caught:
        if issubclass(each.category, ExtrapolationWarning):
            texts.append(str(each.message))
        else:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    return found, "; ".join(texts)


def _compared(
    read: Callable[[Atoms, str, Keys], Array],
    image: Atoms,
    name: str,
    keys: Keys,
    predicted: Array | None,
) -> Parity | None:
    if predicted is None:
        return None
    try:
        reference = read(image, name, keys)
    except MissingTargetError:
        return None
    return None if np.isnan(reference).any() else Parity(reference, predicted)


def _joined(parts: Sequence[Parity]) -> Parity:
    return Parity(
        np.concatenate([part.reference for part in parts]),
        np.concatenate([part.predicted for part in parts]),
    )
