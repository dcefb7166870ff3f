"""Scalers of fingerprints and targets, as they are defined in ``amptorch.preprocessing.utils``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from .record import Record


class FeatureScaler:
    """Affine scaling G' = factor G + shift of fingerprints, for each element or for all together.

    Args:
        records: to take the ranges or deviations from.
        scaling: type ("normalize" or "standardize"), range, elementwise, threshold.
    """

    def __init__(self, records: Sequence[Record], scaling: Mapping[str, Any]) -> None:
        self.scaling = {"type": "normalize", "range": (0, 1), **scaling}
        numbers = torch.cat([record.numbers for record in records])
        fingerprints = torch.cat([record.fingerprint for record in records])
        together = not self.scaling.get("elementwise", True)
        self.scales: dict[int, dict[str, list[float]]] = {}
        for number in numbers.unique().tolist():
            values = fingerprints if together else fingerprints[numbers == number]
            factor, shift = self._affine(values)
            self.scales[number] = {"factor": factor.tolist(), "shift": shift.tolist()}

    def _affine(self, values: Tensor) -> tuple[Tensor, Tensor]:
        if self.scaling["type"] == "standardize":
            factor = 1.0 / self._safe(values.std(0, correction=0))
            return factor, -values.mean(0) * factor
        low, high = self.scaling["range"]
        smallest, largest = values.amin(0), values.amax(0)
        factor = (high - low) / self._safe(largest - smallest)
        return factor, low - smallest * factor

    def _safe(self, spread: Tensor) -> Tensor:
        small = spread < self.scaling.get("threshold", 1e-6)
        return torch.where(small, torch.ones_like(spread), spread)

    def scaled(self, record: Record) -> Record:
        """The record with fingerprints and, an entry at a time, primes scaled."""
        n_features = record.fingerprint.shape[1]
        rows = record.primes._indices()[0]
        elements = record.numbers[rows // n_features].tolist()
        features = (rows % n_features).tolist()
        factors = [
            self.scales[element]["factor"][feature]
            for element, feature in zip(elements, features, strict=True)
        ]
        primes = torch.sparse_coo_tensor(
            record.primes._indices(),
            record.primes._values() * torch.tensor(factors, dtype=torch.float64),
            record.primes.shape,
            check_invariants=True,
        )
        fingerprint = record.fingerprint * self._rows(record, "factor")
        return replace(record, fingerprint=fingerprint + self._rows(record, "shift"), primes=primes)

    def _rows(self, record: Record, name: str) -> Tensor:
        rows = [self.scales[number][name] for number in record.numbers.tolist()]
        return torch.tensor(rows, dtype=torch.float64)


class TargetScaler:
    """Energies to mean 0 and deviation 1, forces divided by the same number; unscaled where that
    would be 0.

    Args:
        records: to take mean and deviation from.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        energies = torch.stack([record.energy for record in records])
        deviation = energies.std() if len(records) > 1 else torch.zeros(())
        self.mean = float(energies.mean()) if deviation > 0 else 0.0
        self.std = float(deviation) if deviation > 0 else 1.0

    def scaled(self, record: Record) -> Record:
        """The record with energy and forces scaled."""
        energy = (record.energy - self.mean) / self.std
        return replace(record, energy=energy, forces=record.forces / self.std)

    def energies(self, scaled: Tensor) -> Tensor:
        """In eV."""
        return scaled * self.std + self.mean

    def forces(self, scaled: Tensor) -> Tensor:
        """In eV/Å."""
        return scaled * self.std
