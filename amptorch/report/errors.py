"""Errors of predictions: what a report of a fit states."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from .histograms import Histogram
from .units import QUANTITIES, Name

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Errors = dict[str, float | None]
Bin = tuple[int, int]

# As many sizes of frames are told apart; more are put into as many bins.
SIZES = 8


@dataclass
class Parity:
    """Reference and predicted values of one property.

    Attributes:
        reference, predicted: of one shape; energies in eV/atom, forces in eV/Å, stresses in
            eV/Å^3.
    """

    reference: Array
    predicted: Array

    @cached_property
    def difference(self) -> Array:
        """Predicted minus reference."""
        return self.predicted - self.reference

    @property
    def rmse(self) -> float:
        """Root of the mean square of the differences."""
        return float(np.sqrt((self.difference**2).mean()))

    def errors(self) -> Errors:
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
class Values(Parity):
    """Those of many frames, one after the other.

    Attributes:
        places: of the frames that have any, among all.
        starts: of the values of each of these, all values counted.
    """

    places: Integers
    starts: Integers

    @classmethod
    def joined(cls, parts: Sequence[Parity], places: Sequence[int]) -> Values:
        """Of parts, at least one, and the places of their frames."""
        sizes = np.array([part.reference.size for part in parts])
        return cls(
            np.concatenate([part.reference for part in parts]),
            np.concatenate([part.predicted for part in parts]),
            np.asarray(places),
            np.cumsum(sizes) - sizes,
        )

    def owners(self, indices: Integers) -> tuple[Integers, Integers]:
        """For some values: the places of their frames, and the values' places within these."""
        found = np.searchsorted(self.starts, indices, side="right") - 1
        return self.places[found], indices - self.starts[found]

    def split(self, labels: Integers, number: int) -> list[Parity]:
        """The values of the frames of each label, of so many.

        Args:
            labels: 0, 1, ..., of all frames.
            number: of labels.
        """
        reference, predicted = self.reference.ravel(), self.predicted.ravel()
        sizes = np.diff(self.starts, append=reference.size)
        own = np.repeat(labels[self.places], sizes)
        order = np.argsort(own, kind="stable")
        cuts = np.cumsum(np.bincount(own, minlength=number))[:-1]
        parts = (np.split(each[order], cuts) for each in (reference, predicted))
        return [Parity(*pair) for pair in zip(*parts, strict=True)]

    def largest(self) -> Array:
        """The largest error of each frame that has any; infinite where one is not a number."""
        sizes = np.abs(self.difference).ravel()
        return np.maximum.reduceat(np.where(np.isnan(sizes), np.inf, sizes), self.starts)


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
        """``atoms.info["group"]``, else ``atoms.info["config_type"]``, or nothing."""
        info = self.image.info
        return str(info.get("group", info.get("config_type", "")))

    def summary(self) -> dict[str, object]:
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
        seconds: that it took to predict: fingerprints, model.
        histograms: of the components of fingerprints, where asked for.
    """

    frames: Sequence[Frame]
    extrapolation: str = ""
    seconds: tuple[float, float] = (0.0, 0.0)
    histograms: Sequence[Histogram] = ()

    def parity(self, quantity: Name) -> Values | None:
        """All values of a quantity, or None where there are none."""
        return self._values.get(quantity)

    @cached_property
    def _values(self) -> dict[Name, Values]:
        found: dict[Name, Values] = {}
        for quantity in QUANTITIES:
            each = [getattr(frame, quantity.name) for frame in self.frames]
            places = [place for place, parity in enumerate(each) if parity is not None]
            if places:
                found[quantity.name] = Values.joined([each[place] for place in places], places)
        return found

    @property
    def quantities(self) -> list[Name]:
        """Of "energy", "forces" and "stress", those there are."""
        return list(self._values)

    @cached_property
    def sizes(self) -> Integers:
        """Number of atoms of each frame."""
        return np.array([len(frame.image) for frame in self.frames])

    def errors(self) -> dict[str, Errors]:
        """Errors by quantity."""
        return {name: each.errors() for name, each in self._values.items()}

    def forces_by_element(self) -> dict[str, Errors]:
        """Force errors of the atoms of each element."""
        forces = self.parity("forces")
        if forces is None:
            return {}
        numbers = np.concatenate([self.frames[place].image.numbers for place in forces.places])
        found = {chemical_symbols[each]: numbers == each for each in np.unique(numbers)}
        return {
            symbol: Parity(forces.reference[own], forces.predicted[own]).errors()
            for symbol, own in sorted(found.items())
        }

    def by_group(self) -> dict[str, dict[str, Errors]]:
        """Errors of each group; empty where no image has one."""
        names, labels = np.unique([frame.group for frame in self.frames], return_inverse=True)
        return {} if names.tolist() in ([], [""]) else self._errors_by(labels, names.tolist())

    def by_size(self, bins: Sequence[Bin]) -> dict[str, dict[str, Errors]]:
        """Errors by number of atoms, such as "164" or "2–54", of the bins of all sets; empty where
        there is but one."""
        if len(bins) < 2:
            return {}
        names = [f"{low}" if low == high else f"{low}–{high}" for low, high in bins]
        return self._errors_by(np.searchsorted([high for _, high in bins], self.sizes), names)

    def _errors_by(self, labels: Integers, names: Sequence[str]) -> dict[str, dict[str, Errors]]:
        """Errors of the frames of each label, 0, 1, ..., by its name."""
        found: dict[str, dict[str, Errors]] = {name: {} for name in names}
        for quantity, values in self._values.items():
            for label, own in enumerate(values.split(labels, len(names))):
                if own.reference.size:
                    found[names[label]][quantity] = own.errors()
        return {name: errors for name, errors in found.items() if errors}

    def order(self, quantity: Name) -> list[int]:
        """Places of the frames that have a quantity, that with the largest error first."""
        values = self.parity(quantity)
        if values is None:
            return []
        return values.places[np.argsort(-values.largest(), kind="stable")].tolist()

    def worst(self, number: int) -> dict[str, list[dict[str, object]]]:
        """The frames with the largest errors of energy, and those of force components."""
        names: tuple[Name, Name] = ("energy", "forces")
        return {
            name: [self.frames[place].summary() for place in self.order(name)[:number]]
            for name in names
        }


def size_bins(evaluations: Iterable[Evaluation]) -> list[Bin]:
    """The lowest and highest size of each bin: of one size, or of about as many frames."""
    sizes = np.concatenate([np.empty(0, int), *(each.sizes for each in evaluations)])
    once = np.unique(sizes)
    if len(once) <= SIZES:
        return [(int(size), int(size)) for size in once]
    edges = np.unique(np.quantile(sizes, np.linspace(0, 1, SIZES + 1)[1:], method="higher"))
    place = np.searchsorted(edges, once)
    bins = [once[place == each] for each in np.unique(place)]
    return [(int(each.min()), int(each.max())) for each in bins]
