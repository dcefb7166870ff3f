"""Pictures under the names that MedeA's MLP Generator gives them, as PNG files. Needs matplotlib.

Training is black and validation red, as users of it know; a line is fitted to predictions against
references, and slope one and intercept zero are perfect.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .errors import Evaluation, Parity
from .learning import Curve, History, best_epoch, curves
from .units import QUANTITIES, Quantity

COLORS = {"training": "black", "validation": "red"}
OTHER = "tab:blue"
SETS = {"training": "TrainingSet", "validation": "ValidationSet", "test": "TestSet"}
MOST = 20_000  # points that a picture shows, evenly chosen


def check_matplotlib() -> None:
    """Raise an ``ImportError`` that says what to do where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ImportError(
            "pictures need matplotlib: pip install 'amptorch[plots]', or ask for none"
        ) from None


def write_pictures(evaluations: Mapping[str, Evaluation], history: History, out: Path) -> list[str]:
    """Write all pictures to the folder ``out``; their names.

    They are ``learning-curve.png`` and, for ``Energies``, ``Forces`` and ``Stresses``,
    ``<name>_DFT_vs_MLP.png``, ``<name>_Difference_DFT_vs_MLP.png`` and
    ``<name>_Error_Distribution_<set>.png`` for ``TrainingSet``, ``ValidationSet`` and ``TestSet``.
    """
    check_matplotlib()
    made: dict[str, Any] = {}
    for quantity in QUANTITIES:
        found = {kind: each.parity(quantity.name) for kind, each in evaluations.items()}
        parts: dict[str, Parity] = {kind: each for kind, each in found.items() if each is not None}
        if parts:
            made[f"{quantity.plural}_DFT_vs_MLP"] = compared(quantity, parts)
            made[f"{quantity.plural}_Difference_DFT_vs_MLP"] = difference(quantity, parts)
        for kind, part in parts.items():
            name = SETS.get(kind, kind)
            made[f"{quantity.plural}_Error_Distribution_{name}"] = distribution(
                quantity, part, kind
            )
    atoms = {kind: float(each.sizes.mean()) for kind, each in evaluations.items()}
    found_curves = [each for each in curves(history, atoms) if each.unit] if history else []
    if found_curves:
        made["learning-curve"] = learning_curve(found_curves, history)
    for name, figure in made.items():
        figure.savefig(out / f"{name}.png")
    return [f"{name}.png" for name in made]


def compared(quantity: Quantity, parts: Mapping[str, Parity]) -> Any:
    """Predicted against reference values, with the line fitted to each set and its equation."""
    figure, axis = _figure()
    for kind, part in parts.items():
        x, y = _finite(quantity.axis_factor, part.reference, part.predicted)
        axis.plot(*_thinned(x, y), ".", markersize=3, color=_color(kind), label=_line(kind, x, y))
    axis.axline(
        (float(next(iter(parts.values())).reference.flat[0]) * quantity.axis_factor,) * 2,
        slope=1.0,
        color="0.5",
        linewidth=0.8,
    )
    unit = quantity.axis_unit
    axis.set(xlabel=f"{quantity.plural}, DFT ({unit})", ylabel=f"{quantity.plural}, MLP ({unit})")
    axis.legend(frameon=False, markerscale=3)
    return figure


def fitted_line(x: Any, y: Any) -> tuple[float, float]:
    """Slope and intercept of the line of least squares; slope NaN where x does not vary."""
    spread = float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread if spread > 0 else float("nan")
    return slope, float(y.mean() - slope * x.mean())


def _line(kind: str, x: Any, y: Any) -> str:
    slope, intercept = fitted_line(x, y)
    if not np.isfinite(slope):
        return kind
    return f"{kind}: y = {slope:.4f} x {'+' if intercept >= 0 else '−'} {abs(intercept):.4f}"


def difference(quantity: Quantity, parts: Mapping[str, Parity]) -> Any:
    """Predicted minus reference against reference values."""
    figure, axis = _figure()
    for kind, part in parts.items():
        x, y = _finite(1.0, part.reference, part.difference)
        x, y = quantity.axis_factor * x, quantity.factor * y
        axis.plot(*_thinned(x, y), ".", markersize=3, color=_color(kind), label=kind)
    axis.axhline(0.0, color="0.5", linewidth=0.8)
    label = f"{quantity.plural}, MLP − DFT ({quantity.unit})"
    axis.set(xlabel=f"{quantity.plural}, DFT ({quantity.axis_unit})", ylabel=label)
    axis.legend(frameon=False, markerscale=3)
    return figure


def distribution(quantity: Quantity, part: Parity, kind: str) -> Any:
    """How many errors lie where, but for the largest hundredth."""
    figure, axis = _figure()
    errors = quantity.factor * _finite(1.0, part.difference)[0]
    width = float(np.quantile(np.abs(errors), 0.99)) if errors.size else 0.0
    bins = np.linspace(-(width or 1.0), width or 1.0, 61).tolist()
    axis.hist(errors, bins=bins, color=_color(kind), alpha=0.7)
    axis.set(xlabel=f"{quantity.plural}, MLP − DFT ({quantity.unit})", ylabel="values", title=kind)
    return figure


def learning_curve(found: list[Curve], history: History) -> Any:
    """Errors of energies and forces against epochs; an arrow marks the best epoch."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(found), 3.8), dpi=130, layout="constrained")
    axes = figure.subplots(1, len(found), squeeze=False)[0]
    epochs, best = [row["epoch"] for row in history], best_epoch(history)
    for axis, curve in zip(axes, found, strict=True):
        for kind, values in curve.lines.items():
            axis.plot(epochs, values, color=_color(kind), label=kind)
        if best is not None:
            height = next(iter(curve.lines.values()))[epochs.index(best)]
            late = 2 * best > epochs[0] + epochs[-1]
            axis.annotate(
                f"best: {best}",
                (best, height),
                (-12 if late else 12, 45),
                textcoords="offset points",
                horizontalalignment="right" if late else "left",
                arrowprops={"arrowstyle": "->"},
            )
        axis.set(xlabel="epoch", ylabel=f"{curve.label} ({curve.unit})", yscale="log")
        axis.legend(frameon=False)
    return figure


def _finite(factor: float, *arrays: Any) -> list[Any]:
    keep = np.logical_and.reduce([np.isfinite(each) for each in arrays])
    return [factor * each[keep] for each in arrays]


def _thinned(*arrays: Any) -> list[Any]:
    return [each[:: max(1, -(-each.size // MOST))] for each in arrays]


def _color(kind: str) -> str:
    return COLORS.get(kind, OTHER)


def _figure() -> tuple[Any, Any]:
    """A figure of its own, which leaves pyplot and its backend as they are."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8, 4.6), dpi=130, layout="constrained")
    return figure, figure.subplots()
