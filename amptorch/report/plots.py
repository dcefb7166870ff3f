"""Plots of a fit: learning curve, parity, differences, error histograms. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .errors import Evaluation, Parity

COLORS = {"training": "#4477aa", "test": "#cc3311", "validation": "#228833"}
UNITS = {"energy": "eV/atom", "forces": "eV/Å", "stress": "eV/Å$^3$"}
_CURVES = {
    "loss": {"training": "train_loss", "validation": "valid_loss"},
    "energy MAE (eV)": {"training": "train_energy_mae", "validation": "val_energy_mae"},
    "energy MSE (eV$^2$)": {"training": "train_energy_mse", "validation": "val_energy_mse"},
    "force MAE (eV/Å)": {"training": "train_forces_mae", "validation": "val_forces_mae"},
    "force MSE (eV$^2$/Å$^2$)": {"training": "train_forces_mse", "validation": "val_forces_mse"},
}


def check_matplotlib() -> None:
    """Raise an ``ImportError`` that says what to do where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ImportError(
            "report: plots need matplotlib: pip install 'amptorch[plots]', or ask for no plots"
        ) from None


def write_plots(
    evaluations: Mapping[str, Evaluation], history: Sequence[Mapping[str, Any]], out: Path
) -> list[str]:
    """Write all plots as PNG files to the folder ``out``; their names."""
    check_matplotlib()
    names = []
    if history and _curves(history):
        learning_curve(history, out / "learning_curve.png")
        names.append("learning_curve.png")
    kinds: dict[str, Callable[[Mapping[str, Parity], str, Path], None]] = {
        "parity": parity,
        "difference": difference,
        "errors": histogram,
    }
    for quantity in UNITS:
        found = {kind: each.parity(quantity) for kind, each in evaluations.items()}
        parts = {kind: each for kind, each in found.items() if each is not None}
        for name, draw in kinds.items() if parts else ():
            names.append(f"{name}_{quantity}.png")
            draw(parts, quantity, out / names[-1])
    return names


def best_epoch(history: Sequence[Mapping[str, Any]]) -> int | None:
    """The last epoch that was kept as the best, or None where none was."""
    return max((row["epoch"] for row in history if row.get("event_cp")), default=None)


def learning_curve(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Loss and energy and force errors against epochs; the best epoch is marked."""
    curves = _curves(history)
    figure, axes = _figure(len(curves), width=4.0, height=3.6)
    epochs = [row["epoch"] for row in history]
    best = best_epoch(history)
    for axis, (label, names) in zip(axes, curves.items(), strict=True):
        for kind, name in names.items():
            axis.plot(epochs, [row[name] for row in history], color=COLORS[kind], label=kind)
        if best is not None:
            axis.axvline(best, color="0.6", linestyle=":", label=f"best epoch ({best})")
        axis.set(xlabel="epoch", ylabel=label, yscale="log")
    axes[0].legend(frameon=False)
    figure.savefig(path)


def _curves(history: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Of ``_CURVES``, those that a history has."""
    found = {
        label: {kind: name for kind, name in names.items() if name in history[0]}
        for label, names in _CURVES.items()
    }
    return {label: names for label, names in found.items() if names}


def parity(parts: Mapping[str, Parity], quantity: str, path: Path) -> None:
    """Predicted against reference values."""
    figure, (axis,) = _figure(1, width=4.6, height=4.4)
    for kind, part in parts.items():
        axis.plot(
            part.reference.ravel(),
            part.predicted.ravel(),
            ".",
            markersize=2.5,
            color=_color(kind),
            label=f"{kind}: RMSE {1000 * part.rmse:.3g} m{UNITS[quantity]}",
        )
    axis.axline((part.reference.flat[0],) * 2, slope=1.0, color="0.4", linewidth=0.8)
    unit = UNITS[quantity]
    axis.set(xlabel=f"reference {quantity} ({unit})", ylabel=f"predicted {quantity} ({unit})")
    axis.legend(frameon=False, markerscale=4)
    figure.savefig(path)


def difference(parts: Mapping[str, Parity], quantity: str, path: Path) -> None:
    """Predicted minus reference against reference values."""
    figure, (axis,) = _figure(1, width=4.6, height=3.4)
    for kind, part in parts.items():
        axis.plot(
            part.reference.ravel(),
            part.difference.ravel(),
            ".",
            markersize=2.5,
            color=_color(kind),
            label=kind,
        )
    axis.axhline(0.0, color="0.4", linewidth=0.8)
    unit = UNITS[quantity]
    axis.set(xlabel=f"reference {quantity} ({unit})", ylabel=f"error of {quantity} ({unit})")
    axis.legend(frameon=False, markerscale=4)
    figure.savefig(path)


def histogram(parts: Mapping[str, Parity], quantity: str, path: Path) -> None:
    """Distribution of predicted minus reference values, but for the largest hundredth."""
    figure, (axis,) = _figure(1, width=4.6, height=3.4)
    width = max(float(np.quantile(np.abs(part.difference), 0.99)) for part in parts.values())
    width = width or 1.0
    bins = np.linspace(-width, width, 61).tolist()
    for kind, part in parts.items():
        values = part.difference.ravel()
        axis.hist(
            values[np.abs(values) <= width],
            bins=bins,
            weights=np.full((np.abs(values) <= width).sum(), 1.0 / len(values)),
            histtype="step",
            color=_color(kind),
            label=kind,
        )
    axis.set(xlabel=f"error of {quantity} ({UNITS[quantity]})", ylabel="share of values")
    axis.legend(frameon=False)
    figure.savefig(path)


def _color(kind: str) -> str:
    return COLORS.get(kind, "#aa3377")


def _figure(number: int, width: float, height: float) -> tuple[Any, list[Any]]:
    """A figure of its own, which leaves pyplot and its backend as they are."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * number, height), dpi=130, layout="constrained")
    axes = figure.subplots(1, number, squeeze=False)
    return figure, list(axes[0])
