"""What a training's history says, in the units of the tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .units import ENERGY, FORCES

History = Sequence[Mapping[str, Any]]
SETS = {"training": "train", "validation": "val"}


@dataclass(frozen=True)
class Curve:
    """One error over the epochs.

    Attributes:
        name, title, label, unit: of a file, of a figure, of an axis; the unit of the values.
        note: how it was worked out.
        lines: values of each set, NaN where an epoch has none.
    """

    name: str
    title: str
    label: str
    unit: str
    note: str
    lines: dict[str, list[float]]


def best_epoch(history: History) -> int | None:
    """The last epoch that was kept as the best, or None where none was."""
    return max((row["epoch"] for row in history if row.get("event_cp")), default=None)


def curves(history: History, atoms: Mapping[str, float]) -> list[Curve]:
    """Loss, and errors of energies and forces, as far as the history has them.

    Args:
        history: a row an epoch: the loss, MAE or MSE of energies (eV a frame) and of force
            components (eV/Å).
        atoms: mean number of atoms of a frame, by set. Energies are divided by it, which is exact
            where all frames have one size; those of a set that is not there stay as they are.
    """
    loss = _lines(history, {"training": "train_loss", "validation": "valid_loss"})
    found = [Curve("loss", "Loss", "loss", "", "What the training made small.", loss)]
    found += [_energies(history, metric, atoms) for metric in ("mae", "mse")]
    found += [_forces(history, metric) for metric in ("mae", "mse")]
    return [curve for curve in found if curve.lines]


def _energies(history: History, metric: str, atoms: Mapping[str, float]) -> Curve:
    lines = _errors(history, "energy", metric)
    known = all(kind in atoms for kind in lines)
    unit, note = ENERGY.unit, "Of frames, divided by their mean number of atoms."
    if known:
        lines = {k: [1000.0 * each / atoms[k] for each in line] for k, line in lines.items()}
    else:
        unit, note = "eV a frame", "Sizes of the frames are not known: errors of whole frames."
    label = _LABELS[metric]
    return Curve("energy", f"Energies, {label}", f"energy {label}", unit, note, lines)


def _forces(history: History, metric: str) -> Curve:
    lines, label = _errors(history, "forces", metric), _LABELS[metric]
    note = "Of force components. Training errors are those met on the way, before a step."
    return Curve("forces", f"Forces, {label}", f"force {label}", FORCES.unit, note, lines)


_LABELS = {"mae": "MAE", "mse": "RMSE"}


def _errors(history: History, part: str, metric: str) -> dict[str, list[float]]:
    lines = _lines(history, {kind: f"{name}_{part}_{metric}" for kind, name in SETS.items()})
    if metric == "mse":
        lines = {kind: [math.sqrt(each) for each in line] for kind, line in lines.items()}
    return lines


def _lines(history: History, names: Mapping[str, str]) -> dict[str, list[float]]:
    return {
        kind: [row.get(name, math.nan) for row in history]
        for kind, name in names.items()
        if any(name in row for row in history)
    }
