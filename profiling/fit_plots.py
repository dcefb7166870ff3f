"""Plots of a fit: learning curve, parity, error histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from .fit_errors import Evaluation, Parity

COLORS = {"training": "#4477aa", "test": "#cc3311", "validation": "#228833"}
UNITS = {"energy": "eV/atom", "forces": "eV/Å"}


def learning_curve(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Loss and energy and force errors against epochs; the best epoch is marked."""
    columns = [
        ("loss", {"training": "train_loss", "validation": "valid_loss"}),
        ("energy MAE (eV)", {"training": "train_energy_mae", "validation": "val_energy_mae"}),
        ("force MAE (eV/Å)", {"training": "train_forces_mae", "validation": "val_forces_mae"}),
    ]
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    epochs = [row["epoch"] for row in history]
    best = max((row["epoch"] for row in history if row.get("event_cp")), default=None)
    for axis, (label, names) in zip(axes, columns, strict=True):
        for kind, name in names.items():
            if name in history[0]:
                axis.plot(epochs, [row[name] for row in history], color=COLORS[kind], label=kind)
        if best is not None:
            axis.axvline(best, color="0.6", linestyle=":", label=f"best epoch ({best})")
        axis.set(xlabel="epoch", ylabel=label, yscale="log")
    axes[0].legend(frameon=False)
    _save(figure, path)


def parity(evaluations: Mapping[str, Evaluation], quantity: str, path: Path) -> None:
    """Predicted against reference values."""
    figure, axis = plt.subplots(figsize=(4.6, 4.4), layout="constrained")
    parts = {kind: _part(each, quantity) for kind, each in evaluations.items()}
    for kind, part in parts.items():
        label = f"{kind}: RMSE {_in_words(part, quantity)}"
        axis.plot(part.reference, part.predicted, ".", ms=2.5, color=COLORS[kind], label=label)
    low = min(part.reference.min() for part in parts.values())
    high = max(part.reference.max() for part in parts.values())
    axis.plot([low, high], [low, high], color="0.4", lw=0.8)
    unit = UNITS[quantity]
    axis.set(xlabel=f"reference {quantity} ({unit})", ylabel=f"predicted {quantity} ({unit})")
    axis.legend(frameon=False, markerscale=4)
    _save(figure, path)


def error_histogram(evaluations: Mapping[str, Evaluation], quantity: str, path: Path) -> None:
    """Distribution of predicted minus reference values."""
    figure, axis = plt.subplots(figsize=(4.6, 3.4), layout="constrained")
    parts = {kind: _part(each, quantity) for kind, each in evaluations.items()}
    width = max(np.quantile(np.abs(part.difference), 0.99) for part in parts.values())
    bins = np.linspace(-width, width, 61)
    for kind, part in parts.items():
        axis.hist(
            part.difference,
            bins=bins,
            density=True,
            histtype="step",
            color=COLORS[kind],
            label=kind,
        )
    axis.set(xlabel=f"error of {quantity} ({UNITS[quantity]})", ylabel="density")
    axis.legend(frameon=False)
    _save(figure, path)


def _part(evaluation: Evaluation, quantity: str) -> Parity:
    return evaluation.energy if quantity == "energy" else evaluation.forces


def _in_words(part: Parity, quantity: str) -> str:
    rmse = part.errors()["rmse"]
    return f"{1000 * rmse:.1f} meV/atom" if quantity == "energy" else f"{rmse:.3f} eV/Å"


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=130)
    plt.close(figure)
