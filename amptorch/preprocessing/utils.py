"""Scalers of features and targets. Their module path and attributes are those of pickles that the
original wrote; attributes it does not have are optional."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ..data.baseline import Contribution, State
from ..data.frame import AtomsData
from ..data.primes import sparse_block_diag
from ..data.statistics import FeatureStatistics, Statistics
from ..errors import check_keys, is_number
from .pca import PCAReducer

__all__ = [
    "AtomicCorrectionScaler",
    "ExtrapolationWarning",
    "FeatureScaler",
    "PCAReducer",
    "TargetScaler",
    "sparse_block_diag",
]

Scale = dict[str, Tensor]
Values = TypeVar("Values", Tensor, NDArray[np.float64])

# Of a range: what rounding may make of fingerprints.
_MARGIN = {torch.float64: 1e-9, torch.float32: 1e-5}


class ExtrapolationWarning(UserWarning):
    """Fingerprints lie outside the range seen in training."""


class FeatureScaler:
    """Affine scaling of fingerprints and primes.

    "normalize" maps [min, max] of the training data onto ``range``: G' = scale G + offset.
    "standardize" gives mean 0 and (population) standard deviation 1: G' = (G - offset) / scale.
    "none" leaves them as they are, and has no range.
    A range or deviation under ``threshold`` counts as 1.

    Args:
        data_list: images to take the statistics from, or their statistics.
        forcetraining: primes are scaled too.
        scaling: ``{"type": "normalize", "range": (lo, hi)}`` or ``{"type": "standardize"}``, with
            ``elementwise`` (True: separately for each element) and ``threshold`` (1e-6).

    Attributes:
        scales: {atomic number: {"offset", "scale"}} if elementwise, else ``scale``, one of these.
        ranges: {atomic number or 0: (min, max)} of the training data, for extrapolation warnings;
            absent from scalers of the original.
    """

    def __init__(
        self,
        data_list: Sequence[AtomsData] | Statistics,
        forcetraining: bool,
        scaling: Mapping[str, Any] | None = None,
    ) -> None:
        scaling = {"type": "normalize", **(scaling or {})}
        check_keys(scaling, ["type", "range", "elementwise", "threshold"], "scaling")
        self.transform = scaling["type"]
        if self.transform not in ("normalize", "standardize", "none"):
            raise ValueError(
                "scaling: expected type 'normalize', 'standardize' or 'none', got "
                f"{self.transform!r}"
            )
        low, high = scaling.get("range", (0, 1))
        if not high > low:
            raise ValueError(f"scaling: expected range (lo, hi) with lo < hi, got {(low, high)}")
        self.forcetraining = forcetraining
        self.elementwise = scaling.get("elementwise", True)
        self.threshold = scaling.get("threshold", 1e-6)
        self._fit(_statistics(data_list), low, high)
        if self.transform == "none":
            self._leave()

    @classmethod
    def of_affine(
        cls,
        scales: Mapping[int, tuple[Tensor, Tensor]],
        ranges: Mapping[int, tuple[Tensor, Tensor]],
    ) -> FeatureScaler:
        """The scaler of known factors and shifts, G' = factor G + shift.

        Args:
            scales: by atomic number a factor and a shift [n_features].
            ranges: by atomic number smallest and largest values [n_features].
        """
        made = cls.__new__(cls)
        made.transform, made.forcetraining = "normalize", True
        made.elementwise, made.threshold, made.unique = True, 0.0, list(scales)
        made.scales = {
            number: {"offset": shift, "scale": factor} for number, (factor, shift) in scales.items()
        }
        made.ranges = dict(ranges)
        return made

    @classmethod
    def identity(cls, numbers: Sequence[int], n_features: int) -> FeatureScaler:
        """The scaler that leaves fingerprints of these elements as they are, whatever they are."""
        ones = torch.ones(n_features, dtype=torch.float64)
        made = cls.of_affine({number: (ones, torch.zeros_like(ones)) for number in numbers}, {})
        del made.ranges
        return made

    def _leave(self) -> None:
        """Take back all that was fitted."""
        scales = self.scales if self.elementwise else {0: self.scale}
        for each in scales.values():
            ones = torch.ones_like(each["scale"])
            each.update(offset=torch.zeros_like(ones), scale=ones)
        del self.ranges

    def _fit(self, statistics: Statistics, low: float, high: float) -> None:
        if self.elementwise:
            self.unique = statistics.numbers
            groups = {number: statistics.features[number] for number in self.unique}
            self.scales = {number: self._scale(g, low, high) for number, g in groups.items()}
        else:
            groups = {0: statistics.all_features}
            self.scale = self._scale(groups[0], low, high)
        self.ranges = {number: (g.minimum, g.maximum) for number, g in groups.items()}

    def _scale(self, features: FeatureStatistics, low: float, high: float) -> Scale:
        if self.transform == "standardize":
            return {"offset": features.mean, "scale": self._safe(features.std)}
        scale = (high - low) / self._safe(features.maximum - features.minimum)
        return {"offset": low - features.minimum * scale, "scale": scale}

    def _safe(self, spread: Tensor) -> Tensor:
        return torch.where(spread < self.threshold, torch.ones_like(spread), spread)

    def norm(
        self, data_list: Sequence[AtomsData], disable_tqdm: bool = False
    ) -> Sequence[AtomsData]:
        """Scale fingerprints (and primes) of images in place; returns the images."""
        shown = data_list if disable_tqdm else tqdm(data_list, "scaling features", unit=" images")
        for data in shown:
            factors, shifts = self.affine(data.atomic_numbers)
            data.fingerprint = data.fingerprint * factors + shifts
            primes = getattr(data, "primes", None)
            if primes is not None:
                data.primes = primes.scaled(factors)
        return data_list

    def affine(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Factors and shifts [n_atoms, n_features] of G' = factor G + shift."""
        # numpy: torch would start threads to pick a hundred rows.
        values, where = np.unique(numbers.numpy(), return_inverse=True)
        scales = [self._of_element(number) for number in values.tolist()]
        offset = torch.from_numpy(np.stack([scale["offset"] for scale in scales])[where])
        scale = torch.from_numpy(np.stack([scale["scale"] for scale in scales])[where])
        if self.transform == "standardize":
            return 1.0 / scale, -offset / scale
        return scale, offset

    def knows(self, numbers: Tensor) -> bool:
        """Whether there are factors for all these atomic numbers."""
        return not self.elementwise or set(numbers.tolist()) <= set(self.scales)

    def _of_element(self, number: int) -> Scale:
        if not self.elementwise:
            return self.scale
        if number not in self.scales:
            raise ValueError(
                f"feature scaler: no training data of atomic number {number}, only of {self.unique}"
            )
        return self.scales[number]

    def warn_outside(self, data_list: Sequence[AtomsData]) -> int:
        """Warn if unscaled fingerprints lie outside the training range; the number of such atoms.

        A value counts as outside past the range by more than 1e-9 of its width, in float32 1e-5.
        """
        if not hasattr(self, "ranges"):
            return 0
        outside = [self._outside(data) for data in data_list]
        atoms = [int(each.any(1).sum()) for each in outside]
        values = sum(int(each.sum()) for each in outside)
        if values:
            frames = sum(count > 0 for count in atoms)
            warnings.warn(
                f"extrapolation: {values} fingerprint values of {sum(atoms)} atoms in {frames} of "
                f"{len(atoms)} images lie outside the range seen in training",
                ExtrapolationWarning,
                stacklevel=4,
            )
        return sum(atoms)

    def _outside(self, data: AtomsData) -> NDArray[np.bool_]:
        values = data.fingerprint.cpu().numpy()
        low, high = self.limits(data.atomic_numbers, data.fingerprint.dtype)
        return (values < low.numpy()) | (values > high.numpy())

    def limits(self, numbers: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The least and the largest values [n_atoms, n_features] that are not outside, of
        fingerprints that were computed in a precision; none without ``ranges``."""
        present, rows = np.unique(numbers.numpy(), return_inverse=True)
        own = [self._limits(number, _MARGIN[dtype]) for number in present.tolist()]
        low, high = (torch.stack(each)[torch.from_numpy(rows)] for each in zip(*own, strict=True))
        return low, high

    def _limits(self, number: int, margin: float) -> tuple[Tensor, Tensor]:
        ranges = getattr(self, "ranges", {})
        key = number if self.elementwise else 0
        if key not in ranges:
            endless = torch.full_like(self._of_element(number)["scale"], torch.inf)
            return -endless, endless
        low, high = ranges[key]
        width = margin * torch.maximum(high - low, torch.maximum(high.abs(), low.abs()))
        return low - width, high + width


class TargetScaler:
    """Energies to mean 0, then energies, forces and stresses divided by one number.

    That number is, by ``scaling``, the standard deviation (Bessel's correction) of the energies
    ("energy"; they get deviation 1) or of the energies per atom ("per_atom"), or the root mean
    square of the force components ("forces"); "none" has the number 1.

    Where it is 0, as with one frame, mean 0 and deviation 1 leave targets as they are.

    The mean is a constant per frame, with which energies do not add up over atoms: without
    ``shift`` it stays 0.
    """

    def __init__(
        self,
        data_list: Sequence[AtomsData] | Statistics,
        forcetraining: bool,
        scaling: str = "energy",
        shift: bool = True,
    ) -> None:
        self.forcetraining = forcetraining
        statistics = _statistics(data_list)
        energies = torch.from_numpy(statistics.energies)
        deviation = _spread(statistics, scaling)
        spread = bool(deviation > 0)
        self.target_mean = energies.mean() if spread and shift else energies.new_zeros(())
        self.target_std = deviation if spread else energies.new_ones(())

    @classmethod
    def of(cls, mean: float, deviation: float) -> TargetScaler:
        """The scaler of known numbers, eV."""
        made = cls.__new__(cls)
        made.forcetraining = True
        made.target_mean = torch.tensor(mean, dtype=torch.float64)
        made.target_std = torch.tensor(deviation, dtype=torch.float64)
        return made

    def norm(
        self, data_list: Sequence[AtomsData], disable_tqdm: bool = False
    ) -> Sequence[AtomsData]:
        """Scale energies and forces of images in place; returns the images."""
        for data in tqdm(data_list, desc="scaling targets", unit=" images", disable=disable_tqdm):
            data.energy = (data.energy - self.target_mean) / self.target_std
            if self.forcetraining:
                data.forces = data.forces / self.target_std
            if "stress" in data:
                data.stress = data.stress / self.target_std
        return data_list

    def denorm(self, values: Values, pred: str = "energy") -> Values:
        """From scaled values, a tensor or an array, back to eV ("energy") or eV/Å ("forces")."""
        if pred == "energy":
            return values * float(self.target_std) + float(self.target_mean)
        if pred == "forces":
            return values * float(self.target_std)
        raise ValueError(f"pred: expected 'energy' or 'forces', got {pred!r}")

    def denorm_atoms(self, atomic: NDArray[Any], sizes: Sequence[int]) -> NDArray[Any]:
        """Energies of atoms in eV that add up to those of their frames, which share the mean
        evenly among their atoms.

        Args:
            atomic: scaled energies [n_atoms].
            sizes: atoms of each frame [n_frames].
        """
        shares = np.repeat(float(self.target_mean) / np.array(sizes), sizes)
        return atomic * float(self.target_std) + shares


def _spread(statistics: Statistics, scaling: str) -> Tensor:
    if scaling == "none":
        return torch.ones((), dtype=torch.float64)
    if scaling == "forces":
        mean = statistics.force_squares / max(statistics.force_count, 1)
        return torch.tensor(mean, dtype=torch.float64).sqrt()
    energies = torch.from_numpy(statistics.energies)
    if scaling == "per_atom":
        energies = energies / torch.from_numpy(statistics.sizes)
    return energies.std() if len(energies) > 1 else energies.new_zeros(())


class AtomicCorrectionScaler:
    """Per-element energies E0 taken off before targets are scaled: E = sum_i E0(Z_i) + rest.

    The energies are the least-squares solution, of smallest norm where compositions do not fix
    it, over the images. Where they are given, :meth:`from_settings`, it is the kind "elements" of
    :class:`amptorch.data.baseline.Baseline`.

    Args:
        data_list: images, or their statistics.
        elementwise: fit an energy to each element; else the same to all.

    Attributes:
        energies: {atomic number: eV}.
    """

    name: ClassVar[str] = "elements"
    energies: dict[int, float]

    def __init__(
        self, data_list: Sequence[AtomsData] | Statistics, elementwise: bool = True
    ) -> None:
        self.energies = _statistics(data_list).baseline(elementwise)

    @classmethod
    def from_settings(cls, energies: Mapping[str | int, float]) -> AtomicCorrectionScaler:
        """Of given energies, eV, by chemical symbol or atomic number.

        Raises:
            ValueError: no such element, or no number.
        """
        return cls.from_state({"energies": dict(_energy_of_element(*e) for e in energies.items())})

    def state(self) -> State:
        """The energies."""
        return {"energies": dict(self.energies)}

    @classmethod
    def from_state(cls, state: State) -> AtomicCorrectionScaler:
        """With the energies of :meth:`state`."""
        made = cls.__new__(cls)
        made.energies = dict(state["energies"])
        return made

    def evaluate(self, images: Sequence[Atoms], forces: bool = True) -> Contribution:
        """Energies of images and of their atoms; they do not depend on positions."""
        energies = [self._of_image(image.numbers) for image in images]
        return Contribution(np.array([each.sum() for each in energies]), energies)

    def _of_image(self, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """E0 of many atoms, of whose elements each is looked up once."""
        counts = np.bincount(numbers)
        present, energies = np.flatnonzero(counts), np.zeros(len(counts))
        energies[present] = self.of_atoms(torch.from_numpy(present))
        return energies[numbers]

    def total(self, numbers: Tensor) -> float:
        """Sum of E0 over atoms, eV."""
        return sum(self.of_atoms(numbers))

    def of_atoms(self, numbers: Tensor) -> list[float]:
        """E0 of atoms with these atomic numbers, eV."""
        missing = set(numbers.tolist()) - set(self.energies)
        if missing:
            raise ValueError(f"baseline: no energy for atomic numbers {sorted(missing)}")
        return [self.energies[number] for number in numbers.tolist()]

    def norm(self, data_list: Sequence[AtomsData]) -> Sequence[AtomsData]:
        """Take E0 off the energies of images in place; returns the images."""
        for data in data_list:
            data.energy = data.energy - self.total(data.atomic_numbers)
        return data_list


def _statistics(data: Sequence[AtomsData] | Statistics) -> Statistics:
    return data if isinstance(data, Statistics) else Statistics.of(data)


def _energy_of_element(element: str | int, energy: float) -> tuple[int, float]:
    number = atomic_numbers.get(element, element)
    if not isinstance(number, int) or not is_number(energy):
        raise ValueError(
            "baseline: elements: expected energies in eV by chemical symbol, got "
            f"{element!r}: {energy!r}"
        )
    return number, float(energy)
